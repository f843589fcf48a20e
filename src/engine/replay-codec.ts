/**
 * What a group remembers of adverts, in bytes. Numbers are big-endian. A text of bytes is made of sections, each with a
 * tag, the number of its items, and the items; sections may come in any order, and again in later texts.
 *
 * | tag | items                      | bytes of an item                                     |
 * | --- | -------------------------- | ---------------------------------------------------- |
 * | 1   | lone counters, oldest first | counter 8                                           |
 * | 2   | runs, oldest first         | low 8, high 8, step 4, recent 4                      |
 * | 3   | counters heard since then  | counter 8                                            |
 * | 4   | reigns of this host        | start 8, stride 4                                    |
 * | 5   | constants: all of them     | counter 8                                            |
 * | 6   | addresses: all of them     | counts 1, counter 8, length 1, text                  |
 */
import type { ReplayPeers } from './replay-guard.ts';
import { REACH, SPANS_MAX } from './replay-memory.ts';
import { REIGNS_MAX, type SeriesSeed } from './replay-own.ts';
import { emptyTable, halvesOf, LOWER, type SpanTable, UPPER, widthAt } from './replay-table.ts';

export interface ReplayContent {
  readonly spans: SpanTable;
  readonly heard: readonly bigint[];
  readonly reigns: readonly SeriesSeed[];
  /** `undefined`: as before. */
  readonly peers: ReplayPeers | undefined;
}

const Tag = { lone: 1, runs: 2, heard: 3, reigns: 4, constants: 5, addresses: 6 } as const;
const HEADER = 5;
/** Longer than any IPv6 address with its zone. */
const TEXT_MAX = 100;
const ITEMS_MAX = SPANS_MAX;
/** A run that is wider would make every look-up slow: 2^30 adverts of the longest stride. */
const WIDTH_MAX = 2 ** 50;
const STEP_MAX = Number(REACH);

/** Items of one kind, and how one of them is written. */
interface Section {
  readonly tag: number;
  readonly count: number;
  /** Of all items. */
  readonly bytes: number;
  readonly write: (view: DataView, at: number) => void;
}

const section = <T>(
  tag: number,
  items: readonly T[],
  size: number | ((item: T) => number),
  write: (view: DataView, at: number, item: T) => void,
): Section => {
  const sizeOf = typeof size === 'number' ? () => size : size;
  return {
    tag,
    count: items.length,
    bytes: items.reduce((sum, item) => sum + sizeOf(item), 0),
    write: (view, from) => {
      let at = from;
      for (const item of items) {
        write(view, at, item);
        at += sizeOf(item);
      }
    },
  };
};

const writeWord = (view: DataView, at: number, counter: bigint): void => view.setBigUint64(at, counter);

const RUN = 24;

const loneSection = ({ lone, low }: SpanTable): Section => {
  const halves = halvesOf(low);
  return {
    tag: Tag.lone,
    count: lone,
    bytes: 8 * lone,
    write: (view, from) => {
      for (let i = 0; i < lone; i += 1) {
        view.setUint32(from + 8 * i, halves[2 * i + UPPER] ?? 0);
        view.setUint32(from + 8 * i + 4, halves[2 * i + LOWER] ?? 0);
      }
    },
  };
};

const runsSection = ({ lone, low, high, step, recent }: SpanTable): Section => {
  const count = low.length - lone;
  const [lows, highs] = [halvesOf(low), halvesOf(high)];
  return {
    tag: Tag.runs,
    count,
    bytes: RUN * count,
    write: (view, from) => {
      for (let i = lone, at = from; i < low.length; i += 1, at += RUN) {
        view.setUint32(at, lows[2 * i + UPPER] ?? 0);
        view.setUint32(at + 4, lows[2 * i + LOWER] ?? 0);
        view.setUint32(at + 8, highs[2 * i + UPPER] ?? 0);
        view.setUint32(at + 12, highs[2 * i + LOWER] ?? 0);
        view.setUint32(at + 16, step[i] ?? 0);
        view.setUint32(at + 20, recent[i] ?? 0);
      }
    },
  };
};

const writeReign = (view: DataView, at: number, { start, stride }: SeriesSeed): void => {
  view.setBigUint64(at, start);
  view.setUint32(at + 8, Number(stride));
};

type Address = ReplayPeers['addresses'][number];
const textOf = ({ source }: Address): string => source.slice(0, TEXT_MAX);

const writeAddress = (view: DataView, at: number, address: Address): void => {
  const text = textOf(address);
  view.setUint8(at, address.counts ? 1 : 0);
  view.setBigUint64(at + 1, address.counter);
  view.setUint8(at + 9, text.length);
  // Addresses are ASCII.
  for (let i = 0; i < text.length; i += 1) view.setUint8(at + 10 + i, text.charCodeAt(i) & 0x7f);
};

export const encodeReplay = ({ spans, heard, reigns, peers }: ReplayContent): Uint8Array => {
  const sections = [
    loneSection(spans),
    runsSection(spans),
    section(Tag.heard, heard, 8, writeWord),
    section(Tag.reigns, reigns, 12, writeReign),
    ...(peers === undefined
      ? []
      : [
          section(Tag.constants, peers.constants, 8, writeWord),
          section(Tag.addresses, peers.addresses, (address) => 10 + textOf(address).length, writeAddress),
        ]),
  ].filter(({ tag, count }) => count > 0 || tag >= Tag.constants);
  const encoded = new Uint8Array(sections.reduce((sum, { bytes }) => sum + HEADER + bytes, 0));
  const view = new DataView(encoded.buffer);
  let at = 0;
  for (const { tag, count, bytes, write } of sections) {
    view.setUint8(at, tag);
    view.setUint32(at + 1, count);
    write(view, at + HEADER);
    at += HEADER + bytes;
  }
  return encoded;
};

