/**
 * Which counters have been heard: a set of 64-bit numbers that is small although millions are in it.
 *
 * What real systems send (protocol.md 2.6) comes in two kinds. A *run* counts in steps: BSD kernels and ucarp in steps of
 * 1 once they have heard somebody, this engine in steps of its stride. A *lone* counter is a random number that is used
 * once: what kernels and ucarp send until they have heard somebody. So the memory is a set of spans, each a lone counter
 * or a run of them, `low, low + step … high`. It grows and forgets by these rules:
 *
 * - A counter that stands at most `REACH` above the end of a run, in its step, continues it; `KERNEL_REACH` if that is a
 *   kernel's, or two kernels that counted on from two adverts of ours would look like one, which has sent all that lies
 *   between. What lies between counts as heard, except among the last 32: adverts of two families may overtake each other.
 * - A lone counter and one close above it become a run. Everything else is a new lone counter. What lies inside a run but
 *   not in its step is not in it: a kernel that counts on from any advert of ours is heard.
 * - A run in steps as long as those of this engine is known to be one of its reigns: what lies below it in its step was
 *   sent before this host listened, and counts as heard. Kernels have no reigns: OpenBSD's cookie may lie right below
 *   the run of a kernel that has heard it.
 * - When there is no room, the longer of two lists gives up its oldest: lone counters in the order in which they came, or
 *   runs in the order in which they last grew. A run stands for many adverts and is worth more than a lone counter, but
 *   not so much that a peer that sends lone ones would be forgotten at once.
 *
 * Numbers are modulo 2^64: a run may pass the end and go on from 0. Looking up takes a binary search. It changes in place,
 * since a copy for each advert would cost more than the advert; nothing in it depends on anything but what was heard.
 */

import { STRIDE_MIN } from '../protocol/counter.ts';
import { ascending, emptyTable, halvesOf, type SpanTable, spansIn, widthAt } from './replay-table.ts';

/** How many spans a group remembers at most. 18 hours of a peer that sends a lone counter each second. */
export const SPANS_MAX = 65_536;
/** How far above a run its next counter may be: 64 lost adverts of the longest stride (DESIGN D7). */
export const REACH = 1n << 26n;
/** The same for runs of kernels, in steps of 1: 18 hours of lost adverts, and less than one step of ours. */
export const KERNEL_REACH = 1n << 16n;
/** Bits of a run's mask: how far back it knows one by one what was heard. */
const RECENT = 32;
const RECENT_ALL = 0xffff_ffff;
const FIRST_CAPACITY = 64;
/** How far below its first counters a reign is known: at least two years at one advert a second. */
const BEFORE = 1n << 46n;
const NONE = -1;

const word = (value: bigint): bigint => BigInt.asUintN(64, value);

/** A lone counter has no step, and its `high` is its `low`. */
export interface ReplaySpan {
  readonly low: bigint;
  readonly high: bigint;
  /** 0 of a lone counter, else 1..REACH. */
  readonly step: number;
  /** Bit i: whether `high - i * step` was heard. */
  readonly recent: number;
}

/** Slots in the order of their age, oldest first. The links are kept by the memory. */
interface Queue {
  oldest: number;
  newest: number;
  size: number;
}

/** A copy of a memory's tables. */
interface Snapshot extends Omit<SpanTable, 'lone'> {
  readonly newer: Int32Array;
  readonly lone: Readonly<Queue>;
  readonly runs: Readonly<Queue>;
  readonly most: number;
}

function* dealt({ low, high, step, recent, newer, lone, runs, most }: Snapshot): Generator<SpanTable> {
  const [lows, highs] = [halvesOf(low), halvesOf(high)];
  const size = lone.size + runs.size;
  let slot = lone.size > 0 ? lone.oldest : runs.oldest;
  for (let from = 0; from < size; from += most) {
    const count = Math.min(most, size - from);
    const table = emptyTable(count, Math.max(0, Math.min(count, lone.size - from)));
    const [tableLows, tableHighs] = [halvesOf(table.low), halvesOf(table.high)];
    for (let i = 0; i < count; i += 1) {
      tableLows[2 * i] = lows[2 * slot] ?? 0;
      tableLows[2 * i + 1] = lows[2 * slot + 1] ?? 0;
      tableHighs[2 * i] = highs[2 * slot] ?? 0;
      tableHighs[2 * i + 1] = highs[2 * slot + 1] ?? 0;
      table.step[i] = step[slot] ?? 0;
      table.recent[i] = recent[slot] ?? 0;
      const next = newer[slot] ?? NONE;
      slot = next === NONE ? runs.oldest : next;
    }
    yield table;
  }
}

