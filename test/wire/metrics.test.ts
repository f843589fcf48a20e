/** Metrics of an agent whose leases, links and peers are real. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Carp, type GroupText } from '../support/carp.ts';
import { type ReadFamily, readExposition, samplesOf, valueIn } from '../support/exposition.ts';
import { Lan, type Machine, run } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { until } from '../support/wait.ts';

const skip = missingForAgent();
const START_MS = 15_000;
const WAIT_MS = 15_000;
const PORT = 9112;

const group = (name: string, vhid: number, more: GroupText = {}): GroupText => ({
  name,
  interface: 'eth0',
  vhid,
  pass: 'secret',
  addresses: [`192.0.2.${100 + vhid}/24`],
  ...more,
});

const FETCH = `
fetch(process.argv[1]).then(async (reply) => console.log(JSON.stringify([reply.status, await reply.text()])));
`;

/** Asks from another machine. */
const ask = async (lan: Lan, from: Machine, url: string): Promise<readonly [status: number, body: string]> =>
  JSON.parse(await lan.exec(from, process.execPath, '-e', FETCH, url)) as [number, string];

describe('metrics of real groups', () => {
  test('leases, refused adverts and a lost link are seen from another machine', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const groups = [group('plain', 10), group('behind', 11, { addressing: 'virtual-mac' })];
    const config = { metrics: { address: first.ipv4, port: PORT } };
    const agent = Carp.start(lan, first, groups, { config });
    for (const name of ['plain', 'behind']) await agent.untilRole('MASTER', START_MS, name);
    const url = `http://${first.ipv4}:${PORT}`;
    const scrape = async (): Promise<readonly ReadFamily[]> => {
      const [status, body] = await ask(lan, second, `${url}/metrics`);
      assert.equal(status, 200);
      return readExposition(body, 'prometheus');
    };

    // Renewed every quarter of two seconds; who is late by a whole lease is not MASTER any more.
    const ages: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const families = await scrape();
      for (const name of ['plain', 'behind']) {
        ages.push(valueIn(families, 'carp_group_lease_age_seconds', { group: name }));
        assert.equal(valueIn(families, 'carp_group_lease_seconds', { group: name }), 2);
      }
    }
    t.diagnostic(`ages of leases: ${ages.join(' ')} s`);
    for (const age of ages) assert.ok(age >= 0 && age < 1.9, `${age} s`);
    assert.ok(new Set(ages).size > 1, 'they grow and are renewed');

    // Another list of addresses: another digest.
    const stranger = Carp.start(lan, second, [group('plain', 10, { addresses: [] })]);
    await stranger.untilRole('MASTER', START_MS);
    const refused = (families: readonly ReadFamily[]): number =>
      valueIn(families, 'carp_adverts_refused_total', { group: 'plain', reason: 'badauth' });
    await until('refused adverts', WAIT_MS, async () => refused(await scrape()) >= 2);
    assert.equal((await ask(lan, second, `${url}/healthz`))[0], 200);
    assert.equal((await ask(lan, second, `${url}/healthz?master=behind`))[0], 200);
  });

  test('a link that is lost makes the host unhealthy, and says so', { skip, timeout: 60_000 }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const agent = Carp.start(lan, host, [group('plain', 10)], { config: { metrics: { port: PORT } } });
    await agent.untilRole('MASTER', START_MS);
    const url = `http://127.0.0.1:${PORT}`;
    assert.equal((await ask(lan, host, `${url}/healthz`))[0], 200);
    await run('ip', '-n', host.namespace, 'link', 'set', 'eth0', 'down');
    await agent.untilRole('INIT', WAIT_MS);
    const [status, body] = await ask(lan, host, `${url}/healthz`);
    assert.equal(status, 503);
    const { failures } = JSON.parse(body) as { readonly failures: readonly Readonly<Record<string, string>>[] };
    assert.deepEqual([failures[0]?.['group'], failures[0]?.['role']], ['plain', 'INIT']);
    assert.match(failures[0]?.['why'] ?? '', /eth0 is down/);
    const families = readExposition((await ask(lan, host, `${url}/metrics`))[1], 'prometheus');
    assert.equal(valueIn(families, 'carp_group_healthy', { group: 'plain' }), 0);
    assert.equal(samplesOf(families, 'carp_group_lease_age_seconds').length, 0);
  });
});
