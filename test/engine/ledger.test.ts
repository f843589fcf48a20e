import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER } from 'rxjs';
import { Ledger } from '../../src/engine/ledger.ts';
import type { GroupSettings } from '../../src/engine/settings.ts';
import { CarpError } from '../../src/ports/error.ts';
import { advSkew, vhid } from '../../src/protocol/units.ts';
import { virtually } from '../support/marbles.ts';
import { cidr, type VirtualHost, virtualLan } from '../support/virtual-lan.ts';

const roles = ({ events }: VirtualHost, group = 'plant') =>
  events
    .filter((event) => event.event === 'transition' && event.group === group)
    .map(({ role, reason }) => `${role} ${reason}`);
const clock = () => new Date(0);

test('entries concern a host, a sync group or a group, and add up', () => {
  virtually((_helpers, scheduler) => {
    const ledger = new Ledger(scheduler, clock);
    const sums: number[] = [];
    ledger.sums({ name: 'a', sync: 'site' }).subscribe(({ demotion }) => sums.push(demotion));
    ledger.demote({ reason: 'x', weight: 1, scope: { of: 'host' } });
    ledger.demote({ reason: 'x', weight: 2, scope: { of: 'sync', name: 'site' } });
    ledger.demote({ reason: 'x', weight: 4, scope: { of: 'group', name: 'a' } });
    ledger.demote({ reason: 'x', weight: 8, scope: { of: 'group', name: 'b' } });
    ledger.demote({ reason: 'x', weight: 16, scope: { of: 'sync', name: 'other' } });
    assert.deepEqual(sums, [0, 1, 3, 7], 'what concerns others is not told');
    assert.equal(ledger.entriesOf({ name: 'b' }).length, 2);
  });
});

test('the same reason again replaces its weight and keeps its time; clearing it twice is no mistake', () => {
  virtually((_helpers, scheduler) => {
    let now = 0;
    const ledger = new Ledger(scheduler, () => new Date(now));
    const scope = { of: 'host' } as const;
    ledger.demote({ reason: 'upgrade', weight: 100, scope });
    now = 5000;
    ledger.demote({ reason: 'upgrade', weight: 50, scope });
    assert.deepEqual(ledger.entriesOf({ name: 'a' }), [
      { reason: 'upgrade', weight: 50, since: '1970-01-01T00:00:00.000Z' },
    ]);
    assert.deepEqual([ledger.restore('upgrade', scope), ledger.restore('upgrade', scope)], [true, false]);
  });
});

test('an entry with a time ends by itself', () => {
  virtually(({ expectObservable }, scheduler) => {
    const ledger = new Ledger(scheduler, () => new Date(scheduler.now()));
    ledger.demote({ reason: 'warming up', weight: 10, scope: { of: 'host' }, forMs: 30 });
    assert.equal(ledger.entriesOf({ name: 'a' })[0]?.until, '1970-01-01T00:00:00.030Z');
    expectObservable(ledger.sums({ name: 'a' }), '50ms !').toBe('a 29ms b', {
      a: { demotion: 10, observing: false, reason: 'demoted' },
      b: { demotion: 0, observing: false, reason: 'demoted' },
    });
  });
});

test('an entry that says so makes all whom it concerns observe, until the last of them is cleared', () => {
  virtually((_helpers, scheduler) => {
    const ledger = new Ledger(scheduler, clock);
    const told: string[] = [];
    ledger
      .sums({ name: 'a', sync: 'site' })
      .subscribe(({ demotion, observing, reason }) => told.push(`${demotion} ${observing} ${reason}`));
    const [host, other] = [{ of: 'host' }, { of: 'group', name: 'b', sync: 'site' }] as const;
    ledger.demote({ reason: 'observe', weight: 240, observes: true, scope: other });
    ledger.demote({ reason: 'observe', weight: 240, observes: true, scope: host });
    ledger.restore('observe', other);
    // The same sum: what changes is what it means.
    ledger.demote({ reason: 'observe', weight: 240, scope: host });
    ledger.restore('observe', host);
    assert.deepEqual(told, [
      '0 false demoted',
      '240 true forced',
      '480 true forced',
      '240 true forced',
      '240 false demoted',
      '0 false demoted',
    ]);
  });
});

test('a MASTER that is demoted by 240 hands over once, and takes nothing back when it is restored', async () => {
  const { start, pass, holders } = virtualLan();
  const first = start('rpi1');
  await pass(3500);
  start('rpi2', { advskew: advSkew(100) });
  await pass(2000);
  first.host.demote({ reason: 'maintenance', weight: 240 });
  await pass(100);
  assert.deepEqual(holders(), ['rpi2']);
  assert.equal(roles(first).at(-1), 'BACKUP maintenance');
  assert.deepEqual(first.host.status().groups[0]?.ledger, [
    { reason: 'maintenance', weight: 240, since: '2026-01-01T00:00:05.500Z' },
  ]);
  assert.equal(first.host.restore('maintenance'), true);
  await pass(10_000);
  assert.deepEqual(holders(), ['rpi2']);
});

