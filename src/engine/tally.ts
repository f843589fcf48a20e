import type { Counters } from './status.ts';

const NONE: Counters = {
  received: 0,
  sent: 0,
  sendErrors: 0,
  badttl: 0,
  badlen: 0,
  badsum: 0,
  badver: 0,
  badvhid: 0,
  badauth: 0,
  replayed: 0,
  reflected: 0,
  dropped: 0,
};

/** Counts what `carp status` shows. What is said about a flood is said at its first packet and at powers of ten. */
export class Tally {
  #counters: Counters = NONE;

  /** @returns whether this is one of the occurrences that are worth a line in the log: the 1st, 10th, 100th … */
  count(what: keyof Counters, by = 1): boolean {
    const total = this.#counters[what] + by;
    this.#counters = { ...this.#counters, [what]: total };
    return by > 0 && Number.isInteger(Math.log10(total));
  }

  get counters(): Counters {
    return this.#counters;
  }
}
