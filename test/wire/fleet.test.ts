/** `carp fleet` beside two agents that share an address: what it shows when the MASTER is killed, and comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Broker } from '../support/broker.ts';
import { CARP, Carp, type GroupText } from '../support/carp.ts';
import { Lan } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { monotonicMs, until } from '../support/wait.ts';

const skip = missingForAgent('mosquitto', 'mosquitto_sub');
const group = (advskew: number): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret-of-plant',
  addresses: ['192.0.2.100/24'],
  advskew,
});

interface Row {
  readonly node: string;
  readonly status: string;
  readonly alive: boolean;
  readonly role?: string;
  readonly held?: readonly string[];
}

interface Shown {
  readonly at: number;
  readonly group: string;
  readonly master?: { readonly node: string; readonly address: string; readonly confirmed: boolean };
  readonly findings: readonly { readonly severity: string; readonly code: string }[];
  readonly members: readonly Row[];
}

test('carp fleet shows who is MASTER of two agents, that one was killed, and that it is back', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const lan = await Lan.create(t, 2);
  const [h1, h2] = [lan.host(1), lan.host(2)];
  const broker = await Broker.start(lan, 'carp/#');
  const config = { mqtt: { url: broker.url } };
  const first = Carp.start(lan, h1, [group(0)], { config });
  await first.untilRole('MASTER', 20_000);
  const second = Carp.start(lan, h2, [group(100)], { config });
  await second.untilRole('BACKUP', 20_000);

  const argv = [process.execPath, CARP, 'fleet', broker.url, '--watch', '--json'];
  const fleet = lan.instrument(lan.client.namespace, 'carp fleet', argv);
  const shown = (): readonly Shown[] =>
    fleet.stdout.flatMap(({ at, text }) => {
      const object = JSON.parse(text);
      return object.group === 'plant' ? [{ at, ...object }] : [];
    });
  const untilShown = (what: string, fits: (one: Shown) => boolean, from = 0): Promise<Shown> =>
    until(
      `carp fleet to show ${what}`,
      20_000,
      () => shown().find((one) => one.at >= from && fits(one)),
      () => fleet.report(),
    );
  const roles = ({ members }: Shown): string =>
    members.map(({ node, role, status, alive }) => `${node} ${status} ${alive ? role : `(${role})`}`).join(', ');

  const calm = await untilShown('both', (one) => roles(one) === 'h1 online MASTER, h2 online BACKUP');
  assert.deepEqual(calm.findings, []);
  assert.deepEqual([calm.master?.node, calm.master?.address], ['h1', h1.ipv4]);
  assert.deepEqual(calm.members[0]?.held, ['192.0.2.100']);

  const killed = monotonicMs();
  first.child.signal('SIGKILL');
  const taken = await untilShown('the successor', (one) => one.master?.node === 'h2' && one.master.confirmed, killed);
  const role = await broker.untilMessage('carp/plant/node/h2/role', (text) => text === 'MASTER', 20_000, killed);
  t.diagnostic(`shown ${(taken.at - role.at).toFixed(0)} ms after the subscriber had the role`);
  const dead = await untilShown('the dead', (one) => roles(one) === 'h1 offline (MASTER), h2 online MASTER', killed);
  assert.ok(dead.findings.some(({ code }) => code === 'offline'));
  // In between both have said MASTER, and the dead one not again: no split brain.
  const since = shown().filter(({ at }) => at >= killed);
  assert.ok(!since.some(({ findings }) => findings.some(({ code }) => code === 'two-masters')), fleet.report());

  const again = monotonicMs();
  const back = Carp.start(lan, h1, [group(0)], { config });
  await back.untilRole('BACKUP', 20_000);
  const healed = await untilShown(
    'both again',
    (one) => roles(one) === 'h1 online BACKUP, h2 online MASTER' && one.findings.length === 0,
    again,
  );
  assert.equal(healed.master?.node, 'h2');

  fleet.signal('SIGINT');
  assert.equal((await fleet.untilExit(5000)).code, 0);
  assert.ok(![...fleet.stdout, ...fleet.stderr].some(({ text }) => text.includes('secret-of-plant')));
});
