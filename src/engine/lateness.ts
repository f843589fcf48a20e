/** Upper bounds of what is told apart, in ms: from what a timer costs anyway to what costs a group its MASTER. */
export const LATENESS_BOUNDS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000] as const;

/** How late adverts left, since the group was opened. */
export interface LatenessReport {
  readonly count: number;
  readonly sumMs: number;
  /** For each of the `LATENESS_BOUNDS_MS`, how many were at most so late. Those beyond the last are in `count` alone. */
  readonly atMost: readonly number[];
}

/**
 * Counts how late adverts leave. `count` is called where they are sent: it allocates nothing, and takes as long for a
 * punctual advert as for a late one.
 */
export class Lateness {
  /** By the first bound that is not exceeded; the last one is for what exceeds them all. */
  readonly #counts = new Float64Array(LATENESS_BOUNDS_MS.length + 1);
  #sumMs = 0;

  /** @param lateMs - one that is too early counts as punctual */
  count(lateMs: number): void {
    const late = Math.max(0, lateMs);
    this.#sumMs += late;
    let place = 0;
    while (place < LATENESS_BOUNDS_MS.length && late > (LATENESS_BOUNDS_MS[place] ?? 0)) place += 1;
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
  }

  get report(): LatenessReport {
    const atMost: number[] = [];
    let count = 0;
    for (const each of this.#counts) {
      count += each;
      atMost.push(count);
    }
    atMost.pop();
    return { count, sumMs: this.#sumMs, atMost };
  }
}