test('two hosts that are demoted by the same cause hand over once at most, and then rest', async () => {
  const { start, pass, holders } = virtualLan();
  const first = start('rpi1');
  await pass(3500);
  const second = start('rpi2', { advskew: advSkew(100) });
  await pass(2000);
  for (const { host } of [second, first]) host.demote({ reason: 'gateway', weight: 240 });
  await pass(60_000);
  assert.equal(holders().length, 1);
  assert.ok([...roles(first), ...roles(second)].filter((role) => role.startsWith('MASTER')).length <= 2);
});

test('a demotion below 240 is only advertised; a preempting peer takes over', async () => {
  const { start, pass, holders } = virtualLan();
  const first = start('rpi1');
  await pass(3500);
  start('rpi2', { advskew: advSkew(100), preempt: true });
  await pass(2000);
  first.host.demote({ reason: 'slow disk', weight: 99 });
  await pass(500);
  assert.deepEqual(holders(), ['rpi1']);
  first.host.demote({ reason: 'slow disk', weight: 101 });
  await pass(50);
  assert.deepEqual(holders(), ['rpi2']);
});

const SITE: readonly Partial<GroupSettings>[] = [
  { name: 'inside', sync: 'site', interface: 'eth0', vhid: vhid(1), addresses: [cidr('192.0.2.100/24')] },
  { name: 'outside', sync: 'site', interface: 'eth1', vhid: vhid(2), addresses: [cidr('198.51.100.100/24')] },
  { name: 'alone', interface: 'eth1', vhid: vhid(3), addresses: [cidr('198.51.100.101/24')] },
];
const behind = (groups: readonly Partial<GroupSettings>[]) =>
  groups.map((group) => ({ ...group, advskew: advSkew(100) }));

test('groups of one sync move together when one of them is handed over', async () => {
  const { lan, start, pass } = virtualLan();
  const first = start('rpi1', SITE);
  await pass(3500);
  start('rpi2', behind(SITE));
  await pass(2000);
  const receipt = first.host.handOver('inside', { force: false });
  await pass(200);
  assert.equal((await receipt).address, '192.0.2.12');
  assert.deepEqual(lan.holders('192.0.2.100'), ['rpi2']);
  assert.deepEqual(lan.holders('198.51.100.100'), ['rpi2']);
  assert.deepEqual(lan.holders('198.51.100.101'), ['rpi1'], 'a group of no sync stays');
});

test('a lost link demotes the groups of the same sync, and no others, until it is back', async () => {
  const { lan, start, pass } = virtualLan();
  const { interfaces } = lan.host('rpi1');
  const down = lan.host('rpi1b');
  const world = {
    interfaces: { watch: (name: string) => (name === 'eth0' ? down : lan.host('rpi1')).interfaces.watch(name) },
  };
  const first = start('rpi1', SITE, world);
  await pass(3500);
  start('rpi2', behind(SITE));
  await pass(2000);
  assert.ok(interfaces);
  down.setPlugged(false);
  await pass(200);
  assert.deepEqual(lan.holders('198.51.100.100'), ['rpi2']);
  assert.deepEqual(lan.holders('198.51.100.101'), ['rpi1']);
  const ledgerOf = (name: string) => first.host.status().groups.find(({ group }) => group === name)?.ledger;
  assert.deepEqual(
    ledgerOf('outside')?.map(({ reason, weight }) => [reason, weight]),
    [['link-down inside', 240]],
  );
  assert.deepEqual(ledgerOf('alone'), []);
  down.setPlugged(true);
  await pass(100);
  assert.deepEqual(ledgerOf('outside'), []);
});

test('a host that cannot send is demoted after three failures, and fit again after ten good probes, not adverts', async () => {
  const { lan, start, pass } = virtualLan();
  let blocked = false;
  let probes = 0;
  const guard = (): void => {
    if (blocked) throw new CarpError('CARP_SEND', 'EPERM');
  };
  const { transport } = lan.host('rpi1');
  const world = {
    transport: {
      ...transport,
      open: (options: Parameters<typeof transport.open>[0]) => {
        const channel = transport.open(options);
        return {
          ...channel,
          send: (...args: Parameters<typeof channel.send>) => {
            guard();
            channel.send(...args);
          },
        };
      },
    },
    announcer: {
      announce: () => {
        probes += 1;
        guard();
      },
    },
    addresses: {
      check: () => undefined,
      take: () => ({ events$: NEVER, release: () => undefined }),
      inherits: () => false,
      disinherit: () => undefined,
    },
  };
  const first = start('rpi1', { announceRefresh: 0 as never }, world);
  await pass(3500);
  blocked = true;
  await pass(4000);
  const [group] = first.host.status().groups;
  assert.deepEqual(
    group?.ledger.map(({ reason }) => reason),
    ['send-errors'],
  );
  assert.equal(group?.role, 'MASTER', 'nobody took over, and somebody has to');
  blocked = false;
  const before = probes;
  await pass(11_500);
  assert.deepEqual(first.host.status().groups[0]?.ledger, []);
  assert.ok(probes - before >= 10);
});
