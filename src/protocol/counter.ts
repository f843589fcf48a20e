/**
 * The counter that a MASTER puts into its adverts: a random start and one random stride for each time it is promoted
 * (DESIGN D7). Every value is fresh, nobody can guess the next one, and a host knows its own again by arithmetic, also
 * when a switch or a hypervisor reflects them. Receivers do not check any order (protocol.md 2.6).
 */
export interface CounterSeries {
  readonly start: bigint;
  /** Odd or even does not matter; 2^17..2^20, so that a series never comes around. */
  readonly stride: bigint;
  /** How many values have been used. */
  readonly count: bigint;
}

const WORD = 1n << 64n;
/** No other system counts in steps that are nearly as long. */
export const STRIDE_MIN = 1n << 17n;
const STRIDE_MAX = 1n << 20n;

/** @param random - two random 64-bit numbers */
export const counterSeries = (random: readonly [bigint, bigint]): CounterSeries => ({
  start: BigInt.asUintN(64, random[0]),
  stride: STRIDE_MIN + (BigInt.asUintN(64, random[1]) % (STRIDE_MAX - STRIDE_MIN + 1n)),
  count: 0n,
});

/** The next value, and the series after it. */
export const nextCounter = (series: CounterSeries): readonly [value: bigint, series: CounterSeries] => [
  (series.start + series.stride * series.count) % WORD,
  { ...series, count: series.count + 1n },
];

/** Whether the value has been drawn from this series. */
export const isFromSeries = ({ start, stride, count }: CounterSeries, value: bigint): boolean => {
  const distance = BigInt.asUintN(64, value - start);
  return distance % stride === 0n && distance / stride < count;
};
