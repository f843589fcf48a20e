/**
 * Tells fresh adverts from replayed ones (DESIGN D8). It only sees adverts whose digest is right, so nobody without the
 * key can make it remember anything; and it looks at the signed counter, as everything else in an advert can be rewritten.
 *
 * A counter that was heard before is replayed. The exception, in mode `auto`, is OpenBSD, which signs one random cookie for
 * all its adverts. What is taken for such a *constant*:
 *
 * - The value identifies the peer, as it is signed; its addresses are not.
 * - A value becomes a constant when it comes again, and the address that it first came from has sent nothing else. An
 *   address that has sent two counters within a master-down time counts: what it sends is never taken for a constant.
 * - A constant stays one, from whatever address, until 64 others were heard later: an OpenBSD host keeps its cookie until
 *   its interface is made anew. Within its first master-down time it is revoked if its address sends anything else.
 * - A kernel that hears a constant counts on from it, each time anew. So hearing one forgets the runs right above it.
 *
 * Limits of `auto`: replays of a constant, and of what was counted on from it, are accepted, as OpenBSD itself cannot be
 * told from them. An advert that is older than the memory, or was never heard, is accepted like any new one, and if it is
 * repeated under an address that does not count, so are the repetitions; the same goes for the only advert that an address
 * has ever sent. And an OpenBSD host at the address of one that counted is refused. `strict` accepts each advert once, and
 * cannot hear OpenBSD. `off` accepts everything, and remembers nothing.
 */
import { type Millis, millis } from '../protocol/units.ts';
import type { ReplayMemory } from './replay-memory.ts';
import type { ReplayMode } from './settings.ts';

export interface HeardCounter {
  readonly counter: bigint;
  /** The address that it claims to come from. */
  readonly source: string;
  readonly at: Millis;
}

/** An address that has spoken. */
interface Speaking {
  /** Whether it sends another counter each time. */
  readonly counts: boolean;
  /** What it sent last. */
  readonly counter: bigint;
  readonly heardAt: Millis;
}

/** What is to be kept besides the memory. */
export interface ReplayPeers {
  readonly constants: readonly bigint[];
  readonly addresses: readonly { readonly source: string; readonly counts: boolean; readonly counter: bigint }[];
}

/** More than any segment has hosts in one group; of addresses and of constants, the ones not heard for longest go. */
const PEERS_MAX = 64;
const LONG_AGO = millis(-Number.MAX_VALUE);

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
  /** Since when it is one; oldest heard first. */
  readonly #constants = new Map<bigint, Millis>();

  readonly #note: (counter: bigint) => void;

  /** @param note - told each counter that changes the memory: `relearn` does to another one what it did to this */
  constructor(memory: ReplayMemory, note: (counter: bigint) => void = () => {}) {
    this.memory = memory;
    this.#note = note;
  }

  /**
   * Whether an authentic advert is fresh. If it is, it is remembered.
   * @param silence - after how long an address that speaks again begins anew, in ms: the master-down time of this host
   */
  isFresh({ counter, source, at }: HeardCounter, mode: ReplayMode, silence: Millis): boolean {
    if (mode === 'off') return true;
    if (mode === 'auto' && this.#isConstant({ counter, source, at })) return true;
    if (!this.memory.add(counter)) return false;
    this.#note(counter);
    this.#speak({ counter, source, at }, silence);
    return true;
  }

  /** What is known of the peers, the ones not heard for longest first. */
  get peers(): ReplayPeers {
    return {
      constants: [...this.#constants.keys()],
      addresses: [...this.#speaking].map(([source, { counts, counter }]) => ({ source, counts, counter })),
    };
  }

  /** Goes on from what another guard knew. */
  restore({ constants, addresses }: ReplayPeers): void {
    for (const counter of constants) remember(this.#constants, counter, LONG_AGO);
    for (const { source, counts, counter } of addresses)
      remember(this.#speaking, source, { counts, counter, heardAt: LONG_AGO });
  }

  /** Hears again, in their order, what another guard has noted. Its peers come first. */
  relearn(counters: readonly bigint[]): void {
    for (const counter of counters)
      if (this.#constants.has(counter)) this.memory.forgetFrom(counter);
      else this.memory.add(counter);
  }

  #isConstant({ counter, source, at }: HeardCounter): boolean {
    const since = this.#constants.get(counter);
    if (since === undefined && !this.#isAllOfAnAddress(counter)) return false;
    remember(this.#constants, counter, since ?? at);
    const speaking = this.#speaking.get(source);
    // No new entry: whoever repeats a constant could fill the list with invented addresses.
    if (speaking?.counter === counter) remember(this.#speaking, source, { ...speaking, heardAt: at });
    if (this.memory.forgetFrom(counter)) this.#note(counter);
    return true;
  }

  #isAllOfAnAddress(counter: bigint): boolean {
    for (const speaking of this.#speaking.values()) if (!speaking.counts && speaking.counter === counter) return true;
    return false;
  }

  /** A fresh counter came from this address. */
  #speak({ counter, source, at }: HeardCounter, silence: Millis): void {
    const before = this.#speaking.get(source);
    const since = before === undefined ? undefined : this.#constants.get(before.counter);
    // An OpenBSD host whose interface was made anew has another cookie.
    const wasConstant = since !== undefined && at - since > silence;
    const goesOn = before !== undefined && !wasConstant && at - before.heardAt <= silence;
    if (before !== undefined && goesOn && since !== undefined) {
      // It was no constant: somebody else has repeated it.
      this.#constants.delete(before.counter);
      this.memory.add(before.counter);
      this.#note(before.counter);
    }
    remember(this.#speaking, source, { counts: before?.counts === true || goesOn, counter, heardAt: at });
  }
}
