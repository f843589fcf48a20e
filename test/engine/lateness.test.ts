import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LATENESS_BOUNDS_MS, Lateness } from '../../src/engine/lateness.ts';

const counted = (...lateMs: readonly number[]) => {
  const lateness = new Lateness();
  for (const ms of lateMs) lateness.count(ms);
  return lateness.report;
};

test('nothing was late before anything was sent', () => {
  assert.deepEqual(counted(), { count: 0, sumMs: 0, atMost: LATENESS_BOUNDS_MS.map(() => 0) });
});

test('an advert counts for each bound that it does not exceed, and one on a bound is within it', () => {
  const { count, sumMs, atMost } = counted(0.2, 0.5, 0.6, 7, 1000);
  assert.equal(count, 5);
  assert.ok(Math.abs(sumMs - 1008.3) < 1e-9);
  assert.deepEqual(atMost, [2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5]);
});

test('one that exceeds all bounds is in the count alone, and one that is too early is punctual', () => {
  const { count, sumMs, atMost } = counted(1000.1, -3);
  assert.deepEqual([count, sumMs, atMost.at(0), atMost.at(-1)], [2, 1000.1, 1, 1]);
});

test('a report does not change with what is counted later', () => {
  const lateness = new Lateness();
  lateness.count(1);
  const { report } = lateness;
  lateness.count(1);
  assert.equal(report.count, 1);
  assert.equal(lateness.report.count, 2);
});
