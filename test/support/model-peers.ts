/** Models of other systems' CARP for the LAN in virtual time, after facts about their sources and about live kernels. */
import type { HeardAdvert } from '../../src/machine/events.ts';
import type { Family, IpAddress } from '../../src/protocol/address.ts';
import { advertInterval } from '../../src/protocol/timing.ts';
import { advBase, advSkew } from '../../src/protocol/units.ts';
import type { Lan, LanHost } from './machine-lan.ts';

interface Rank {
  readonly base: number;
  readonly skew: number;
}

const advertOf = (source: IpAddress, { base, skew }: Rank): HeardAdvert => {
  const [advbase, advskew] = [advBase(base), advSkew(skew)];
  return { family: source.family, source, advbase, advskew, interval: advertInterval(advbase, advskew), demotion: 0 };
};

const ticks = ({ base, skew }: Rank): number => base * 256 + skew;
const ms = (count: number): number => (count * 1000) / 256;

export interface BsdOptions extends Rank {
  readonly system: 'freebsd' | 'openbsd';
  readonly preempt?: boolean;
}

/**
 * A BSD kernel: yields on ties, has a master-down timer per family, and knows a bow-out only as a MASTER that will time
 * out (rule B3). It answers no rival, and never says farewell itself. Its clock ticks: 1 ms FreeBSD, 10 ms OpenBSD.
 */
export class BsdHost implements LanHost {
  readonly name: string;
  readonly #lan: Lan;
  readonly #sources: readonly IpAddress[];
  readonly #options: BsdOptions;
  #master = false;
  #advertTimer = (): void => {};
  readonly #masterDown = new Map<Family, () => void>();

  constructor(lan: Lan, sources: readonly IpAddress[], options: BsdOptions) {
    this.#lan = lan;
    this.#sources = sources;
    this.#options = options;
    this.name = `${options.system} ${sources[0]?.text}`;
    lan.join(this);
  }

  start(): void {
    for (const { family } of this.#sources) this.#armMasterDown(family);
  }

  holds(): boolean {
    return this.#master;
  }

  /** The kernel counts in ticks and adds one. */
  #in(span: number, run: () => void): () => void {
    const tick = this.#options.system === 'freebsd' ? 1 : 10;
    const due = (Math.floor((this.#lan.now + span) / tick) + 1 + this.#lan.random.between(0, 0.1)) * tick;
    return this.#lan.schedule(this, due, run);
  }

  #armMasterDown(family: Family): void {
    const { system, base, skew } = this.#options;
    this.#masterDown.get(family)?.();
    const span = system === 'freebsd' ? ms(3 * base * 256 + skew) : ms(3 * ticks(this.#options));
    this.#masterDown.set(
      family,
      this.#in(span, () => {
        if (!this.#master) this.#becomeMaster();
      }),
    );
  }

  #advertise(): void {
    for (const source of this.#sources) this.#lan.send(this, advertOf(source, this.#options));
    this.#advertTimer = this.#in(ms(ticks(this.#options)), () => this.#advertise());
  }

  #becomeMaster(): void {
    this.#master = true;
    this.#advertise();
  }

  hear({ family, advbase, advskew }: HeardAdvert): void {
    const mine = ticks(this.#options);
    const theirs = ticks({ base: advbase, skew: advskew });
    if (this.#master) {
      if (mine < theirs) return;
      this.#advertTimer();
      this.#master = false;
      for (const source of this.#sources) this.#armMasterDown(source.family);
      return;
    }
    const slower = this.#options.preempt === true && mine < theirs;
    const willTimeOut = 3 * this.#options.base * 256 + this.#options.skew < theirs;
    if (slower || willTimeOut) this.#becomeMaster();
    else this.#armMasterDown(family);
  }
}

/**
 * ucarp on a little-endian machine: IPv4 only; its capture hands adverts over in blocks of a second; the dead timer is
 * looked at once per interval; on a tie the address with the lower last octet wins, and whoever yields sends one more.
 */
export class UcarpHost implements LanHost {
  readonly name: string;
  readonly #lan: Lan;
  readonly #source: IpAddress;
  readonly #rank: Rank & { readonly preempt?: boolean };
  readonly #blockPhase: number;
  #master = false;
  #deadAt = Number.POSITIVE_INFINITY;
  #advertTimer = (): void => {};
  #pollTimer = (): void => {};

  constructor(lan: Lan, source: IpAddress, rank: Rank & { readonly preempt?: boolean }) {
    this.#lan = lan;
    this.#source = source;
    this.#rank = rank;
    this.name = `ucarp ${source.text}`;
    this.#blockPhase = lan.random.between(0, 1000);
    lan.join(this);
  }

  start(): void {
    this.#listen();
  }

  holds(): boolean {
    return this.#master;
  }

  get #interval(): number {
    return ms(ticks(this.#rank));
  }

  /** The loop sleeps for an interval, and looks at the timer when it wakes up. */
  #poll(): void {
    this.#pollTimer();
    this.#pollTimer = this.#lan.schedule(this, this.#lan.now + this.#interval + 1, () => {
      if (this.#master) return;
      if (this.#lan.now >= this.#deadAt) this.#becomeMaster();
      else this.#poll();
    });
  }

  #listen(): void {
    this.#master = false;
    this.#advertTimer();
    this.#deadAt = this.#lan.now + ms(3 * this.#rank.base * 256 + this.#rank.skew);
    this.#poll();
  }

  #send(): void {
    this.#lan.send(this, advertOf(this.#source, this.#rank));
  }

  #advertise(): void {
    this.#send();
    this.#advertTimer = this.#lan.schedule(this, this.#lan.now + this.#interval, () => this.#advertise());
  }

  #becomeMaster(): void {
    this.#master = true;
    this.#pollTimer();
    this.#advertise();
  }

  hear(advert: HeardAdvert): void {
    if (advert.family !== 4) return;
    const { now } = this.#lan;
    const block = Math.ceil((now - this.#blockPhase) / 1000) * 1000 + this.#blockPhase;
    this.#lan.schedule(this, block, () => this.#read(advert));
  }

  #beatenBy({ source }: HeardAdvert): boolean {
    const difference = (a: IpAddress, b: IpAddress): number => {
      for (let i = a.bytes.length - 1; i >= 0; i--)
        if (a.bytes[i] !== b.bytes[i]) return (a.bytes[i] ?? 0) - (b.bytes[i] ?? 0);
      return 0;
    };
    return difference(source, this.#source) < 0;
  }

  #read(advert: HeardAdvert): void {
    const mine = ticks(this.#rank);
    const theirs = ticks({ base: advert.advbase, skew: advert.advskew });
    if (this.#master) {
      if (theirs > mine || (theirs === mine && !this.#beatenBy(advert))) return;
      this.#send();
      this.#listen();
      return;
    }
    const willTimeOut = theirs > 3 * this.#rank.base * 256 + this.#rank.skew;
    if (theirs > mine && (willTimeOut || this.#rank.preempt === true)) this.#becomeMaster();
    else this.#listen();
  }
}
