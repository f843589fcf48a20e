/** The set of counters that were heard, held against a plain one that forgets nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HOST_SPANS_MAX, ReplayBudget } from '../../src/engine/replay-budget.ts';
import { KERNEL_REACH, REACH, ReplayMemory, type ReplaySpan, SPANS_MAX } from '../../src/engine/replay-memory.ts';
import { spansIn } from '../../src/engine/replay-table.ts';

const WORD = 2n ** 64n;
const word = (value: bigint): bigint => BigInt.asUintN(64, value);
const words = fc.bigInt({ min: 0n, max: WORD - 1n });

/** One host's counters: where it begins, in which steps it goes on, and how many of them are lost on the way. */
const streams = fc.record({
  start: fc.oneof(words, fc.constantFrom(WORD - 3n, WORD - 2n ** 20n, 0n)),
  step: fc.oneof(fc.constant(1n), fc.bigInt({ min: 2n ** 17n, max: 2n ** 20n })),
  lost: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 60 }),
});

const sent = ({ start, step, lost }: { start: bigint; step: bigint; lost: readonly number[] }): readonly bigint[] => {
  let at = 0n;
  return lost.map((missing) => {
    at += BigInt(missing) + 1n;
    return word(start + at * step);
  });
};

/** A pseudo-random 64-bit number for each whole number. */
const scattered = (i: number): bigint => word(BigInt(i) * 0x9e37_79b9_7f4a_7c15n);
const spansOf = (memory: ReplayMemory): readonly ReplaySpan[] => spansIn(memory.table);

