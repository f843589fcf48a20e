import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Instances } from '../../src/adapters/mqtt/alarms/alarm-instances.ts';

const SILENCE_MS = 30_000;
const STEP_MS = 3000;

/** What is found after these have spoken, one after the other. */
const heard = (...instances: readonly string[]) => {
  const seen = new Instances(SILENCE_MS);
  for (const [i, instance] of instances.entries()) seen.heard('rpi1', instance, i * STEP_MS);
  const end = (instances.length - 1) * STEP_MS;
  return { now: seen.duplicates(end), later: seen.duplicates(end + SILENCE_MS + 1) };
};

test('two hosts of one name are heard in turn, and so are three, until one is left', () => {
  assert.deepEqual(heard('a', 'b', 'a'), { now: ['rpi1'], later: [] });
  const turns = Array.from({ length: 12 }, () => ['a', 'b', 'c']).flat();
  assert.deepEqual(heard(...turns), { now: ['rpi1'], later: [] });
  assert.deepEqual(heard(...turns, ...Array.from({ length: 12 }, () => 'a')).now, []);
});

test('restarts are no twins, however many', () => {
  assert.deepEqual(heard('a', 'a', 'b', 'b', 'c', 'd', 'd').now, []);
});
