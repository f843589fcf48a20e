/** Between two diagnoses of one group, and of one source. */
const GROUP_MS = 1000;
const SOURCE_MS = 60_000;
/** Sources can be forged without end: this many are told apart, and a flood of others costs a diagnosis each 10 s. */
const SOURCES_MAX = 64;
const BURST = 8;
const REFILL_MS = 10_000;

/** Decides which adverts are worth a diagnosis, so that a flood of forged ones costs little. */
export class MismatchRate {
  /** When each source was looked at, oldest first. */
  readonly #looked = new Map<string, number>();
  #last = Number.NEGATIVE_INFINITY;
  /** Diagnoses in hand, as of the last one; a fraction of the next one included. */
  #left = BURST;

  /** Whether this source may be looked at now; `look` then says that it was. @param now - monotonic, in ms */
  allows(source: string, now: number): boolean {
    const before = this.#looked.get(source);
    if (before !== undefined && now - before < SOURCE_MS) return false;
    return now - this.#last >= GROUP_MS && this.#inHand(now) >= 1;
  }

  look(source: string, now: number): void {
    this.#left = this.#inHand(now) - 1;
    this.#last = now;
    this.#looked.delete(source);
    this.#looked.set(source, now);
    const [oldest] = this.#looked.keys();
    if (this.#looked.size > SOURCES_MAX && oldest !== undefined) this.#looked.delete(oldest);
  }

  #inHand(now: number): number {
    return Math.min(BURST, this.#left + (now - this.#last) / REFILL_MS);
  }
}
