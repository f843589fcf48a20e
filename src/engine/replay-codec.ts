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
import { REACH, type ReplaySpan, SPANS_MAX } from './replay-memory.ts';
import { REIGNS_MAX, type SeriesSeed } from './replay-own.ts';

export interface ReplayContent {
  readonly spans: readonly ReplaySpan[];
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
const WIDTH_MAX = 1n << 50n;

interface Item {
  readonly size: number;
  readonly write: (view: DataView, at: number) => void;
}

const word = (counter: bigint): Item => ({ size: 8, write: (view, at) => view.setBigUint64(at, counter) });

const run = ({ low, high, step, recent }: ReplaySpan): Item => ({
  size: 24,
  write: (view, at) => {
    view.setBigUint64(at, low);
    view.setBigUint64(at + 8, high);
    view.setUint32(at + 16, step);
    view.setUint32(at + 20, recent);
  },
});

const reign = ({ start, stride }: SeriesSeed): Item => ({
  size: 12,
  write: (view, at) => {
    view.setBigUint64(at, start);
    view.setUint32(at + 8, Number(stride));
  },
});

const address = ({ source, counts, counter }: ReplayPeers['addresses'][number]): Item => {
  const text = source.slice(0, TEXT_MAX);
  return {
    size: 10 + text.length,
    write: (view, at) => {
      view.setUint8(at, counts ? 1 : 0);
      view.setBigUint64(at + 1, counter);
      view.setUint8(at + 9, text.length);
      // Addresses are ASCII.
      for (let i = 0; i < text.length; i += 1) view.setUint8(at + 10 + i, text.charCodeAt(i) & 0x7f);
    },
  };
};

export const encodeReplay = ({ spans, heard, reigns, peers }: ReplayContent): Uint8Array => {
  const sections: readonly (readonly [tag: number, items: readonly Item[]])[] = [
    [Tag.lone, spans.filter(({ step }) => step === 0).map(({ low }) => word(low))],
    [Tag.runs, spans.filter(({ step }) => step !== 0).map(run)],
    [Tag.heard, heard.map(word)],
    [Tag.reigns, reigns.map(reign)],
    ...(peers === undefined
      ? []
      : ([
          [Tag.constants, peers.constants.map(word)],
          [Tag.addresses, peers.addresses.map(address)],
        ] as const)),
  ];
  const used = sections.filter(([tag, items]) => items.length > 0 || tag >= Tag.constants);
  const size = used.reduce((sum, [, items]) => items.reduce((all, item) => all + item.size, sum + HEADER), 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [tag, items] of used) {
    view.setUint8(at, tag);
    view.setUint32(at + 1, items.length);
    at += HEADER;
    for (const { size: length, write } of items) {
      write(view, at);
      at += length;
    }
  }
  return bytes;
};

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

  /** @throws RangeError if there are more than make sense */
  items<T>(read: () => T, most = ITEMS_MAX): T[] {
    const count = this.half();
    if (count > most) throw new RangeError('it has too many items');
    return Array.from({ length: count }, read);
  }
}

const readRun = (reader: Reader): ReplaySpan => {
  const [low, high, step, recent] = [reader.word(), reader.word(), reader.half(), reader.half()];
  const width = BigInt.asUintN(64, high - low);
  const fits = step > 0 && BigInt(step) <= REACH && width > 0n && width <= WIDTH_MAX && width % BigInt(step) === 0n;
  if (!fits || (recent & 1) === 0) throw new RangeError('a run has no sense');
  return { low, high, step, recent };
};

const readReign = (reader: Reader): SeriesSeed => {
  const [start, stride] = [reader.word(), BigInt(reader.half())];
  if (stride === 0n) throw new RangeError('a reign has no stride');
  return { start, stride };
};

/** @throws RangeError if it is not what `encodeReplay` makes */
export const decodeReplay = (bytes: Uint8Array): ReplayContent => {
  const reader = new Reader(bytes);
  const spans: ReplaySpan[] = [];
  const heard: bigint[] = [];
  const reigns: SeriesSeed[] = [];
  let constants: ReplayPeers['constants'] | undefined;
  let addresses: ReplayPeers['addresses'] | undefined;
  while (!reader.done)
    switch (reader.byte()) {
      case Tag.lone:
        for (const low of reader.items(() => reader.word())) spans.push({ low, high: low, step: 0, recent: 1 });
        break;
      case Tag.runs:
        spans.push(...reader.items(() => readRun(reader)));
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
  return { spans, heard, reigns, peers };
};
