/**
 * The counters that this host has put into its own adverts, so that it knows them again when a loop in the network or
 * somebody else sends them back (DESIGN D7). A reign is two numbers, start and stride, however long it lasted.
 */
import { type CounterSeries, counterSeries, nextCounter } from '../protocol/counter.ts';

/** What a series is made of; it goes on for ever. */
export type SeriesSeed = Pick<CounterSeries, 'start' | 'stride'>;

/** How many reigns are remembered; the oldest is forgotten first. */
export const REIGNS_MAX = 1024;
/**
 * A reign of which nobody knows how long it was (it was read from the disk) counts as 2^28 adverts: eight years at one a
 * second. That a counter of somebody else falls on one of its values is as likely as one of 2^36 guesses to be right.
 */
const ADVERTS_MAX = 1n << 28n;

const word = (value: bigint): bigint => BigInt.asUintN(64, value);

/** A former reign: `values` of them from the start on. */
interface Reign extends SeriesSeed {
  readonly values: bigint;
}

const contains = ({ start, stride, values }: Reign, counter: bigint): boolean => {
  const distance = word(counter - start);
  return distance % stride === 0n && distance / stride < values;
};

export class OwnCounters {
  readonly #random64: () => bigint;
  /** In the order in which they came. */
  #former: readonly Reign[] = [];
  /** The same by their start, to search in. */
  #sorted: readonly Reign[] = [];
  #widest = 0n;
  #series: CounterSeries;

  constructor(random64: () => bigint) {
    this.#random64 = random64;
    this.#series = this.#newSeries();
  }

  #newSeries(): CounterSeries {
    return counterSeries([this.#random64(), this.#random64()]);
  }

  /** How many counters this reign has used. */
  get used(): number {
    return Number(this.#series.count);
  }

  /** The present reign. */
  get reign(): SeriesSeed {
    const { start, stride } = this.#series;
    return { start, stride };
  }

  /** A new reign: its counters have nothing to do with those before. */
  begin(): void {
    if (this.#series.count > 0n) this.#remember([{ ...this.#series, values: this.#series.count }]);
    this.#series = this.#newSeries();
  }

  /** The counter of one advert. */
  draw(): bigint {
    const [counter, series] = nextCounter(this.#series);
    this.#series = series;
    return counter;
  }

  isOwn(counter: bigint): boolean {
    return (
      contains({ ...this.#series, values: this.#series.count }, counter) ||
      this.#candidates(counter).some((reign) => contains(reign, counter))
    );
  }

  /** All reigns, oldest first; the last one is the present. */
  get reigns(): readonly SeriesSeed[] {
    return [...this.#former, this.#series].map(({ start, stride }) => ({ start, stride }));
  }

  /** Knows again what a predecessor may have sent. */
  restore(reigns: readonly SeriesSeed[]): void {
    this.#remember(reigns.map((reign) => ({ ...reign, values: ADVERTS_MAX })));
  }

  #remember(reigns: readonly Reign[]): void {
    this.#former = [...this.#former, ...reigns].slice(-REIGNS_MAX);
    this.#sorted = this.#former.toSorted((a, b) => (a.start < b.start ? -1 : 1));
    for (const { stride, values } of reigns) if (stride * values > this.#widest) this.#widest = stride * values;
  }

  /** Those that begin at this number or below it, and near enough to reach it. */
  #candidates(counter: bigint): readonly Reign[] {
    const found: Reign[] = [];
    let [from, to] = [0, this.#sorted.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#sorted[middle]?.start ?? 0n) <= counter) from = middle + 1;
      else to = middle;
    }
    for (let i = 1; i <= this.#sorted.length; i++) {
      const reign = this.#sorted.at(from - i);
      if (reign === undefined || word(counter - reign.start) >= this.#widest) break;
      found.push(reign);
    }
    return found;
  }
}
