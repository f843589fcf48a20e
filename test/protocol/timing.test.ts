import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { advertInterval, effectiveSkew, leaseSeconds, masterDownTime } from '../../src/protocol/timing.ts';
import {
  advBase,
  advSkew,
  millis,
  seconds,
  type Ticks,
  toExactMillis,
  toMillis,
  vhid,
} from '../../src/protocol/units.ts';

const bases = fc.integer({ min: 0, max: 255 }).map(advBase);
const skews = fc.integer({ min: 0, max: 255 }).map(advSkew);

for (const [skew, demotion, expected] of [
  [0, 0, 0],
  [254, 0, 254],
  [0, 1, 1],
  [100, 50, 150],
  [0, 240, 240],
  [100, 240, 240],
  [0, 1920, 240],
  // A skew of its own above 240 is never lowered by a demotion.
  [250, 240, 250],
  [100, -1, 100],
] as const)
  test(`skew ${skew} with a demotion of ${demotion} is effectively ${expected}`, () => {
    assert.equal(effectiveSkew(advSkew(skew), demotion), expected);
  });

for (const [base, skew, ticks] of [
  [1, 0, 256],
  [1, 100, 356],
  [0, 0, 1],
  [0, 1, 1],
  [0, 128, 128],
  [255, 255, 65_535],
] as const)
  test(`the interval of ${base}/${skew} is ${ticks} ticks`, () => {
    assert.equal(advertInterval(advBase(base), advSkew(skew)), ticks);
  });

for (const [base, skew, deadratio, ticks] of [
  [1, 0, 3, 768],
  // FreeBSD and NetBSD: 3.39 s (protocol.md 12).
  [1, 100, 3, 868],
  [2, 128, 3, 1664],
  [1, 0, 1, 256],
  [0, 0, 3, 3],
  [0, 128, 3, 384],
] as const)
  test(`a BACKUP of ${base}/${skew} with deadratio ${deadratio} waits ${ticks} ticks`, () => {
    assert.equal(masterDownTime(advBase(base), advSkew(skew), deadratio), ticks);
  });

test('a BACKUP with deadratio 2 or more always waits for longer than a MASTER like it needs', () => {
  fc.assert(
    fc.property(bases, skews, fc.integer({ min: 2, max: 10 }), (base, skew, deadratio) =>
      assert.ok(masterDownTime(base, skew, deadratio) > advertInterval(base, skew)),
    ),
  );
});

test('demotion never shortens an interval, and more of it never does', () => {
  fc.assert(
    fc.property(bases, skews, fc.nat(5000), fc.nat(5000), (base, skew, some, more) => {
      const [low, high] = some < more ? [some, more] : [more, some];
      const interval = (demotion: number): number => advertInterval(base, effectiveSkew(skew, demotion));
      assert.ok(interval(0) <= interval(low));
      assert.ok(interval(low) <= interval(high));
    }),
  );
});

for (const [base, deadratio, expected] of [
  [0, 3, 1],
  [1, 1, 1],
  [1, 3, 2],
  [2, 3, 5],
  [30, 3, 60],
] as const)
  test(`the lease of advbase ${base} with deadratio ${deadratio} is ${expected} s`, () => {
    assert.equal(leaseSeconds(advBase(base), deadratio), expected);
  });

test('ticks become whole milliseconds, never too few and less than one too many', () => {
  fc.assert(
    fc.property(fc.nat(200_000), (count) => {
      const ticks = count as Ticks;
      const rounded = toMillis(ticks);
      assert.ok(Number.isInteger(rounded));
      assert.ok(rounded >= toExactMillis(ticks) && rounded - toExactMillis(ticks) < 1);
    }),
  );
  assert.equal(toMillis(1 as Ticks), 4);
  assert.equal(toExactMillis(1 as Ticks), 3.90625);
});

test('units refuse what is out of their range, and say what they wanted', () => {
  assert.equal(vhid(1), 1);
  assert.equal(vhid(255), 255);
  assert.throws(() => vhid(0), /vhid must be a whole number from 1 to 255, but is 0/);
  assert.throws(() => vhid(256), RangeError);
  assert.equal(advBase(0), 0);
  assert.throws(() => advBase(1.5), /advbase must be a whole number from 0 to 255, but is 1.5/);
  assert.throws(() => advSkew(-1), RangeError);
  assert.throws(() => advSkew(Number.NaN), RangeError);
  assert.equal(seconds(1.5), 1500);
  assert.throws(() => millis(Number.POSITIVE_INFINITY), RangeError);
});
