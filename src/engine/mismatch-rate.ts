/** Between two diagnoses of one group, and of one source: less where what was found of it is probably true no more. */
const GROUP_MS = 1000;
const SOURCE_MS = 60_000;
const CHANGED_SOURCE_MS = 10_000;
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

  /**
   * Whether this source may be looked at now; `look` then says that it was.
   *
   * @param now - monotonic, in ms
   * @param hasChanged - whether it signs otherwise than it did then; asked only where that decides
   */
  allows(source: string, now: number, hasChanged: () => boolean = () => false): boolean {
    if (now - this.#last < GROUP_MS || this.#inHand(now) < 1) return false;
    const age = now - (this.#looked.get(source) ?? Number.NEGATIVE_INFINITY);
    return age >= SOURCE_MS || (age >= CHANGED_SOURCE_MS && hasChanged());
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
