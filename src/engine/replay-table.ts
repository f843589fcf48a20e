/**
 * Spans side by side in tables of numbers, as they are kept and written: 65,536 of them as objects would take 20 times as
 * long to read or write, and an advert that waits for it would be late.
 */
import type { ReplaySpan } from './replay-memory.ts';

/** Lone counters first, each kind in the order of its age, oldest first. */
export interface SpanTable {
  /** How many of them are lone counters. */
  readonly lone: number;
  readonly low: BigUint64Array;
  readonly high: BigUint64Array;
  readonly step: Uint32Array;
  readonly recent: Uint32Array;
}

/** Where the halves of a 64-bit number stand in memory. */
export const [UPPER, LOWER] = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? ([1, 0] as const) : ([0, 1] as const);
const HALF = 2 ** 32;

/** 64-bit numbers as pairs of 32-bit ones, without a BigInt for each: those of number i stand at 2i + UPPER and LOWER. */
export const halvesOf = ({ buffer, byteOffset, length }: BigUint64Array): Uint32Array =>
  new Uint32Array(buffer, byteOffset, 2 * length);

/** `high - low` mod 2^64 of two numbers in halves, as a number: exact up to 2^53, and larger than that otherwise. */
export const widthAt = (low: Uint32Array, high: Uint32Array, i: number): number => {
  const lower = (high[2 * i + LOWER] ?? 0) - (low[2 * i + LOWER] ?? 0);
  const upper = ((high[2 * i + UPPER] ?? 0) - (low[2 * i + UPPER] ?? 0) - (lower < 0 ? 1 : 0)) >>> 0;
  return upper * HALF + (lower >>> 0);
};

export const emptyTable = (size: number, lone: number): SpanTable => ({
  lone,
  low: new BigUint64Array(size),
  high: new BigUint64Array(size),
  step: new Uint32Array(size),
  recent: new Uint32Array(size),
});

/** The slots in ascending order of their numbers. */
export const ascending = (low: BigUint64Array): Uint32Array => {
  const size = low.length;
  const halves = halvesOf(low);
  // The upper half of each with its slot below it is a number that can be sorted without a function.
  const keys = new Float64Array(size);
  for (let slot = 0; slot < size; slot += 1) keys[slot] = (halves[2 * slot + UPPER] ?? 0) * size + slot;
  keys.sort();
  const order = new Uint32Array(size);
  for (let at = 0; at < size; at += 1) {
    const slot = (keys[at] ?? 0) % size;
    const upper = halves[2 * slot + UPPER] ?? 0;
    const lower = halves[2 * slot + LOWER] ?? 0;
    let to = at;
    for (; to > 0; to -= 1) {
      const before = order[to - 1] ?? 0;
      if (halves[2 * before + UPPER] !== upper || (halves[2 * before + LOWER] ?? 0) <= lower) break;
      order[to] = before;
    }
    order[to] = slot;
  }
  return order;
};

export const tableOf = (spans: readonly ReplaySpan[]): SpanTable => {
  const sorted = [...spans.filter(({ step }) => step === 0), ...spans.filter(({ step }) => step !== 0)];
  const table = emptyTable(sorted.length, sorted.filter(({ step }) => step === 0).length);
  for (const [i, { low, high, step, recent }] of sorted.entries()) {
    table.low[i] = low;
    table.high[i] = high;
    table.step[i] = step;
    table.recent[i] = recent;
  }
  return table;
};

export const spansIn = ({ low, high, step, recent }: SpanTable): readonly ReplaySpan[] =>
  Array.from(low, (first, i) => ({
    low: first,
    high: high[i] ?? first,
    step: step[i] ?? 0,
    recent: recent[i] ?? 0,
  }));
