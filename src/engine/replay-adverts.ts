import type { Log } from '../ports/log.ts';
import type { ReplayArchive, ReplayPlace, ReplayRecord, ReplaySource } from '../ports/replay.ts';
import type { Millis } from '../protocol/units.ts';
import type { ReplayBudget } from './replay-budget.ts';
import { decodeReplay, encodeReplay } from './replay-codec.ts';
import { type HeardCounter, ReplayGuard } from './replay-guard.ts';
import type { ReplayMemory } from './replay-memory.ts';
import { OwnCounters, REIGNS_MAX, type SeriesSeed } from './replay-own.ts';
import { emptyTable, type SpanTable } from './replay-table.ts';
import type { ReplayMode } from './settings.ts';

const NO_SPANS = emptyTable(0, 0);
/** How many spans are written in one go: a millisecond. */
const PIECE = 1024;

function* inPieces(tables: Iterable<SpanTable>, rest: Uint8Array): Generator<Uint8Array> {
  for (const spans of tables) yield encodeReplay({ spans, heard: [], reigns: [], peers: undefined });
  yield rest;
}

/** How many counters are kept as news; when more come, all is written anew. */
const NEWS_MAX = 4096;

export interface KnownAdvertsOptions {
  readonly budget: ReplayBudget;
  readonly random64: () => bigint;
  readonly place: ReplayPlace;
  readonly log: Log;
}

/**
 * The adverts that one virtual host has sent and heard, as far as it remembers them. It outlives the group, whose settings
 * may change, and what is kept in an archive outlives the process.
 */
export class KnownAdverts {
  readonly #options: KnownAdvertsOptions;
  readonly #memory: ReplayMemory;
  readonly #guard: ReplayGuard;
  readonly #own: OwnCounters;
  #archive: ReplayArchive | undefined;
  #record: ReplayRecord | undefined;
  /** What was heard since it was last asked for; `undefined`: too much. */
  #heard: bigint[] | undefined = [];
  #reigns: SeriesSeed[] = [];
  /** What was last told about the peers. */
  #toldPeers = '';

  constructor(options: KnownAdvertsOptions) {
    this.#options = options;
    this.#memory = options.budget.join();
    this.#guard = new ReplayGuard(this.#memory, (counter) => this.#note(counter));
    this.#own = new OwnCounters(options.random64);
  }

  /** Keeps it there from now on, and goes on from what is there. */
  keepIn(archive: ReplayArchive | undefined): void {
    if (archive === this.#archive) return;
    this.#record?.close();
    this.#archive = archive;
    this.#record = archive?.open(this.#options.place, this.#source());
    for (const text of this.#record?.found ?? []) this.#restore(text);
    this.#record?.touch();
  }

  /** Nothing is kept from now on. */
  close(): void {
    this.#record?.close();
    this.#record = undefined;
    this.#options.budget.leave(this.#memory);
  }

  /** The counters of this host's next adverts have nothing to do with those before. */
  beginReign(): void {
    this.#own.begin();
    this.#reigns = [...this.#reigns, this.#own.reign].slice(-REIGNS_MAX);
    this.#record?.touch(true);
  }

  /** How many adverts this reign has sent. */
  get sent(): number {
    return this.#own.used;
  }

  nextCounter(): bigint {
    return this.#own.draw();
  }

  isOwn(counter: bigint): boolean {
    return this.#own.isOwn(counter);
  }

  /** See `ReplayGuard`. */
  isFresh(heard: HeardCounter, mode: ReplayMode, silence: Millis): boolean {
    return this.#guard.isFresh(heard, mode, silence);
  }

  #note(counter: bigint): void {
    if (this.#heard !== undefined && this.#heard.length < NEWS_MAX) this.#heard.push(counter);
    else this.#heard = undefined;
    this.#record?.touch();
  }

  #source(): ReplaySource {
    return { news: () => this.#news(), whole: () => this.#whole() };
  }

  #news(): Iterable<Uint8Array> {
    if (this.#heard === undefined) return this.#whole();
    const { peers } = this.#guard;
    const told = this.#describe();
    const isNews = told !== this.#toldPeers;
    const heard = this.#heard;
    const reigns = this.#reigns;
    this.#told(told);
    if (!isNews && heard.length === 0 && reigns.length === 0) return [];
    return [encodeReplay({ spans: NO_SPANS, heard, reigns, peers: isNews ? peers : undefined })];
  }

  #whole(): Iterable<Uint8Array> {
    this.#told(this.#describe());
    const { peers } = this.#guard;
    const rest = encodeReplay({ spans: NO_SPANS, heard: [], reigns: this.#own.reigns, peers });
    return inPieces(this.#memory.tables(PIECE), rest);
  }

  #told(peers: string): void {
    this.#toldPeers = peers;
    this.#heard = [];
    this.#reigns = [];
  }

  /** The counter of an address that counts does not matter. */
  #describe(): string {
    const { constants, addresses } = this.#guard.peers;
    return [
      ...constants.toSorted((a, b) => (a < b ? -1 : 1)),
      ...addresses.map(({ source, counts, counter }) => `${source} ${counts ? 'counts' : counter}`).sort(),
    ].join(' ');
  }

  #restore(text: Uint8Array): void {
    try {
      const { spans, heard, reigns, peers } = decodeReplay(text);
      this.#memory.restore(spans);
      if (peers !== undefined) this.#guard.restore(peers);
      this.#guard.relearn(heard);
      this.#own.restore(reigns);
    } catch (error) {
      const { interface: device, vhid } = this.#options.place;
      const why = error instanceof Error ? error.message : String(error);
      this.#options.log('warn', `what was remembered of adverts on ${device}, vhid ${vhid}, is of no use: ${why}`);
    }
  }
}
