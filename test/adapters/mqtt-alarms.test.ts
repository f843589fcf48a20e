import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advSkew } from '../../src/protocol/units.ts';
import { type HostOnBus, virtualBus } from '../support/virtual-bus.ts';
import { cidr } from '../support/virtual-lan.ts';

/** Within two intervals of one second, and a look around. */
const SOON_MS = 2250;

const whatOf = ({ alarms }: HostOnBus): readonly string[] => alarms.map(({ what }) => what);
const roles = (...hosts: readonly HostOnBus[]) => hosts.map(({ host }) => host.status().groups[0]?.role);

test('the start of hosts, one after the other, is no alarm', async () => {
  const { join, pass, report } = virtualBus();
  const first = join('rpi1');
  await pass(2000);
  const second = join('rpi2', { advskew: advSkew(100) });
  await pass(30_000);
  assert.deepEqual(roles(first, second), ['MASTER', 'BACKUP']);
  assert.deepEqual([whatOf(first), whatOf(second)], [[], []]);
  const said = report();
  assert.deepEqual([said?.active, said?.alarms, said?.by, said?.group], [false, [], 'rpi1', 'plant']);
});

test('a preemption, a hand-over and an orderly stop are no alarms', async () => {
  const { join, pass } = virtualBus();
  const worse = join('rpi1', { advskew: advSkew(100) });
  await pass(10_000);
  const better = join('rpi2', { preempt: true });
  await pass(10_000);
  assert.deepEqual(roles(worse, better), ['BACKUP', 'MASTER']);
  const receipt = better.host.handOver('plant', { force: false });
  await pass(10_000);
  await receipt;
  assert.deepEqual(roles(worse, better), ['MASTER', 'BACKUP']);
  await worse.stop();
  await pass(10_000);
  assert.deepEqual(roles(better), ['MASTER']);
  assert.deepEqual([whatOf(worse), whatOf(better)], [[], []]);
});

for (const end of ['powerOff', 'kill'] as const)
  test(`a takeover after ${end === 'kill' ? 'a crash' : 'a power cut'} is no alarm, nor is the return of the host`, async () => {
    const { join, pass, retained } = virtualBus();
    const first = join('rpi1');
    await pass(5000);
    const second = join('rpi2', { advskew: advSkew(100) });
    const third = join('rpi3', { advskew: advSkew(150) });
    await pass(5000);
    first[end]();
    await pass(5000);
    assert.deepEqual(roles(second, third), ['MASTER', 'BACKUP']);
    if (end === 'powerOff') assert.equal(retained('carp/node/rpi1/status'), 'online', 'the broker does not know yet');
    await pass(20_000);
    assert.equal(retained('carp/node/rpi1/status'), 'offline');
    join('rpi1');
    await pass(20_000);
    assert.deepEqual([whatOf(second), whatOf(third)], [[], []]);
  });

test('a host that comes while a dead MASTER still counts as online believes nothing that was there before it', async () => {
  const { join, pass } = virtualBus();
  const first = join('rpi1');
  await pass(5000);
  const second = join('rpi2', { advskew: advSkew(100) });
  await pass(5000);
  first.powerOff();
  await pass(4000);
  const late = join('rpi3', { advskew: advSkew(200) });
  await pass(20_000);
  assert.deepEqual([roles(second, late), whatOf(second), whatOf(late)], [['MASTER', 'BACKUP'], [], []]);
});

test('a split raises two MASTERs that do not hear each other within two intervals, and clears them when it heals', async () => {
  const { join, pass, lan, report } = virtualBus();
  const first = join('rpi1');
  await pass(5000);
  const second = join('rpi2', { advskew: advSkew(100) });
  await pass(5000);
  lan.setFilter(() => false);
  while (roles(second)[0] !== 'MASTER') await pass(50);
  assert.deepEqual(whatOf(first), []);
  await pass(SOON_MS);
  for (const host of [first, second]) {
    assert.deepEqual(whatOf(host), ['+two-masters plant', '+one-way plant']);
    assert.deepEqual(
      host.troubles().map(({ code, group }) => [code, group]),
      [
        ['two-masters', 'plant'],
        ['one-way', 'plant'],
      ],
    );
  }
  const [masters, oneWay] = report()?.alarms ?? [];
  assert.equal(report()?.active, true);
  assert.match(masters?.text ?? '', /^rpi1 and rpi2 are MASTER of plant at once: find out why/);
  assert.match(oneWay?.text ?? '', /^neither rpi1 nor rpi2 hears the other: /);
  assert.deepEqual(
    [masters?.nodes, oneWay?.nodes],
    [
      ['rpi1', 'rpi2'],
      ['rpi1', 'rpi2'],
    ],
  );
  await pass(60_000);
  assert.equal(first.alarms.length, 2, 'said once');
  lan.setFilter(() => true);
  await pass(1000 + SOON_MS);
  assert.deepEqual(roles(first, second), ['MASTER', 'BACKUP']);
  assert.deepEqual(whatOf(first).slice(2).sort(), ['-one-way plant', '-two-masters plant']);
  assert.deepEqual([report()?.active, report()?.alarms, first.troubles()], [false, [], []]);
});

