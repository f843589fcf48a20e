import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stallTimeoutOf } from '../../nodes/runtime.ts';

test('carpStallTimeout of settings.js is taken in seconds, and nonsense is told and ignored', () => {
  const warned: unknown[] = [];
  const log = { warn: (message: unknown) => void warned.push(message) };
  assert.deepEqual(
    [undefined, 0, 2.5].map((value) => stallTimeoutOf(value, log)),
    [undefined, 0, 2.5],
  );
  assert.deepEqual(warned, []);
  for (const value of ['15', -1, Number.NaN, 1e9, null]) assert.equal(stallTimeoutOf(value, log), undefined);
  assert.equal(warned.length, 5);
  assert.match(String(warned[0]), /settings\.js must be 0 to 86400 s/);
});
