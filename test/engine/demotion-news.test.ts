import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advSkew } from '../../src/protocol/units.ts';
import { virtualLan } from '../support/virtual-lan.ts';

test('a demotion that changes no role is news for those who show it, and so is its end', async () => {
  const world = virtualLan();
  world.start('rpi1', {});
  await world.pass(3500);
  const second = world.start('rpi2', { advskew: advSkew(100) });
  await world.pass(2500);
  const before = second.events.length;
  const told = () => second.events.slice(before).map(({ event, role, demotion }) => [event, role, demotion]);
  second.host.demote({ reason: 'backup runs', weight: 100 });
  await world.pass(10);
  assert.deepEqual(told(), [['snapshot', 'BACKUP', 100]]);
  // What is so already is no news.
  second.host.demote({ reason: 'backup runs', weight: 100 });
  await world.pass(10);
  assert.equal(told().length, 1);
  second.host.restore('backup runs');
  await world.pass(10);
  assert.deepEqual(told().at(-1), ['snapshot', 'BACKUP', 0]);
});