test('adverts that are lost in one direction only are told as such', async () => {
  const { join, pass, lan, report } = virtualBus();
  const first = join('rpi1');
  await pass(5000);
  const second = join('rpi2', { advskew: advSkew(100) });
  await pass(5000);
  lan.setFilter((from) => from !== 'rpi1');
  while (roles(second)[0] !== 'MASTER') await pass(50);
  await pass(SOON_MS);
  assert.deepEqual(roles(first, second), ['MASTER', 'MASTER']);
  const oneWay = report()?.alarms.find(({ code }) => code === 'one-way');
  assert.match(oneWay?.text ?? '', /^rpi1 hears rpi2, but rpi2 does not hear rpi1: /);
  lan.setFilter(() => true);
  await pass(1000 + SOON_MS);
  assert.deepEqual(report()?.alarms, []);
});

test('a speaker that is no host of the bus and does not give way to its MASTER makes two MASTERs', async () => {
  const { join, start, pass, lan, report } = virtualBus();
  const first = join('rpi1');
  await pass(5000);
  const kernel = start('bsd', { advskew: advSkew(100) });
  await pass(5000);
  lan.setFilter((from) => from !== 'rpi1');
  while (kernel.host.status().groups[0]?.role !== 'MASTER') await pass(50);
  assert.deepEqual(whatOf(first), []);
  await pass(1400 * 2 + 500);
  assert.deepEqual(whatOf(first), ['+two-masters plant']);
  assert.match(report()?.alarms[0]?.text ?? '', /^rpi1 is MASTER and 192\.0\.2\.12 goes on advertising beside it: /);
  lan.setFilter(() => true);
  await pass(1400 * 2 + 1500);
  assert.deepEqual(whatOf(first), ['+two-masters plant', '-two-masters plant']);
});

test('a kernel that preempts, is preempted, or crashes is no alarm', async () => {
  const { join, start, pass } = virtualBus();
  const first = join('rpi1', { advskew: advSkew(50), preempt: true });
  await pass(5000);
  const kernel = start('bsd', { preempt: true });
  await pass(10_000);
  assert.deepEqual(roles(first), ['BACKUP']);
  kernel.host.crash();
  await pass(10_000);
  assert.deepEqual(roles(first), ['MASTER']);
  const worse = start('bsd2', { advskew: advSkew(200) });
  await pass(10_000);
  worse.host.crash();
  assert.deepEqual(whatOf(first), []);
});

test('a BACKUP that follows a speaker whom nobody on the bus owns, while another is MASTER, makes two MASTERs', async () => {
  const { join, start, pass, lan, report } = virtualBus();
  const first = join('rpi1', { advskew: advSkew(50) });
  await pass(5000);
  // The switch between them is cut: rpi1 is alone, rpi2 is on the side of the kernel.
  const second = join('rpi2', { advskew: advSkew(100) });
  const kernel = start('bsd', { advskew: advSkew(20) });
  await pass(5000);
  lan.setFilter((from, to) => (from === 'rpi1') === (to === 'rpi1'));
  while (kernel.host.status().groups[0]?.role !== 'MASTER') await pass(50);
  await pass(1000 + SOON_MS);
  assert.deepEqual(roles(first, second), ['MASTER', 'BACKUP']);
  assert.match(report()?.alarms[0]?.text ?? '', /^rpi2 follows 192\.0\.2\.13, but rpi1 is MASTER: /);
  lan.setFilter(() => true);
  await pass(1000 + 2 * SOON_MS);
  assert.deepEqual(report()?.alarms, []);
});

