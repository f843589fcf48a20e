/** An operator's advskew in whole hosts, from the order to what others see. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupStatus } from '../../src/engine/status.ts';
import { CarpError } from '../../src/ports/error.ts';
import { parseAddress } from '../../src/protocol/address.ts';
import { advSkew, millis, vhid } from '../../src/protocol/units.ts';
import { type VirtualHost, virtualLan } from '../support/virtual-lan.ts';

const pair = async (preempt: boolean) => {
  const world = virtualLan();
  const first = world.start('rpi1', { preempt });
  await world.pass(3500);
  const second = world.start('rpi2', { preempt, advskew: advSkew(100) });
  await world.pass(2500);
  assert.deepEqual(world.holders(), ['rpi1']);
  return { ...world, first, second };
};

const statusOf = ({ host }: VirtualHost): GroupStatus => {
  const [group] = host.status().groups;
  assert.ok(group);
  return group;
};
const skewsOf = (host: VirtualHost) => {
  const { advskew, configuredAdvskew } = statusOf(host);
  return [advskew, configuredAdvskew];
};

test('a MASTER that is made worse keeps the addresses where nobody preempts, and loses them at once where somebody does', async () => {
  const calm = await pair(false);
  calm.first.host.setAdvskew('plant', advSkew(200));
  await calm.pass(5000);
  assert.deepEqual(calm.holders(), ['rpi1']);

  const eager = await pair(true);
  eager.first.host.setAdvskew('plant', advSkew(200));
  // The advert goes out at once, the claim stands for 3 ms, and the one who yields hears it.
  await eager.pass(20);
  assert.deepEqual(eager.holders(), ['rpi2']);
  assert.equal(statusOf(eager.first).reason, 'better-master');
});

test('a BACKUP that is made better preempts at the next advert', async () => {
  const { second, pass, holders } = await pair(true);
  second.host.setAdvskew('plant', advSkew(0));
  await pass(2000);
  assert.deepEqual(holders(), ['rpi1'], 'it is as good, not better');
  const later = await pair(true);
  later.first.host.setAdvskew('plant', advSkew(50));
  later.second.host.setAdvskew('plant', advSkew(49));
  await later.pass(1500);
  assert.deepEqual(later.holders(), ['rpi2']);
});

test('status, snapshot and one event tell the advskew in use, and that of the settings where it is another one', async () => {
  const { first } = await pair(false);
  const before = first.events.length;
  assert.deepEqual(skewsOf(first), [0, undefined]);
  const now = first.host.setAdvskew('plant', advSkew(30));
  assert.deepEqual([now.advskew, now.configuredAdvskew, now.role], [30, 0, 'MASTER']);
  assert.deepEqual(skewsOf(first), [30, 0]);
  assert.equal(statusOf(first).intervalMs, 1118);
  const told = first.events.slice(before);
  assert.deepEqual(
    told.map(({ event, advskew, configuredAdvskew }) => [event, advskew, configuredAdvskew]),
    [['snapshot', 30, 0]],
  );
  first.host.setAdvskew('plant', advSkew(30));
  assert.equal(first.events.length, before + 1, 'what is so already is no news');
  first.host.setAdvskew('plant', undefined);
  assert.deepEqual(skewsOf(first), [0, undefined]);
  assert.equal('configuredAdvskew' in statusOf(first), false);
});

test('a reload that changes other groups leaves it; one that changes the group itself ends it', async () => {
  const { first, pass } = await pair(false);
  first.host.setAdvskew('plant', advSkew(30));
  first.apply([{}, { name: 'other', vhid: vhid(11), addresses: [] }]);
  await pass(10);
  assert.deepEqual(skewsOf(first), [30, 0]);
  first.apply({ announceRefresh: millis(9000) });
  await pass(3000);
  assert.deepEqual(skewsOf(first), [0, undefined]);
});

test('a group that is not there is named', async () => {
  const { first } = await pair(false);
  assert.throws(
    () => first.host.setAdvskew('no', advSkew(1)),
    (error) => error instanceof CarpError && error.code === 'CARP_NO_GROUP',
  );
});

test('that a peer is as good as this host is judged by the advskew in use', async () => {
  const world = virtualLan();
  const far = parseAddress('198.51.100.3');
  assert.ok(far);
  world.lan.host('rpi1');
  // By the first octet rpi1 wins a tie, by the last octet this one does.
  world.lan.host('rpi2', [far]);
  world.start('rpi2', { advskew: advSkew(7), sources: [far] });
  await world.pass(4000);
  const first = world.start('rpi1', { advskew: advSkew(100) });
  await world.pass(3000);
  assert.equal(statusOf(first).hints, undefined);
  first.host.setAdvskew('plant', advSkew(7));
  await world.pass(3000);
  assert.match(
    statusOf(first).hints?.[0]?.detail ?? '',
    /^198\.51\.100\.3 is as good as this host \(advbase 1, advskew 7\)/,
  );
});