interface Found {
  readonly heard: boolean;
  /** A run that has this number among its last ones, but did not hear it. */
  readonly gap: { readonly slot: number; readonly bit: number } | undefined;
  /** The nearest span below that it continues. */
  readonly below: number;
  /** It stands close above a span, in its step or not. */
  readonly above: boolean;
}

export class ReplayMemory {
  readonly #limit: number;
  readonly #makeRoom: (spans: number) => void;
  #low = new BigUint64Array(FIRST_CAPACITY);
  #high = new BigUint64Array(FIRST_CAPACITY);
  #step = new Uint32Array(FIRST_CAPACITY);
  #recent = new Uint32Array(FIRST_CAPACITY);
  #older = new Int32Array(FIRST_CAPACITY).fill(NONE);
  #newer = new Int32Array(FIRST_CAPACITY).fill(NONE);
  /** Slots by their `low`, ascending, with a copy of it to search in. */
  #order = new Uint32Array(FIRST_CAPACITY);
  #lows = new BigUint64Array(FIRST_CAPACITY);
  #size = 0;
  /** Slots from here on were never used; those that became free are listed. */
  #unused = 0;
  readonly #free: number[] = [];
  readonly #lone: Queue = { oldest: NONE, newest: NONE, size: 0 };
  readonly #runs: Queue = { oldest: NONE, newest: NONE, size: 0 };
  /** No run is wider. */
  #widest = 0n;