test('the same with a MASTER that lost its power is a takeover', async () => {
  const { join, start, pass } = virtualBus();
  const first = join('rpi1');
  await pass(5000);
  const second = join('rpi2', { advskew: advSkew(100) });
  start('bsd', { advskew: advSkew(20) });
  await pass(5000);
  first.powerOff();
  await pass(20_000);
  assert.deepEqual([roles(second), whatOf(second)], [['BACKUP'], []]);
});

test('nobody is MASTER when all have lost their link, and that is over when one has it again', async () => {
  const { join, pass, lan, report } = virtualBus();
  const first = join('rpi1');
  const second = join('rpi2', { advskew: advSkew(100) });
  await pass(10_000);
  lan.host('rpi1').setPlugged(false);
  lan.host('rpi2').setPlugged(false);
  await pass(SOON_MS);
  assert.deepEqual(whatOf(second), ['+no-master plant']);
  assert.match(report()?.alarms[0]?.text ?? '', /^nobody is MASTER of plant: rpi1 is INIT, rpi2 is INIT: .*link/);
  lan.host('rpi2').setPlugged(true);
  while (roles(second)[0] !== 'MASTER') await pass(50);
  await pass(SOON_MS);
  assert.deepEqual([whatOf(second), roles(first)], [['+no-master plant', '-no-master plant'], ['INIT']]);
});

test('nobody is MASTER when the only BACKUP may not take over: told two intervals after it should have', async () => {
  const { join, pass, report } = virtualBus();
  const first = join('rpi1');
  await pass(5000);
  const second = join('rpi2', { advskew: advSkew(100) });
  second.host.demote({ reason: 'observe', weight: 240, observes: true });
  await pass(5000);
  first.kill();
  await pass(3400);
  assert.deepEqual(whatOf(second), []);
  await pass(1000 + SOON_MS);
  assert.deepEqual([roles(second), whatOf(second)], [['BACKUP'], ['+no-master plant']]);
  assert.equal(report()?.by, 'rpi2');
  second.host.restore('observe');
  await pass(10_000);
  assert.deepEqual(whatOf(second), ['+no-master plant', '-no-master plant']);
});

test('a BACKUP that only observes and does not hear the MASTER is told', async () => {
  const { join, pass, lan, report } = virtualBus();
  join('rpi1');
  await pass(5000);
  const second = join('rpi2', { advskew: advSkew(100) });
  second.host.demote({ reason: 'observe', weight: 240, observes: true });
  await pass(5000);
  lan.setFilter((from) => from !== 'rpi1');
  await pass(4000 + 2 * SOON_MS);
  assert.match(report()?.alarms[0]?.text ?? '', /^rpi2 does not hear rpi1, which is MASTER: /);
  lan.setFilter(() => true);
  await pass(1000 + SOON_MS);
  assert.deepEqual(report()?.alarms, []);
});

test('hosts with other addresses, and with another vhid, are told, and not that they do not hear each other', async () => {
  const { join, pass, report } = virtualBus();
  const first = join('rpi1');
  const second = join('rpi2', { advskew: advSkew(100), addresses: [cidr('192.0.2.101/24')] });
  await pass(10_000);
  assert.deepEqual(
    report()?.alarms.map(({ code }) => code),
    ['different-addresses', 'two-masters'],
  );
  assert.match(
    report()?.alarms[0]?.text ?? '',
    /^the addresses of plant are not the same everywhere: rpi1 against rpi2: /,
  );
  second.configure({ advskew: advSkew(100) });
  await pass(5000);
  assert.deepEqual(report()?.alarms, []);
  assert.deepEqual(roles(first, second), ['MASTER', 'BACKUP']);
});

test('two hosts of one name are told for each of their groups, and no more when one has gone', async () => {
  const { join, pass, report } = virtualBus();
  const watcher = join('rpi0', { advskew: advSkew(10) });
  await pass(5000);
  join('rpi1', { advskew: advSkew(50) }, { node: 'rpi1' });
  const twin = join('rpi1b', { advskew: advSkew(100) }, { node: 'rpi1' });
  await pass(25_000);
  assert.deepEqual(whatOf(watcher), ['+duplicate-node plant']);
  assert.match(report()?.alarms[0]?.text ?? '', /^two hosts call themselves rpi1: give each/);
  twin.kill();
  await pass(60_000);
  assert.deepEqual(whatOf(watcher), ['+duplicate-node plant', '-duplicate-node plant']);
});