/** A section that was not looked at yet. */
interface Pieces {
  readonly count: number;
  readonly view: DataView;
}

/** Reads item by item, and never beyond the end. */
class Reader {
  readonly #view: DataView;
  #at = 0;

  constructor({ buffer, byteOffset, byteLength }: Uint8Array) {
    this.#view = new DataView(buffer, byteOffset, byteLength);
  }

  get done(): boolean {
    return this.#at === this.#view.byteLength;
  }

  /** @throws RangeError at the end */
  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#view.byteLength) throw new RangeError('it ends too early');
    this.#at += length;
    return at;
  }

  byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  half(): number {
    return this.#view.getUint32(this.#take(4));
  }

  word(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  text(): string {
    const length = this.byte();
    if (length > TEXT_MAX) throw new RangeError('a text is too long');
    return Array.from({ length }, () => String.fromCharCode(this.byte())).join('');
  }

  /** Items of one size, which are looked at later. @throws RangeError if there are more than make sense */
  pieces(size: number): Pieces {
    const count = this.half();
    if (count > ITEMS_MAX) throw new RangeError('it has too many items');
    const { buffer, byteOffset } = this.#view;
    const at = this.#take(count * size);
    return { count, view: new DataView(buffer, byteOffset + at, count * size) };
  }

  /** @throws RangeError if there are more than make sense */
  items<T>(read: () => T, most = ITEMS_MAX): T[] {
    const count = this.half();
    if (count > most) throw new RangeError('it has too many items');
    return Array.from({ length: count }, read);
  }
}

/** @throws RangeError if a run has no sense, or there are more spans than any memory has */
const readSpans = (lone: readonly Pieces[], runs: readonly Pieces[]): SpanTable => {
  const countOf = (sections: readonly Pieces[]): number => sections.reduce((sum, { count }) => sum + count, 0);
  const [loneCount, runCount] = [countOf(lone), countOf(runs)];
  if (loneCount + runCount > ITEMS_MAX) throw new RangeError('it has too many items');
  const table = emptyTable(loneCount + runCount, loneCount);
  const [low, high] = [halvesOf(table.low), halvesOf(table.high)];
  let slot = 0;
  for (const { count, view } of lone)
    for (let i = 0; i < count; i += 1, slot += 1) {
      low[2 * slot + UPPER] = view.getUint32(8 * i);
      low[2 * slot + LOWER] = view.getUint32(8 * i + 4);
    }
  table.high.set(table.low.subarray(0, loneCount));
  table.recent.fill(1, 0, loneCount);
  for (const { count, view } of runs)
    for (let at = 0; at < count * RUN; at += RUN, slot += 1) {
      low[2 * slot + UPPER] = view.getUint32(at);
      low[2 * slot + LOWER] = view.getUint32(at + 4);
      high[2 * slot + UPPER] = view.getUint32(at + 8);
      high[2 * slot + LOWER] = view.getUint32(at + 12);
      const step = view.getUint32(at + 16);
      const recent = view.getUint32(at + 20);
      const width = widthAt(low, high, slot);
      const fits = step > 0 && step <= STEP_MAX && width > 0 && width <= WIDTH_MAX && width % step === 0;
      if (!fits || (recent & 1) === 0) throw new RangeError('a run has no sense');
      table.step[slot] = step;
      table.recent[slot] = recent;
    }
  return table;
};

const readReign = (reader: Reader): SeriesSeed => {
  const [start, stride] = [reader.word(), BigInt(reader.half())];
  if (stride === 0n) throw new RangeError('a reign has no stride');
  return { start, stride };
};

/** @throws RangeError if it is not what `encodeReplay` makes */
export const decodeReplay = (bytes: Uint8Array): ReplayContent => {
  const reader = new Reader(bytes);
  const [lone, runs]: [Pieces[], Pieces[]] = [[], []];
  const heard: bigint[] = [];
  const reigns: SeriesSeed[] = [];
  let constants: ReplayPeers['constants'] | undefined;
  let addresses: ReplayPeers['addresses'] | undefined;
  while (!reader.done)
    switch (reader.byte()) {
      case Tag.lone:
        lone.push(reader.pieces(8));
        break;
      case Tag.runs:
        runs.push(reader.pieces(RUN));
        break;
      case Tag.heard:
        heard.push(...reader.items(() => reader.word()));
        break;
      case Tag.reigns:
        reigns.push(...reader.items(() => readReign(reader), REIGNS_MAX + 1));
        break;
      case Tag.constants:
        constants = reader.items(() => reader.word());
        break;
      case Tag.addresses:
        addresses = reader.items(() => ({
          counts: reader.byte() === 1,
          counter: reader.word(),
          source: reader.text(),
        }));
        break;
      default:
        throw new RangeError('it has an unknown section');
    }
  const peers = constants === undefined || addresses === undefined ? undefined : { constants, addresses };
  return { spans: readSpans(lone, runs), heard, reigns, peers };
};
