import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { random64 } from '../../src/adapters/node/random.ts';
import { type CounterSeries, counterSeries, isFromSeries, nextCounter } from '../../src/protocol/counter.ts';

const words = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const seeds = fc.tuple(words, words);

const draw = (series: CounterSeries, count: number): readonly [values: readonly bigint[], series: CounterSeries] => {
  const values: bigint[] = [];
  let rest = series;
  for (let i = 0; i < count; i += 1) {
    const [value, next] = nextCounter(rest);
    values.push(value);
    rest = next;
  }
  return [values, rest];
};

test('a series begins at its start, and never gives a value twice', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 200 }), (seed, count) => {
      const [values] = draw(counterSeries(seed), count);
      assert.equal(values[0], seed[0]);
      assert.equal(new Set(values).size, count);
    }),
  );
});

test('values are unsigned 64-bit numbers, also where the series comes around', () => {
  const [values] = draw(counterSeries([2n ** 64n - 1n, 0n]), 3);
  assert.deepEqual(values, [2n ** 64n - 1n, 2n ** 17n - 1n, 2n ** 18n - 1n]);
});

test('the stride lies between 2^17 and 2^20', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const { stride } = counterSeries(seed);
      assert.ok(stride >= 2n ** 17n && stride <= 2n ** 20n);
    }),
  );
});

test('a series recognises all values that were drawn, and not the next one', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 0, max: 200 }), (seed, count) => {
      const [values, series] = draw(counterSeries(seed), count);
      assert.ok(values.every((value) => isFromSeries(series, value)));
      assert.equal(isFromSeries(series, nextCounter(series)[0]), false);
    }),
  );
});

test('a series does not recognise the values of others', () => {
  fc.assert(
    fc.property(
      seeds,
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 2 ** 17 - 1 }),
      (seed, count, off) => {
        const [values, series] = draw(counterSeries(seed), count);
        // Nearer to a value than the smallest stride, so between two of the series.
        for (const value of values) {
          assert.equal(isFromSeries(series, BigInt.asUintN(64, value + BigInt(off))), false);
          assert.equal(isFromSeries(series, BigInt.asUintN(64, value - BigInt(off))), false);
        }
      },
    ),
  );
});

test('the value before the start is not recognised', () => {
  const [, series] = draw(counterSeries([0n, 0n]), 10);
  assert.equal(isFromSeries(series, 2n ** 64n - series.stride), false);
});

test('random numbers fill 64 bits', () => {
  const numbers = Array.from({ length: 64 }, random64);
  assert.ok(numbers.every((number) => number >= 0n && number < 2n ** 64n));
  // The chance that a good generator leaves a bit clear 64 times is 2^-64 for each bit.
  assert.equal(
    numbers.reduce((seen, number) => seen | number, 0n),
    2n ** 64n - 1n,
  );
});
