/**
 * The CARP of a BSD kernel, after protocol.md 4 and 12: what FreeBSD, NetBSD and OpenBSD have in common. A MASTER yields
 * on ties, there is one master-down timer per family, and nobody answers a rival. What differs is in `KernelRules`.
 */
import type { Family, IpAddress } from '../../src/protocol/address.ts';
import type { Lan, LanAdvert } from './machine-lan.ts';
import {
  advertOf,
  type Counters,
  FAREWELL,
  type Peer,
  type PeerOptions,
  type Rank,
  span,
  ticks,
} from './model-peer.ts';

/** A host as others see it: its advert, or what would be in it. */
export interface Standing extends Rank {
  /** Byte 4. */
  readonly demotion: number;
}

export interface KernelRules {
  readonly system: 'freebsd' | 'openbsd' | 'netbsd';
  /** Length of a clock tick. Timers are rounded up to ticks, and one tick is added. */
  readonly tickMs: number;
  /** By how much a lost link demotes. */
  readonly weight: number;
  /** What is sent, and what is compared. */
  readonly standing: (rank: Rank, demotion: number) => Standing;
  /** Its own rank, whatever demotes it. In ms. */
  readonly masterDown: (rank: Rank) => number;
  /** Whether a MASTER yields. */
  readonly yields: (mine: Standing, theirs: Standing) => boolean;
  /** Whether a BACKUP takes over at once: rules B1 to B3. `rank` is what is configured. */
  readonly takesOver: (mine: Standing, theirs: Standing, options: PeerOptions) => boolean;
  /** Whether a MASTER sends an advert at once when its demotion changes. */
  readonly tellsDemotion: (before: number, now: number) => boolean;
  /** Whether `ifconfig carpN down` says farewell. FreeBSD's vhid goes in silence. */
  readonly saysFarewell: boolean;
  readonly pseudoHeader: boolean;
  readonly counters: (lan: Lan) => Counters & { readonly isOwn?: (counter: bigint) => boolean };
}

export class Kernel implements Peer {
  readonly name: string;
  readonly #lan: Lan;
  readonly #sources: readonly IpAddress[];
  readonly #options: PeerOptions;
  readonly #rules: KernelRules;
  readonly #counters: ReturnType<KernelRules['counters']>;
  /** Each kernel's clock ticks when it wants to. */
  readonly #phase: number;
  readonly #masterDown = new Map<Family, () => void>();
  #advertTimer = (): void => {};
  #state: 'INIT' | 'BACKUP' | 'MASTER' = 'INIT';
  #demotion = 0;
  #linkLost = false;
  #wanted = false;

  constructor(lan: Lan, sources: readonly IpAddress[], options: PeerOptions, rules: KernelRules) {
    this.#lan = lan;
    this.#sources = [...sources].sort((a, b) => a.family - b.family);
    this.#options = options;
    this.#rules = rules;
    this.#counters = rules.counters(lan);
    this.#phase = lan.random.between(0, rules.tickMs);
    this.name = `${rules.system} ${sources[0]?.text}`;
    lan.join(this);
  }

  holds(): boolean {
    return this.#state === 'MASTER';
  }

  start(): void {
    this.#wanted = true;
    if (!this.#linkLost) this.#listen();
  }

  stop(): void {
    this.#wanted = false;
    if (this.#state === 'MASTER' && this.#rules.saysFarewell)
      this.#send({ ...FAREWELL, demotion: this.#standing.demotion });
    this.#leave();
  }

  /** `ifconfig … state backup`: in silence, and it may come back after a master-down time. */
  stepDown(): void {
    if (this.#state === 'MASTER') this.#listen();
  }

  demote(): void {
    this.#setDemotion(this.#demotion + this.#rules.weight);
  }

  restore(): void {
    this.#setDemotion(this.#demotion - this.#rules.weight);
  }

  /** Without a link it is INIT: no farewell could be sent. Demotion is the host's, so it outlives the state. */
  carrier(up: boolean): void {
    if (this.#linkLost === !up) return;
    this.#linkLost = !up;
    if (!up) this.#leave();
    this.#setDemotion(this.#demotion + (up ? -1 : 1) * this.#rules.weight);
    if (up && this.#wanted) this.#listen();
  }

  hear(advert: LanAdvert): void {
    const { family, advbase: base, advskew: skew, demotion, counter, pseudoHeader } = advert;
    // The checksum, a vhid without an address of that family, and OpenBSD's own cookie.
    if (family === 6 && pseudoHeader !== this.#rules.pseudoHeader) return;
    if (!this.#sources.some((source) => source.family === family)) return;
    if (this.#counters.isOwn?.(counter) === true) return;
    if (this.#state === 'INIT' && this.#rules.system !== 'freebsd') return;
    this.#counters.heard(counter);
    const mine = this.#standing;
    const theirs = { base, skew, demotion };
    if (this.#state === 'MASTER') {
      if (this.#rules.yields(mine, theirs)) this.#listen();
    } else if (this.#state === 'BACKUP') {
      if (this.#rules.takesOver(mine, theirs, this.#options)) this.#becomeMaster();
      else this.#armMasterDown(family);
    }
  }

  get #standing(): Standing {
    return this.#rules.standing(this.#options, this.#demotion);
  }

  #setDemotion(now: number): void {
    const before = this.#demotion;
    this.#demotion = now;
    if (this.#state === 'MASTER' && this.#rules.tellsDemotion(before, now)) this.#advertise();
  }

  #in(ms: number, run: () => void): () => void {
    const { tickMs } = this.#rules;
    const due = (Math.floor((this.#lan.now + ms - this.#phase) / tickMs) + 1) * tickMs + this.#phase;
    // The softclock thread takes a moment to come to it.
    return this.#lan.schedule(this, due + this.#lan.random.between(0, 0.1), run);
  }

  #armMasterDown(family: Family): void {
    this.#masterDown.get(family)?.();
    const expired = (): void => {
      // No system stops the timers when it becomes MASTER; that they expire then means nothing.
      if (this.#state === 'BACKUP') this.#becomeMaster();
    };
    this.#masterDown.set(family, this.#in(this.#rules.masterDown(this.#options), expired));
  }

  #listen(): void {
    this.#state = 'BACKUP';
    this.#advertTimer();
    for (const { family } of this.#sources) this.#armMasterDown(family);
  }

  #leave(): void {
    this.#state = 'INIT';
    this.#advertTimer();
    for (const stop of this.#masterDown.values()) stop();
  }

  /** IPv4 first; each packet has a counter of its own. */
  #send(standing: Standing): void {
    for (const source of this.#sources)
      this.#lan.send(
        this,
        advertOf(source, standing, {
          counter: this.#counters.next(),
          demotion: standing.demotion,
          pseudoHeader: source.family === 6 && this.#rules.pseudoHeader,
        }),
      );
  }

  #advertise(): void {
    const standing = this.#standing;
    this.#send(standing);
    this.#nextAdvertIn(standing);
  }

  #nextAdvertIn(rank: Rank): void {
    this.#advertTimer();
    // 1/256 s in OpenBSD's sub-second mode without skew.
    this.#advertTimer = this.#in(ticks(rank) === 0 ? 1000 / 256 : span(rank), () => this.#advertise());
  }

  #becomeMaster(): void {
    this.#state = 'MASTER';
    this.#send(this.#standing);
    // The first interval ignores what demotes (protocol.md 4.1, seen on live kernels in 12).
    this.#nextAdvertIn(this.#options);
  }
}
