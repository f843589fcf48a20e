import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupSettings } from '../../src/engine/settings.ts';
import { type SyncStanding, yieldAfter } from '../../src/engine/sync-watch.ts';
import type { Interfaces } from '../../src/ports/interfaces.ts';
import type { Transport } from '../../src/ports/transport.ts';
import { advSkew, millis, type Ticks, vhid } from '../../src/protocol/units.ts';
import { cidr, type VirtualLan, virtualLan } from '../support/virtual-lan.ts';

const INSIDE = '192.0.2.100';
const OUTSIDE = '198.51.100.100';
const site = (more: Partial<GroupSettings> = {}): readonly Partial<GroupSettings>[] => [
  { name: 'inside', sync: 'site', interface: 'eth0', vhid: vhid(1), addresses: [cidr(`${INSIDE}/24`)], ...more },
  { name: 'outside', sync: 'site', interface: 'eth1', vhid: vhid(2), addresses: [cidr(`${OUTSIDE}/24`)], ...more },
];

/** A host whose two interfaces have a plug each. */
const twoPorts = ({ lan, start }: VirtualLan, node: string, more: Partial<GroupSettings> = {}) => {
  const ports = { eth0: lan.host(node), eth1: lan.host(`${node}-eth1`) } as const;
  const port = (name: string) => ports[name === 'eth0' ? 'eth0' : 'eth1'];
  const interfaces: Interfaces = { watch: (name) => port(name).interfaces.watch(name) };
  const transport: Transport = { name: 'memory', open: (options) => port(options.interface).transport.open(options) };
  return { ...ports, boot: () => start(node, site(more), { interfaces, transport }) };
};
const who = ({ lan }: VirtualLan) => [lan.holders(INSIDE).join(), lan.holders(OUTSIDE).join()].join(' ');
const BEHIND = { advskew: advSkew(100) };

test('a group that is demoted keeps its whole sync away, also after the link of another group has flapped', async () => {
  const world = virtualLan();
  const first = twoPorts(world, 'rpi1', { preempt: true });
  const { host } = first.boot();
  await world.pass(3500);
  twoPorts(world, 'rpi2', { ...BEHIND, preempt: true }).boot();
  await world.pass(2500);
  host.demote({ reason: 'track gateway', weight: 240, group: 'inside' });
  await world.pass(200);
  assert.equal(who(world), 'rpi2 rpi2');
  first.eth1.setPlugged(false);
  await world.pass(500);
  first.eth1.setPlugged(true);
  await world.pass(20_000);
  assert.equal(who(world), 'rpi2 rpi2');
  host.restore('track gateway', 'inside');
  await world.pass(5000);
  assert.equal(who(world), 'rpi1 rpi1', 'it preempts again when the reason has gone');
});

test('a sync that was split because both hosts lost a link comes together again', async () => {
  const world = virtualLan();
  const first = twoPorts(world, 'rpi1');
  first.boot();
  await world.pass(3500);
  const second = twoPorts(world, 'rpi2', BEHIND);
  second.boot();
  await world.pass(2500);
  for (const { eth0 } of [first, second]) eth0.setPlugged(false);
  await world.pass(6000);
  for (const { eth0 } of [first, second]) eth0.setPlugged(true);
  await world.pass(30_000);
  assert.match(who(world), /^(rpi1 rpi1|rpi2 rpi2)$/);
  const before = who(world);
  await world.pass(120_000);
  assert.equal(who(world), before, 'and stays');
});

test('a group that new settings restart takes its sync along', async () => {
  const world = virtualLan();
  const first = twoPorts(world, 'rpi1');
  const { apply } = first.boot();
  await world.pass(3500);
  twoPorts(world, 'rpi2', BEHIND).boot();
  await world.pass(2500);
  const [inside, outside] = site();
  apply([{ ...inside, announceRefresh: millis(9000) }, { ...outside }]);
  await world.pass(3000);
  assert.equal(who(world), 'rpi2 rpi2');
});

test('a host that starts with one link down does not take the other group of the sync', async () => {
  const world = virtualLan();
  twoPorts(world, 'rpi2', BEHIND).boot();
  await world.pass(4000);
  const first = twoPorts(world, 'rpi1', { preempt: true });
  first.eth0.setPlugged(false);
  const { host } = first.boot();
  await world.pass(20_000);
  assert.equal(who(world), 'rpi2 rpi2');
  assert.deepEqual(
    host.status().groups.map(({ demotion }) => demotion),
    [240, 240],
  );
  first.eth0.setPlugged(true);
  await world.pass(10_000);
  assert.equal(who(world), 'rpi1 rpi1');
});

const ticks = (value: number): Ticks => value as Ticks;
const standing = (changes: Partial<SyncStanding>): SyncStanding => ({
  isMaster: false,
  mine: ticks(256),
  masterDownMs: 3000,
  ...changes,
});
const { address: low } = cidr('192.0.2.11/24');
const { address: high } = cidr('192.0.2.12/24');
const other = { interval: ticks(256), source: low, own: high };

test('whoever is not better than the MASTER it follows yields the rest; the lower address waits longer', () => {
  const master = standing({ isMaster: true });
  assert.equal(yieldAfter([master, standing({})]), undefined, 'nobody is followed');
  assert.equal(yieldAfter([standing({ other }), standing({ other })]), undefined, 'not split');
  assert.equal(yieldAfter([master, standing({ other })]), 6000);
  assert.equal(yieldAfter([master, standing({ other: { ...other, source: high, own: low } })]), 9000);
  assert.equal(
    yieldAfter([master, standing({ other: { ...other, interval: ticks(300) } })]),
    undefined,
    'the better one',
  );
});
