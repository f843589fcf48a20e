/** A shared address comes and goes; the addresses of the host itself never do. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Carp, type GroupText } from '../support/carp.ts';
import { Lan, type Machine, run } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';

const skip = missingForAgent('tee');
const START_MS = 15_000;
/** valid_lft 2 s for the default timing; the kernel looks about once a second. */
const EXPIRY_MS = 8000;

const group = (name: string, vhid: number, addresses: readonly string[]): GroupText => ({
  name,
  interface: 'eth0',
  vhid,
  pass: 'secret',
  addresses,
});

/** The kernel's default, which takes secondary addresses along when the primary of their subnet goes. */
const keepNoSecondaries = async (lan: Lan, on: Machine): Promise<void> => {
  for (const which of ['all', 'eth0']) {
    const child = lan.start(on, 'tee', ['tee', `/proc/sys/net/ipv4/conf/${which}/promote_secondaries`]);
    child.write('0\n');
    assert.equal((await child.untilExit(5000)).code, 0, child.report());
  }
};

// Each test has a LAN of its own and mostly waits; more at a time would disturb the measurements.
describe('shared addresses and those of the host', { concurrency: 2 }, () => {
  test('neither expiry nor removal of a shared address takes an address of the host along', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const ends: readonly (readonly [Machine, 'SIGKILL' | 'SIGTERM'])[] = [
      [lan.host(1), 'SIGKILL'],
      [lan.host(2), 'SIGTERM'],
    ];
    const check = async ([host, signal]: readonly [Machine, 'SIGKILL' | 'SIGTERM'], index: number): Promise<void> => {
      await keepNoSecondaries(lan, host);
      const last = 100 + index;
      // In the subnet of the host; in a subnet where the shared address is the first; and IPv6.
      const shared = [`192.0.2.${last}`, `198.51.100.${last}`, `2001:db8::${last}`];
      const agent = Carp.start(lan, host, [
        group('inside', 20 + index, [`${shared[0]}/24`]),
        group('outside', 30 + index, [`${shared[1]}/24`]),
        group('six', 40 + index, [`${shared[2]}/64`]),
      ]);
      const before = await lan.addressList(host);
      for (const name of ['inside', 'outside', 'six']) await agent.untilRole('MASTER', START_MS, name);
      for (const address of shared) await lan.untilHolders(address, [host.name], 2000);
      // The administrator adds addresses while the shared ones are there: as secondaries of theirs, if they can be.
      const added = [`198.51.100.${10 + index}/24`, `192.0.2.${20 + index}/24`];
      for (const cidr of added) await run('ip', '-n', host.namespace, 'addr', 'add', cidr, 'dev', 'eth0');
      agent.child.signal(signal);
      await agent.child.untilExit(5000);
      for (const address of shared) await lan.untilHolders(address, [], EXPIRY_MS);
      assert.deepEqual(await lan.addressList(host), [...before, ...added].sort(), `after ${signal}`);
    };
    await Promise.all(ends.map(check));
  });

  test('a lease runs out by itself when the agent is killed, and never while it lives', {
    skip,
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const agent = Carp.start(lan, host, [group('plant', 10, ['192.0.2.100/24'])]);
    await agent.untilRole('MASTER', START_MS);
    const [entry] = (await lan.addresses(host)).filter(({ local }) => local === '192.0.2.100');
    assert.equal(entry?.prefix, 32, 'beside an address of its subnet it is a /32');
    assert.ok(entry?.validLifetime !== undefined && entry.validLifetime <= 2, `valid for ${entry?.validLifetime} s`);
    agent.child.signal('SIGKILL');
    await lan.untilHolders('192.0.2.100', [], EXPIRY_MS);
  });

  test('an address that is permanent on the interface is refused, and stays as it is', {
    skip,
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    await run('ip', '-n', host.namespace, 'addr', 'add', '192.0.2.100/24', 'dev', 'eth0');
    const before = await lan.exec(host, 'ip', 'addr');
    const { child } = Carp.start(lan, host, [group('plant', 10, ['192.0.2.100/24'])]);
    const exit = await child.untilExit(START_MS);
    assert.equal(exit.code, 1, child.report());
    assert.match(
      child.stderr.map(({ text }) => text).join('\n'),
      /ip addr del 192\.0\.2\.100\/24 dev eth0/,
      'the remedy',
    );
    assert.equal(await lan.exec(host, 'ip', 'addr'), before);
  });

  test('an address that will go by itself is waited for, and stays as it is until then', {
    skip,
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    // Long enough for a slow start: the agent has to find it there.
    const lifetime = ['valid_lft', '8', 'preferred_lft', '8'];
    await run('ip', '-n', host.namespace, 'addr', 'add', '192.0.2.100/24', 'dev', 'eth0', ...lifetime);
    const agent = Carp.start(lan, host, [group('plant', 10, ['192.0.2.100/24'])]);
    const { text } = await agent.child.untilLine(/192\.0\.2\.100\/24 is set on eth0 already/, START_MS);
    assert.match(text, /for up to 10 s more, and not by us/);
    await agent.untilRole('MASTER', 2 * START_MS);
    const [entry] = (await lan.addresses(host)).filter(({ local }) => local === '192.0.2.100');
    assert.equal(entry?.prefix, 32, 'it is ours now');
  });

  test('an address that somebody makes permanent while it is held survives its lease and the agent', {
    skip,
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const agent = Carp.start(lan, host, [group('plant', 10, ['192.0.2.100/24'])]);
    await agent.untilRole('MASTER', START_MS);
    const permanent = async (): Promise<boolean> =>
      (await lan.addresses(host)).some(
        ({ local, validLifetime }) => local === '192.0.2.100' && validLifetime === undefined,
      );
    // `ip addr add` of another prefix length is another entry of the same address.
    await run('ip', '-n', host.namespace, 'addr', 'add', '192.0.2.100/24', 'dev', 'eth0');
    assert.equal((await agent.terminate()).code, 0, agent.child.report());
    assert.ok(await permanent(), 'the entry of the administrator is still there');
    await run('ip', '-n', host.namespace, 'addr', 'del', '192.0.2.100/24', 'dev', 'eth0');
    await lan.untilHolders('192.0.2.100', [], EXPIRY_MS);
  });
});
