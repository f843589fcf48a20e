/**
 * ucarp on a little-endian machine, after ucarp.md 4 to 9. IPv4 only. Its capture hands adverts over in blocks of a
 * second; the dead timer is looked at only when the loop wakes up, once per interval; on a tie the address with the
 * lower last octet wins, and whoever yields sends one more. A lost carrier puts the loop to sleep for 10 s at a time.
 */
import type { IpAddress } from '../../src/protocol/address.ts';
import type { Lan, LanAdvert } from './machine-lan.ts';
import { adoptingCounters, advertOf, type Counters, type Peer, type PeerOptions, span, ticks } from './model-peer.ts';

const BLOCK_MS = 1000;
/** poll(2) counts in ms, and the dead timer is over a moment after it. */
const POLL_SLACK_MS = 1;
const LINK_SLEEP_MS = 10_000;
/** SIGUSR2 steps down, and then sees nothing for so long. */
const STEP_DOWN_SLEEP_MS = 3000;

const compareLastOctetFirst = (a: IpAddress, b: IpAddress): number => {
  for (let i = a.bytes.length - 1; i >= 0; i--) {
    const difference = (a.bytes[i] ?? 0) - (b.bytes[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};

export class Ucarp implements Peer {
  readonly name: string;
  readonly #lan: Lan;
  readonly #source: IpAddress;
  readonly #options: PeerOptions;
  readonly #counters: Counters;
  readonly #blockPhase: number;
  /** Captured, not yet handed over. */
  #captured: LanAdvert[] = [];
  #master = false;
  #running = false;
  #linkUp = true;
  #asleep = false;
  #deadAt = Number.POSITIVE_INFINITY;
  #advertTimer = (): void => {};
  #pollTimer = (): void => {};

  constructor(lan: Lan, source: IpAddress, options: PeerOptions) {
    this.#lan = lan;
    this.#source = source;
    this.#options = options;
    this.#counters = adoptingCounters(lan);
    this.#blockPhase = lan.random.between(0, BLOCK_MS);
    this.name = `ucarp ${source.text}`;
    lan.join(this);
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    if (this.#linkUp) this.#listen();
    else this.#sleep(LINK_SLEEP_MS);
  }

  holds(): boolean {
    return this.#master;
  }

  /** SIGTERM with -z: the address goes in silence. */
  stop(): void {
    this.#running = false;
    this.#captured = [];
    this.#fallSilent();
  }

  stepDown(): void {
    if (this.#master) this.#sleep(STEP_DOWN_SLEEP_MS);
  }

  /** It has no demotion; only failing writes make it speak of a skew of 240, and then nobody hears it. */
  demote(): void {}
  restore(): void {}

  /** Looked at once per turn of the loop: a loss is seen up to an interval late, a return up to 10 s late. */
  carrier(up: boolean): void {
    this.#linkUp = up;
    if (up || !this.#running || this.#asleep) return;
    this.#lan.schedule(this, this.#lan.now + this.#lan.random.between(0, this.#interval), () => {
      if (!this.#linkUp && this.#running && !this.#asleep) this.#sleep(LINK_SLEEP_MS);
    });
  }

  hear(advert: LanAdvert): void {
    if (advert.family !== 4 || !this.#running || compareLastOctetFirst(advert.source, this.#source) === 0) return;
    this.#captured.push(advert);
    if (this.#captured.length > 1) return;
    const { now } = this.#lan;
    const block = Math.ceil((now - this.#blockPhase) / BLOCK_MS) * BLOCK_MS + this.#blockPhase;
    this.#lan.schedule(this, block, () => {
      if (!this.#asleep) this.#readAll();
    });
  }

  get #interval(): number {
    return span(this.#options);
  }

  #readAll(): void {
    for (const advert of this.#captured.splice(0)) if (this.#running) this.#read(advert);
  }

  /** The loop sleeps for an interval, and looks at the timer when it wakes up. */
  #poll(): void {
    this.#pollTimer();
    this.#pollTimer = this.#lan.schedule(this, this.#lan.now + this.#interval + POLL_SLACK_MS, () => {
      if (this.#master) return;
      if (this.#lan.now >= this.#deadAt) this.#becomeMaster();
      else this.#poll();
    });
  }

  #fallSilent(): void {
    this.#master = false;
    this.#advertTimer();
    this.#pollTimer();
  }

  /** Neither timers nor packets count until it wakes up; then it listens anew, or sleeps on without a link. */
  #sleep(ms: number): void {
    this.#fallSilent();
    this.#asleep = true;
    this.#lan.schedule(this, this.#lan.now + ms, () => {
      if (!this.#running) return;
      if (!this.#linkUp) return this.#sleep(LINK_SLEEP_MS);
      this.#asleep = false;
      this.#listen();
      this.#readAll();
    });
  }

  #listen(): void {
    const { base, skew } = this.#options;
    this.#fallSilent();
    this.#deadAt = this.#lan.now + span({ base: 3 * base, skew });
    this.#poll();
  }

  #send(): void {
    const rest = { counter: this.#counters.next(), demotion: 0, pseudoHeader: false };
    this.#lan.send(this, advertOf(this.#source, this.#options, rest));
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

  #read({ source, advbase, advskew, counter }: LanAdvert): void {
    this.#counters.heard(counter);
    const mine = ticks(this.#options);
    const theirs = ticks({ base: advbase, skew: advskew });
    if (this.#master) {
      if (theirs > mine || (theirs === mine && compareLastOctetFirst(source, this.#source) > 0)) return;
      this.#send();
      this.#listen();
      return;
    }
    const { base, skew, preempt } = this.#options;
    const willTimeOut = theirs > ticks({ base: 3 * base, skew });
    if (theirs > mine && (willTimeOut || preempt === true)) this.#becomeMaster();
    else this.#listen();
  }
}