describe('a memory of counters', () => {
  test('refuses all that it has heard, whoever sent it, and accepts each stream of a lossy network', () => {
    fc.assert(
      fc.property(
        fc.array(streams, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(3), { maxLength: 240 }),
        (all, turns) => {
          const memory = new ReplayMemory();
          const queues = all.map((stream) => [...sent(stream)]);
          const heard = new Set<bigint>();
          for (const turn of turns) {
            const counter = queues[turn % queues.length]?.shift();
            // Streams that happen to cross are not what this is about.
            if (counter === undefined || memory.has(counter)) continue;
            assert.equal(memory.add(counter), true);
            heard.add(counter);
          }
          for (const counter of heard) {
            assert.equal(memory.has(counter), true, `${counter} was forgotten`);
            assert.equal(memory.add(counter), false, `${counter} was heard twice`);
          }
        },
      ),
    );
  });

  test('never takes a counter of a stream in order for a replay', () => {
    fc.assert(
      fc.property(streams, (stream) => {
        const memory = new ReplayMemory();
        for (const counter of sent(stream)) assert.equal(memory.add(counter), true);
      }),
    );
  });

  test('accepts adverts of two families that overtake each other, each once', () => {
    for (const step of [1n, 2n ** 17n + 5n]) {
      const memory = new ReplayMemory();
      const counter = (i: number): bigint => word(WORD - 40n * step + BigInt(i) * step);
      for (let tick = 0; tick < 100; tick += 1) {
        const swapped = tick % 3 === 0;
        for (const i of swapped ? [2 * tick + 1, 2 * tick] : [2 * tick, 2 * tick + 1])
          assert.equal(memory.add(counter(i)), true, `${i} in steps of ${step}`);
        for (const i of [2 * tick, 2 * tick + 1]) assert.equal(memory.add(counter(i)), false);
      }
      assert.ok(memory.size <= 3, `${memory.size} spans`);
    }
  });

  test('accepts the four adverts of a claim in whatever order the two families come, each once', () => {
    const orders = (rest: readonly number[]): readonly (readonly number[])[] =>
      rest.length === 0 ? [[]] : rest.flatMap((i) => orders(rest.filter((j) => j !== i)).map((more) => [i, ...more]));
    // IPv4 has 0 and 2, IPv6 1 and 3; each family keeps its order.
    const possible = orders([0, 1, 2, 3]).filter(
      (order) => order.indexOf(0) < order.indexOf(2) && order.indexOf(1) < order.indexOf(3),
    );
    assert.equal(possible.length, 6);
    for (const order of possible) {
      const memory = new ReplayMemory();
      const sentAs = (i: number): bigint => word(7n + BigInt(i) * (2n ** 17n + 1n));
      for (const i of order) assert.equal(memory.add(sentAs(i)), true, `${i} of ${order}`);
      for (const i of [4, 5, 6]) assert.equal(memory.add(sentAs(i)), true, `${i} after ${order}`);
      for (const i of [0, 1, 2, 3, 4, 5, 6]) assert.equal(memory.add(sentAs(i)), false);
    }
  });

  test('needs one span for a reign of a million adverts, and one more for who counts on from any of them', () => {
    const memory = new ReplayMemory();
    const stride = 2n ** 17n + 1n;
    for (let i = 0n; i < 1_000_000n; i += 1n) assert.equal(memory.add(i * stride), true);
    assert.equal(memory.size, 1);
    for (const missed of [0n, 1n, 500n]) {
      const last = (999_999n - missed) * stride;
      for (let i = 1n; i <= 1000n; i += 1n) assert.equal(memory.add(last + i), true, `${missed} missed, then ${i}`);
    }
    assert.equal(memory.size, 4);
    for (const i of [0n, 1n, 777_777n, 999_999n]) assert.equal(memory.add(i * stride), false);
  });

  test('knows what a reign of ours has sent before it was heard, and nothing of what kernels have sent before', () => {
    const memory = new ReplayMemory();
    const [start, stride] = [WORD - 500n * 2n ** 18n, 2n ** 18n];
    const sentAs = (i: number): bigint => word(start + BigInt(i) * stride);
    memory.add(sentAs(1000));
    assert.equal(memory.has(sentAs(999)), false, 'one counter says nothing about a reign');
    memory.add(sentAs(1001));
    for (let i = 0; i < 1000; i += 1) {
      assert.equal(memory.add(sentAs(i)), false, `${i}`);
      assert.equal(memory.has(word(sentAs(i) + 1n)), false);
    }
    assert.equal(memory.add(sentAs(1002)), true);
    assert.equal(memory.size, 1);
    for (const counter of [5000n, 5001n]) memory.add(counter);
    assert.equal(memory.add(4999n), true);
  });

  test('takes for heard what lies between two adverts of a run, but the last 31', () => {
    const memory = new ReplayMemory();
    for (const counter of [100n, 101n, 200n]) memory.add(counter);
    assert.equal(memory.add(168n), false, 'an hour of lost adverts cannot be sent again one by one');
    assert.equal(memory.add(169n), true);
    assert.equal(memory.add(169n), false);
  });

  test('begins anew beyond the reach of a run, and where the step is another', () => {
    const memory = new ReplayMemory();
    for (const counter of [0n, 10n, 20n]) memory.add(counter);
    assert.equal(memory.size, 1);
    memory.add(25n);
    assert.equal(memory.size, 2, 'not in its step');
    const beyond = 30n + (REACH / 10n) * 10n;
    memory.add(beyond);
    assert.equal(memory.size, 3, 'not in its reach');
    assert.deepEqual(
      [15n, 20n, 24n, 25n, beyond].map((counter) => memory.has(counter)),
      [false, true, false, true, true],
    );
  });

  test('keeps apart two kernels that count on from two adverts of ours, and continues each over hours that were not heard', () => {
    const memory = new ReplayMemory();
    const [first, stride] = [scattered(1), 2n ** 17n];
    for (const counter of [first + 1n, first + 2n, first + stride + 3n]) assert.equal(memory.add(counter), true);
    for (const more of [3n, 4n, stride - 1n]) assert.equal(memory.has(first + more), false, `${more} was never sent`);
    assert.equal(memory.add(first + 2n + KERNEL_REACH), true);
    assert.equal(memory.size, 2, 'it goes on after 18 hours');
    assert.equal(memory.add(first + 4n), false, 'what was sent in these hours is of no use');
  });

  test('tells what stands above a span, whatever its step, from all other numbers', () => {
    const memory = new ReplayMemory();
    const [start, stride] = [scattered(1), 2n ** 18n + 1n];
    for (let i = 0n; i < 5n; i += 1n) memory.add(start + i * stride);
    const high = start + 4n * stride;
    for (const above of [1n, 7n, stride, REACH]) assert.equal(memory.isAbove(high + above), true, `${above}`);
    for (const other of [word(start - 1n), start + 1n, high + REACH + 1n, scattered(2)])
      assert.equal(memory.isAbove(other), false, `${other}`);
  });

  test('forgets the lone counters in the order in which they came, and runs only when they are as many', () => {
    const memory = new ReplayMemory(8);
    for (const counter of [10n, 11n, 12n]) memory.add(counter);
    const lone = Array.from({ length: 20 }, (_, i) => scattered(i + 1));
    for (const counter of lone) memory.add(counter);
    assert.equal(memory.size, 8);
    assert.deepEqual(
      lone.map((counter) => memory.has(counter)),
      lone.map((_, i) => i >= 13),
    );
    assert.equal(memory.has(11n), true, 'the run is still known');
    const runs = Array.from({ length: 20 }, (_, i) => scattered(1000 + i));
    for (const start of runs) for (const i of [0n, 1n]) memory.add(start + i);
    assert.equal(memory.has(11n), false);
    assert.ok(
      spansOf(memory).some(({ step }) => step === 0),
      'lone counters have their share',
    );
    assert.ok(memory.has(runs.at(-1) ?? 0n));
  });

  test('forgets the run that has not grown for longest', () => {
    const memory = new ReplayMemory(4);
    for (const start of [0n, 2n ** 40n, 2n ** 50n]) for (const i of [0n, 1n]) memory.add(start + i);
    memory.add(2n);
    for (const start of [2n ** 60n, 2n ** 61n]) for (const i of [0n, 1n]) memory.add(start + i);
    assert.deepEqual(
      [1n, 2n ** 40n, 2n ** 50n, 2n ** 60n, 2n ** 61n].map((counter) => memory.has(counter)),
      [true, false, true, true, true],
    );
  });

  test('forgets what begins at a constant and right above it, also around the end of the numbers, and nothing else', () => {
    for (const constant of [1000n, WORD - 2n])
      for (const first of [0n, 1n, 2n, 5000n]) {
        const memory = new ReplayMemory();
        const counted = [0n, 1n, 2n].map((i) => word(constant + first + i));
        const others = [word(constant - 2n ** 30n), word(constant + 2n ** 30n), scattered(5)];
        for (const counter of [...counted, ...others]) memory.add(counter);
        memory.forgetFrom(constant);
        assert.deepEqual(
          [...counted, ...others].map((counter) => memory.has(counter)),
          [false, false, false, true, true, true],
        );
      }
  });

  test('goes on from a copy of its spans', () => {
    fc.assert(
      fc.property(fc.array(streams, { maxLength: 3 }), (all) => {
        const memory = new ReplayMemory();
        for (const counter of all.flatMap(sent)) memory.add(counter);
        const copy = new ReplayMemory();
        copy.restore(memory.table);
        assert.deepEqual(spansOf(copy), spansOf(memory));
        for (const counter of all.flatMap(sent)) assert.equal(copy.has(counter), true);
      }),
    );
  });

  test('holds 65,536 lone counters, the last ones heard, in 3 MB', () => {
    const memory = new ReplayMemory();
    const extra = 1000;
    for (let i = 0; i < SPANS_MAX + extra; i += 1) assert.equal(memory.add(scattered(i)), true);
    assert.equal(memory.size, SPANS_MAX);
    assert.ok(memory.bytes <= 3 * 2 ** 20, `${memory.bytes} bytes`);
    for (let i = 0; i < SPANS_MAX + extra; i += 1) assert.equal(memory.has(scattered(i)), i >= extra, `${i}`);
  });
});

describe('the room of a host', () => {
  test('is shared: the group that remembers most makes room for the others', () => {
    const budget = new ReplayBudget(100);
    const [many, few] = [budget.join(), budget.join()];
    for (let i = 0; i < 300; i += 1) many.add(scattered(i));
    assert.equal(many.size, 100);
    for (let i = 0; i < 30; i += 1) few.add(scattered(10_000 + i));
    assert.deepEqual([many.size, few.size], [70, 30]);
    for (let i = 300; i < 600; i += 1) many.add(scattered(i));
    assert.deepEqual([many.size, few.size], [70, 30], 'the small one keeps what it has');
    assert.ok(few.has(scattered(10_000)));
    budget.leave(many);
    for (let i = 0; i < 90; i += 1) few.add(scattered(20_000 + i));
    assert.equal(few.size, 100);
  });

  test('is enough for eight groups that remember all they may', () => {
    assert.equal(HOST_SPANS_MAX, 8 * SPANS_MAX);
  });
});
