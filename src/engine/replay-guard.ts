/**
 * Tells fresh adverts from replayed ones (DESIGN D8). It only sees adverts whose digest is right, so nobody without the
 * key can make it remember anything; and it looks at the signed counter, as everything else in an advert can be rewritten.
 *
 * A counter that was heard before is replayed. The exception, in mode `auto`, is OpenBSD, which signs one random cookie for
 * all its adverts. What is taken for such a *constant* is decided by what its address has sent (`replay-speaking.ts`):
 *
 * - The value identifies the peer, as it is signed; its addresses are not.
 * - A value becomes a constant when it comes again, and it is the last that was heard of an address that does not count. It
 *   must not stand right above anything that was heard: a cookie is drawn at random, and who sends one more than what was
 *   heard before is a kernel that counts.
 * - A constant stays one, from whatever address, until 64 others were heard later: an OpenBSD host keeps its cookie until
 *   its interface is made anew. While it is young it is revoked if its address sends anything else.
 * - A kernel that hears a constant counts on from it, each time anew. So hearing one forgets the runs right above it.
 *
 * Limits of `auto`: replays of a constant, and of what was counted on from it, are accepted, as OpenBSD itself cannot be
 * told from them. An advert that is older than the memory, or was never heard, is accepted like any new one, and if it is
 * repeated under an address that does not count, so are the repetitions; the same goes for the only advert that an address
 * has ever sent, unless it continues another. `strict` accepts each advert once, and cannot hear OpenBSD. `off` accepts
 * everything, and remembers nothing.
 */
import type { Millis } from '../protocol/units.ts';
import { REACH, type ReplayMemory } from './replay-memory.ts';
import { isAllOf, isCounting, remembered, repeated, type Speaking, spoken } from './replay-speaking.ts';
import type { ReplayMode } from './settings.ts';

export interface HeardCounter {
  readonly counter: bigint;
  /** The address that it claims to come from. */
  readonly source: string;
  readonly at: Millis;
  /** Between two adverts of the sender, as it says. */
  readonly interval: Millis;
}

/** What is to be kept besides the memory. */
export interface ReplayPeers {
  readonly constants: readonly bigint[];
  readonly addresses: readonly { readonly source: string; readonly counts: boolean; readonly counter: bigint }[];
}

/** More than any segment has hosts in one group; of addresses and of constants, the ones not heard for longest go. */
const PEERS_MAX = 64;

const isClose = (above: bigint, below: bigint): boolean => BigInt.asUintN(64, above - below) <= REACH;

/** Puts an entry at the newer end of a map that has a bound. */
const remember = <Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void => {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= PEERS_MAX) return;
    map.delete(oldest);
  }
};

export class ReplayGuard {
  readonly memory: ReplayMemory;
  readonly #speaking = new Map<string, Speaking>();
  /** Oldest heard first. */
  readonly #constants = new Map<bigint, undefined>();

  readonly #note: (counter: bigint) => void;
  /** When it first heard anything. */
  #listensSince: Millis | undefined;

  /** @param note - told each counter that changes the memory: `relearn` does to another one what it did to this */
  constructor(memory: ReplayMemory, note: (counter: bigint) => void = () => {}) {
    this.memory = memory;
    this.#note = note;
  }

  /**
   * Whether an authentic advert is fresh. If it is, it is remembered.
   * @param silence - the master-down time of this host, in ms
   */
  isFresh(heard: HeardCounter, mode: ReplayMode, silence: Millis): boolean {
    if (mode === 'off') return true;
    this.#listensSince ??= heard.at;
    if (mode === 'auto' && this.#isConstant(heard)) return true;
    const { counter } = heard;
    const continues = this.#continues(heard);
    if (!this.memory.add(counter)) return false;
    this.#note(counter);
    this.#speak(heard, silence, continues);
    return true;
  }

  /** What is known of the peers, the ones not heard for longest first. */
  get peers(): ReplayPeers {
    return {
      constants: [...this.#constants.keys()],
      addresses: [...this.#speaking].map(([source, speaking]) => ({
        source,
        counts: isCounting(speaking),
        counter: speaking.counter,
      })),
    };
  }

  /** Goes on from what another guard knew. */
  restore({ constants, addresses }: ReplayPeers): void {
    for (const counter of constants) remember(this.#constants, counter, undefined);
    for (const { source, counts, counter } of addresses) remember(this.#speaking, source, remembered(counter, counts));
  }

  /** Hears again, in their order, what another guard has noted. Its peers come first. */
  relearn(counters: readonly bigint[]): void {
    for (const counter of counters)
      if (this.#constants.has(counter)) this.memory.forgetFrom(counter);
      else this.memory.add(counter);
  }

  #isConstant({ counter, source, at }: HeardCounter): boolean {
    if (!this.#constants.has(counter) && !this.#isAllOfAnAddress(counter, at)) return false;
    remember(this.#constants, counter, undefined);
    const speaking = this.#speaking.get(source);
    // No new entry: whoever repeats a constant could fill the list with invented addresses.
    if (speaking?.counter === counter) remember(this.#speaking, source, repeated(speaking, at));
    if (this.memory.forgetFrom(counter)) this.#note(counter);
    return true;
  }

  #isAllOfAnAddress(counter: bigint, at: Millis): boolean {
    for (const speaking of this.#speaking.values()) if (isAllOf(speaking, counter, at)) return true;
    return false;
  }

  /**
   * Whether a counter stands close above one that was heard, or above a constant, whose successors are not kept; or close
   * below what this address sent last: packets may overtake each other. An OpenBSD cookie may be close below that of others.
   */
  #continues({ counter, source }: HeardCounter): boolean {
    if (this.memory.isAbove(counter)) return true;
    for (const constant of this.#constants.keys()) if (isClose(counter, constant)) return true;
    const before = this.#speaking.get(source);
    return before !== undefined && isClose(before.counter, counter);
  }

  /** A fresh counter came from this address. */
  #speak({ counter, source, at, interval }: HeardCounter, silence: Millis, continues: boolean): void {
    const before = this.#speaking.get(source);
    const wasConstant = before !== undefined && this.#constants.has(before.counter);
    const { speaking, revokes } = spoken(
      before,
      { counter, at, interval, continues },
      { silence, listensSince: this.#listensSince ?? at, wasConstant },
    );
    if (before !== undefined && revokes) {
      this.#constants.delete(before.counter);
      this.memory.add(before.counter);
      this.#note(before.counter);
    }
    remember(this.#speaking, source, speaking);
  }
}
