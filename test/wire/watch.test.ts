/** `carp watch` on a live segment: what it says about ours, ucarp, a VRRP router, and about those who do not agree. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CARP, Carp, type GroupText } from '../support/carp.ts';
import type { Child } from '../support/child.ts';
import { Lan, type Machine, run } from '../support/netns.ts';
import { missingForAgent, unreadableByOthers } from '../support/requirements.ts';
import { startUcarp } from '../support/ucarp.ts';
import { until } from '../support/wait.ts';

const FORGER = fileURLToPath(new URL('./watch-forger.js', import.meta.url));
const START_MS = 20_000;
const TOLD_MS = 20_000;
const VIP = '192.0.2.100';

interface Item {
  readonly event: string;
  readonly [key: string]: unknown;
}

const group = (advskew: number, pass = 'secret'): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 7,
  pass,
  addresses: [`${VIP}/32`],
  advskew,
});

/** The watcher, and what it has said so far. */
class Watcher {
  readonly child: Child;

  constructor(lan: Lan, on: Machine, ...args: readonly string[]) {
    this.child = lan.start(on, 'watch', [process.execPath, CARP, 'watch', '--json', ...args]);
  }

  items(): readonly Item[] {
    return this.child.stdout.map(({ text }) => JSON.parse(text) as Item);
  }

  find(event: string, fields: Readonly<Record<string, unknown>> = {}): Item | undefined {
    const matches = (item: Item): boolean => Object.entries(fields).every(([key, value]) => item[key] === value);
    return this.items().find((item) => item.event === event && matches(item));
  }

  until(event: string, fields: Readonly<Record<string, unknown>> = {}): Promise<Item> {
    const what = `${event} ${JSON.stringify(fields)}`;
    return until(
      what,
      TOLD_MS,
      () => this.find(event, fields),
      () => this.child.report(),
    );
  }

  /** Ends it as Ctrl-C does. */
  async summary(): Promise<Item> {
    this.child.signal('SIGINT');
    assert.equal((await this.child.untilExit(5000)).code, 0, this.child.report());
    const last = this.items().at(-1);
    assert.ok(last?.event === 'summary', this.child.report());
    return last;
  }
}

const forge = (lan: Lan, on: Machine, ...args: readonly string[]): Child =>
  lan.start(on, 'forger', [process.execPath, FORGER, 'eth0', ...args]);