  /**
   * @param limit - of spans, at least 1
   * @param makeRoom - called before so many spans are added, for a limit that is shared with others (`ReplayBudget`)
   */
  constructor(limit = SPANS_MAX, makeRoom: (spans: number) => void = () => {}) {
    this.#limit = limit;
    this.#makeRoom = makeRoom;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of its tables. */
  get bytes(): number {
    const tables = [this.#low, this.#high, this.#step, this.#recent, this.#older, this.#newer, this.#order, this.#lows];
    return tables.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  has(counter: bigint): boolean {
    return this.#find(counter).heard;
  }

  /** Whether it stands within `REACH` above the end of a span, in its step or not. Random numbers do not. */
  isAbove(counter: bigint): boolean {
    const { gap, above } = this.#find(counter);
    return above || gap !== undefined;
  }

  /** Hears a counter. Returns whether it is a new one. */
  add(counter: bigint): boolean {
    const { heard, gap, below } = this.#find(counter);
    if (heard) return false;
    if (gap !== undefined) this.#recent[gap.slot] = (this.#recent[gap.slot] ?? 0) | (1 << gap.bit);
    else if (below !== NONE) this.#grow(below, counter);
    else this.#insert({ low: counter, high: counter, step: 0, recent: 1 });
    return true;
  }

  /** Forgets all spans that begin at this number, or above it within `REACH`. Returns whether there were any. */
  forgetFrom(counter: bigint): boolean {
    const before = this.#size;
    while (this.#size > 0) {
      const next = this.#position(counter);
      const at = next === this.#size ? 0 : next;
      if (word((this.#lows[at] ?? 0n) - counter) > REACH) break;
      this.#remove(at);
    }
    return this.#size < before;
  }

  /** Makes room for one span. */
  forgetOldest(): void {
    const { oldest } = this.#lone.size >= this.#runs.size ? this.#lone : this.#runs;
    if (oldest !== NONE) this.#remove(this.#position(this.#low[oldest] ?? 0n));
  }

  /** All spans, as a copy. */
  get table(): SpanTable {
    const [table = emptyTable(0, 0)] = this.tables(Math.max(1, this.#size));
    return table;
  }

  /** The same in tables of at most so many spans. They may be taken one by one, whatever is heard meanwhile. */
  tables(most: number): Iterable<SpanTable> {
    return dealt({
      low: this.#low.slice(),
      high: this.#high.slice(),
      step: this.#step.slice(),
      recent: this.#recent.slice(),
      newer: this.#newer.slice(),
      lone: { ...this.#lone },
      runs: { ...this.#runs },
      most,
    });
  }

  /** Takes spans over from another memory, as the newest; one that begins where another does is left out. */
  restore(table: SpanTable): void {
    if (this.#size === 0) {
      this.#fill(table);
      return;
    }
    for (const span of spansIn(table)) {
      const at = this.#position(span.low);
      if (at === this.#size || this.#lows[at] !== span.low) this.#insert(span);
    }
  }

  /** Into an empty memory they go all at once: to make room for each among all others would take half a second. */
  #fill(table: SpanTable): void {
    const from = Math.max(0, table.low.length - this.#limit);
    const size = table.low.length - from;
    const lone = Math.max(0, table.lone - from);
    while (this.#low.length < size) this.#expand();
    this.#free.length = 0;
    this.#unused = size;
    this.#low.set(table.low.subarray(from));
    this.#high.set(table.high.subarray(from));
    this.#step.set(table.step.subarray(from));
    this.#recent.set(table.recent.subarray(from));
    this.#chain(this.#lone, 0, lone);
    this.#chain(this.#runs, lone, size);
    this.#size = size;
    const order = ascending(this.#low.slice(0, size));
    this.#order.set(order);
    const [lows, low, high] = [halvesOf(this.#lows), halvesOf(this.#low), halvesOf(this.#high)];
    let [widest, isTwice] = [0, false];
    for (let at = 0; at < size; at += 1) {
      const slot = order[at] ?? 0;
      lows[2 * at] = low[2 * slot] ?? 0;
      lows[2 * at + 1] = low[2 * slot + 1] ?? 0;
      if (at > 0 && lows[2 * at] === lows[2 * at - 2] && lows[2 * at + 1] === lows[2 * at - 1]) isTwice = true;
      const width = widthAt(low, high, slot);
      if (width > widest) widest = width;
    }
    this.#widest = BigInt(widest);
    // Of two that begin at the same number, which no memory has, the second is too much.
    for (let at = size - 1; isTwice && at > 0; at -= 1) if (this.#lows[at] === this.#lows[at - 1]) this.#remove(at);
    this.#makeRoom(0);
  }

  /** The first position in the order whose `low` is not below this number. */
  #position(counter: bigint): number {
    let [from, to] = [0, this.#size];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#lows[middle] ?? 0n) < counter) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** Looks at the spans that begin at this number or below, nearest first, as far as one of them can matter. */
  #find(counter: bigint): Found {
    let gap: Found['gap'];
    let below = NONE;
    let nearest = REACH + 1n;
    const first = this.#position(counter);
    let above = false;
    const start = this.#lows[first] === counter && first < this.#size ? first : first - 1;
    for (let i = 0; i < this.#size; i++) {
      const at = start - i < 0 ? start - i + this.#size : start - i;
      const slot = this.#order[at] ?? 0;
      const low = this.#lows[at] ?? 0n;
      const distance = word(counter - low);
      if (distance > this.#widest + REACH) break;
      const width = word((this.#high[slot] ?? 0n) - low);
      if (distance > width && distance - width <= REACH) above = true;
      const step = BigInt(this.#step[slot] ?? 0);
      const inStep = step === 0n ? distance === 0n || distance > width : distance % step === 0n;
      if (!inStep) continue;
      if (distance <= width) {
        const bit = step === 0n ? 0n : (width - distance) / step;
        const heard = bit >= RECENT || (((this.#recent[slot] ?? 0) >>> Number(bit)) & 1) === 1;
        if (heard) return { heard, gap, below, above };
        gap ??= { slot, bit: Number(bit) };
      } else if (
        distance - width < nearest &&
        (step === 0n || step >= STRIDE_MIN || distance - width <= KERNEL_REACH)
      ) {
        nearest = distance - width;
        below = slot;
      }
    }
    return { heard: false, gap, below, above };
  }

  #grow(slot: number, counter: bigint): void {
    const low = this.#low[slot] ?? 0n;
    const stride = word(counter - low);
    if (this.#step[slot] === 0 && stride >= STRIDE_MIN) {
      // It begins further below from now on, so its place is another one.
      this.#remove(this.#position(low));
      this.#insert({
        low: word(low - (BEFORE / stride) * stride),
        high: counter,
        step: Number(stride),
        recent: RECENT_ALL,
      });
      return;
    }
    const above = word(counter - (this.#high[slot] ?? 0n));
    const step = this.#step[slot] ?? 0;
    const steps = step === 0 ? 1 : Number(above) / step;
    this.#step[slot] = step === 0 ? Number(above) : step;
    this.#recent[slot] = steps < RECENT ? ((this.#recent[slot] ?? 0) << steps) | 1 : 1;
    this.#high[slot] = counter;
    const width = word(counter - (this.#low[slot] ?? 0n));
    if (width > this.#widest) this.#widest = width;
    this.#unlink(step === 0 ? this.#lone : this.#runs, slot);
    this.#link(this.#runs, slot);
  }

  #insert({ low, high, step, recent }: ReplaySpan): void {
    this.#makeRoom(1);
    while (this.#size >= this.#limit) this.forgetOldest();
    const slot = this.#free.pop() ?? this.#unused;
    if (slot === this.#unused) {
      this.#unused += 1;
      if (slot === this.#low.length) this.#expand();
    }
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#step[slot] = step;
    this.#recent[slot] = recent & RECENT_ALL;
    const width = word(high - low);
    if (width > this.#widest) this.#widest = width;
    const at = this.#position(low);
    this.#order.copyWithin(at + 1, at, this.#size);
    this.#lows.copyWithin(at + 1, at, this.#size);
    this.#order[at] = slot;
    this.#lows[at] = low;
    this.#size += 1;
    this.#link(step === 0 ? this.#lone : this.#runs, slot);
  }

  /** @param at - in the order */
  #remove(at: number): void {
    const slot = this.#order[at] ?? 0;
    this.#order.copyWithin(at, at + 1, this.#size);
    this.#lows.copyWithin(at, at + 1, this.#size);
    this.#size -= 1;
    this.#unlink(this.#step[slot] === 0 ? this.#lone : this.#runs, slot);
    this.#free.push(slot);
  }

  #link(queue: Queue, slot: number): void {
    this.#older[slot] = queue.newest;
    this.#newer[slot] = NONE;
    if (queue.newest === NONE) queue.oldest = slot;
    else this.#newer[queue.newest] = slot;
    queue.newest = slot;
    queue.size += 1;
  }

  #unlink(queue: Queue, slot: number): void {
    const [older, newer] = [this.#older[slot] ?? NONE, this.#newer[slot] ?? NONE];
    if (older === NONE) queue.oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) queue.newest = older;
    else this.#older[newer] = older;
    queue.size -= 1;
  }

  /** All slots from one to another, in their order, into an empty queue. */
  #chain(queue: Queue, from: number, to: number): void {
    if (from === to) return;
    for (let slot = from; slot < to; slot += 1) {
      this.#older[slot] = slot - 1;
      this.#newer[slot] = slot + 1;
    }
    this.#older[from] = NONE;
    this.#newer[to - 1] = NONE;
    queue.oldest = from;
    queue.newest = to - 1;
    queue.size = to - from;
  }

  /** Few groups ever need the whole room. */
  #expand(): void {
    const capacity = Math.min(this.#limit, this.#low.length * 2);
    const longer = <T extends BigUint64Array | Uint32Array | Int32Array>(table: T, into: T): T => {
      into.set(table as never);
      return into;
    };
    this.#low = longer(this.#low, new BigUint64Array(capacity));
    this.#high = longer(this.#high, new BigUint64Array(capacity));
    this.#step = longer(this.#step, new Uint32Array(capacity));
    this.#recent = longer(this.#recent, new Uint32Array(capacity));
    this.#older = longer(this.#older, new Int32Array(capacity));
    this.#newer = longer(this.#newer, new Int32Array(capacity));
    this.#order = longer(this.#order, new Uint32Array(capacity));
    this.#lows = longer(this.#lows, new BigUint64Array(capacity));
  }
}