// Each has a LAN of its own, and mostly waits.
describe('carp watch', { concurrency: 2 }, () => {
  test('tells ours, ucarp and a VRRP router apart, who of them is MASTER, and who takes over', {
    skip: missingForAgent('ucarp'),
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 3);
    const [first, second, third] = [lan.host(1), lan.host(2), lan.host(3)];
    const watcher = new Watcher(lan, lan.client, 'eth0', '--pass', 'secret', '--address', VIP, '--vhid', '7');
    const carp = Carp.start(lan, first, [group(0)]);
    await carp.untilRole('MASTER', START_MS);
    const heard = await watcher.until('speaker-heard', { source: first.ipv4 });
    assert.equal(heard['mac'], first.mac);
    assert.equal(heard['digest'], 'ok');
    assert.equal(heard['self'], false);
    const guess = await watcher.until('system-guessed', { source: first.ipv4, system: 'node-red-carp' });
    assert.ok(Array.isArray(guess['reasons']) && guess['reasons'].includes('the counter advances by a stride'));

    const standby = startUcarp(lan, second, { vhid: 7, pass: 'secret', address: VIP, advskew: 20 });
    forge(lan, third, '9', '192.0.2.13');
    await watcher.until('speaker-heard', { protocol: 'vrrp', vhid: 9 });
    await watcher.until('refused', { why: 'badver', source: '192.0.2.13' });
    // ucarp has to have heard a MASTER before that one leaves.
    await standby.untilLine(/Switching to state: BACKUP/, START_MS);
    assert.equal((await carp.terminate()).code, 0);
    await watcher.until('bow-out', { source: first.ipv4 });
    const taken = await watcher.until('master', { source: second.ipv4 });
    assert.ok(['bow-out', 'timeout'].includes(String(taken['how'])), JSON.stringify(taken));
    await watcher.until('system-guessed', { source: second.ipv4, system: 'ucarp' });

    forge(lan, third, '7', '192.0.2.13');
    await watcher.until('id-clash', { vhid: 7 });

    const summary = await watcher.summary();
    assert.deepEqual(summary['wires'], [{ used: [7, 9], free: [1, 2, 3, 4, 5] }]);
    assert.equal(summary['dropped'], 0);
    assert.equal(watcher.find('two-masters'), undefined);
    assert.equal(watcher.find('digest'), undefined);
  });

  test('sees a healed partition end with one MASTER, and two who differ in their password as two', {
    skip: missingForAgent(),
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 3);
    const [first, second, third] = [lan.host(1), lan.host(2), lan.host(3)];
    const watcher = new Watcher(lan, lan.client, 'eth0', '--pass', 'secret', '--address', VIP);
    await lan.silence(second);
    const [one, two] = [Carp.start(lan, first, [group(0)]), Carp.start(lan, second, [group(100)])];
    await Promise.all([one, two].map((each) => each.untilRole('MASTER', START_MS)));
    await watcher.until('master', { source: first.ipv4 });
    assert.equal(watcher.find('speaker-heard', { source: second.ipv4 }), undefined);
    await lan.unsilence(second);
    await two.untilRole('BACKUP', START_MS);
    await watcher.until('claim-failed', { source: second.ipv4 });
    assert.equal(watcher.find('two-masters'), undefined, watcher.child.report());

    const stranger = Carp.start(lan, third, [group(50, 'hunter2')]);
    await stranger.untilRole('MASTER', START_MS);
    const dispute = await watcher.until('two-masters');
    assert.equal(dispute['signatures'], 'different');
    assert.ok(Number(dispute['overlapMs']) >= 2 * 1195);
    const verdict = await watcher.until('digest', { source: third.ipv4 });
    assert.deepEqual([verdict['digest'], verdict['others']], ['bad', 'ok']);
    await stranger.terminate();
    await watcher.until('two-masters-over', { source: first.ipv4 });
    const { disputes } = await watcher.summary();
    assert.deepEqual(disputes, []);
    assert.doesNotMatch(watcher.child.report(), /hunter2/);
  });

  test('sees what its own host sends, VLAN tags, and the interface going away', {
    skip: missingForAgent(),
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const watcher = new Watcher(lan, host, 'eth0');
    forge(lan, host, '9', '192.0.2.11');
    assert.equal((await watcher.until('speaker-heard', { vhid: 9 }))['self'], true);
    forge(lan, lan.client, '10', '192.0.2.200', '42');
    const tagged = await watcher.until('speaker-heard', { vhid: 10 });
    assert.deepEqual([tagged['vlan'], tagged['self']], ['42', false]);
    await run('ip', '-n', host.namespace, 'link', 'set', 'eth0', 'down');
    await watcher.until('master-silent', { vhid: 10 });
    await run('ip', '-n', host.namespace, 'link', 'set', 'eth0', 'up');
    await watcher.until('master', { vhid: 10, how: 'returned' });
    await run('ip', '-n', host.namespace, 'link', 'del', 'eth0');
    assert.equal((await watcher.child.untilExit(5000)).code, 1, watcher.child.report());
    assert.ok(watcher.find('summary'));
    await watcher.child.untilLine(/interface eth0 has gone/, 1000);
  });

  test('needs CAP_NET_RAW alone, and says so without it', {
    skip: missingForAgent('setpriv') || unreadableByOthers(CARP),
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    forge(lan, host, '9', '192.0.2.11');
    const as = (...capabilities: readonly string[]): readonly string[] => [
      ...['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', ...capabilities],
      ...[process.execPath, CARP, 'watch', 'eth0', '--once'],
    ];
    const raw = ['--inh-caps', '-all,+net_raw', '--ambient-caps', '-all,+net_raw', '--bounding-set', '-all,+net_raw'];
    const allowed = lan.start(lan.client, 'watch with CAP_NET_RAW', as(...raw));
    assert.equal((await allowed.untilExit(TOLD_MS)).code, 0, allowed.report());
    assert.ok(allowed.line(/^VRRP id 9 .*192\.0\.2\.11/), allowed.report());
    const refused = lan.start(lan.client, 'watch without', as('--inh-caps', '-all', '--ambient-caps', '-all'));
    assert.equal((await refused.untilExit(TOLD_MS)).code, 77, refused.report());
    assert.ok(refused.line(/listening on eth0 needs the capability CAP_NET_RAW/), refused.report());
    assert.ok(refused.line(/sudo tcpdump -i eth0 .*carp watch --read -/), refused.report());
  });
});
