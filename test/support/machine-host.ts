/** A machine in a LAN in virtual time. It carries out its effects, and checks after each step what must always hold. */
import assert from 'node:assert/strict';
import type { Effect } from '../../src/machine/effects.ts';
import type { MachineEvent, Sources, TimerName } from '../../src/machine/events.ts';
import type { MachineSettings } from '../../src/machine/settings.ts';
import { initialState, roleOf, type State } from '../../src/machine/state.ts';
import { HAND_OVER_AT, leaseMs } from '../../src/machine/timings.ts';
import { transition } from '../../src/machine/transition.ts';
import type { IpAddress } from '../../src/protocol/address.ts';
import { type CounterSeries, counterSeries, nextCounter } from '../../src/protocol/counter.ts';
import { advertInterval } from '../../src/protocol/timing.ts';
import { type Millis, millis } from '../../src/protocol/units.ts';
import type { Lan, LanAdvert } from './machine-lan.ts';
import type { Rank } from './machine-words.ts';
import type { Peer } from './model-peer.ts';

type Report = Extract<Effect, { readonly type: 'report' }> & { readonly at: number };
type Receipt = Extract<Effect, { readonly type: 'handedOver' | 'nobodyTookOver' }>;

/** An event as it is told to a host: the host knows what time it is. */
type Told<E = MachineEvent> = E extends MachineEvent ? Omit<E, 'at'> : never;

/** What stands between the LAN and the machine. */
export interface Surroundings {
  /** Whether its IPv6 checksums count the pseudo-header in (the netbsd profile). Both forms are accepted always. */
  readonly pseudoHeader?: boolean;
  /** The engine sends claims twice, against those who repeat them; one is enough where nobody does. Default: 1. */
  readonly claimCopies?: number;
  /** Whether an advert is let through to the machine: the place of a replay guard. */
  readonly guard?: (advert: LanAdvert, at: Millis) => boolean;
}

export class MachineHost implements Peer {
  readonly name: string;
  readonly settings: MachineSettings;
  readonly reports: Report[] = [];
  readonly receipts: Receipt[] = [];
  state: State = initialState;
  /** How long adding the addresses takes, in ms. */
  takesMs = 0.4;

  readonly #lan: Lan;
  readonly #sources: Sources;
  readonly #surroundings: Surroundings;
  #series: CounterSeries;
  readonly #timers = new Map<TimerName, () => void>();
  readonly #queue: MachineEvent[] = [];
  #busy = false;
  /** How many adverts the guard has refused since the last one that it let through. */
  #refused = 0;
  #holding = false;
  #leftUntil = 0;
  /** Until when the kernel keeps what was inherited. */
  #inheritedUntil = Number.POSITIVE_INFINITY;
  #cancelTake: (() => void) | undefined;

  constructor(
    lan: Lan,
    addresses: readonly [IpAddress, ...IpAddress[]],
    settings: MachineSettings,
    surroundings: Surroundings = {},
  ) {
    this.#lan = lan;
    this.settings = settings;
    this.#surroundings = surroundings;
    this.#series = this.#newSeries();
    this.name = addresses[0].text;
    this.#sources = Object.fromEntries(addresses.map((address) => [address.family, address]));
    lan.join(this);
  }

  get rank(): Rank {
    return `${this.settings.advbase}/${this.settings.advskew}`;
  }

  get role(): ReturnType<typeof roleOf> {
    return roleOf(this.state);
  }

  /** The kernel takes the addresses back from a process that does not renew its lease. */
  holds(): boolean {
    const renewed = this.#lan.pausedFor(this) <= leaseMs(this.settings);
    return this.#holding && renewed && this.#lan.now < this.#inheritedUntil;
  }

  /** It runs where another one died as MASTER, whose lease ends then: it inherits if it starts in time. */
  comeAfter(leaseEnd: number): void {
    this.#leftUntil = leaseEnd;
  }

  start(): void {
    const inherits = this.#lan.now < this.#leftUntil;
    if (inherits) {
      this.#holding = true;
      this.#inheritedUntil = this.#leftUntil;
    }
    this.#leftUntil = 0;
    this.tell({ type: 'becameReady', sources: this.#sources, reason: 'startup', inherits });
  }

  stop(): void {
    this.tell({ type: 'stopRequested' });
  }

  stepDown(): void {
    this.tell({ type: 'handOverRequested', force: false });
  }

  demote(): void {
    this.tell({ type: 'demotionChanged', demotion: HAND_OVER_AT, reason: 'demoted' });
  }

  restore(): void {
    this.tell({ type: 'demotionChanged', demotion: 0, reason: 'demoted' });
  }

  hear(advert: LanAdvert): void {
    if (this.#surroundings.guard?.(advert, millis(this.#lan.now)) === false) {
      this.#refused += 1;
      return;
    }
    this.#refused = 0;
    this.tell({ type: 'advertReceived', advert });
  }

  carrier(up: boolean): void {
    this.tell(
      up
        ? { type: 'becameReady', sources: this.#sources, reason: 'link-up', inherits: false }
        : { type: 'becameUnready', reason: 'link-down', detail: 'the cable was pulled' },
    );
  }

  /** The late renewal notices that the lease is over. */
  resumed(pausedMs: number): void {
    if (pausedMs > leaseMs(this.settings)) this.tell({ type: 'leaseLapsed', detail: `paused for ${pausedMs} ms` });
  }

  tell(told: Told): void {
    this.#queue.push({ ...told, at: millis(this.#lan.now) } as MachineEvent);
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next);
    this.#busy = false;
  }

  #newSeries(): CounterSeries {
    return counterSeries([this.#lan.random64(), this.#lan.random64()]);
  }

  #step(event: MachineEvent): void {
    const before = this.state;
    const [after, effects] = transition(before, event, this.settings);
    this.state = after;
    for (const effect of effects) this.#carryOut(effect, before, event.at);
    // Millions of steps: what is said of a failure is put together when there is one.
    const fail = (what: string): never =>
      assert.fail(`${what}: ${this.name} at ${event.at}, ${before.phase.name} -> ${after.phase.name} on ${event.type}`);
    const [was, is] = [roleOf(before), roleOf(after)];
    if (is !== 'MASTER' && after.inherited === undefined && this.#holding) fail(`holds addresses as ${is}`);
    const reported = effects.findLast((effect) => effect.type === 'report');
    const role = after.phase.name === 'stopped' ? 'STOPPED' : is;
    if (reported === undefined && is !== was) fail(`changed its role from ${was} to ${is} in silence`);
    if (reported !== undefined && reported.role !== role) fail(`reported ${reported.role}, and is ${role}`);
  }

  #carryOut(effect: Effect, before: State, at: Millis): void {
    switch (effect.type) {
      case 'sendAdvert': {
        const { kind, advbase, advskew, demotion } = effect;
        if ((kind === 'regular' || kind === 'answer') && roleOf(before) !== 'MASTER')
          assert.fail(`${this.name} advertises as ${roleOf(before)}`);
        if ((kind === 'bow-out') !== (advbase === 255 && advskew === 255)) assert.fail(`${kind} looks like a farewell`);
        if (kind === 'claim') this.#series = this.#newSeries();
        const sources = Object.values(this.#sources);
        const copies = kind === 'claim' ? (this.#surroundings.claimCopies ?? 1) : 1;
        for (const source of Array.from({ length: copies }, () => sources).flat()) {
          const { family } = source;
          if (!this.settings.families.includes(family)) continue;
          const [counter, series] = nextCounter(this.#series);
          this.#series = series;
          const interval = advertInterval(advbase, advskew);
          const pseudoHeader = family === 6 && this.#surroundings.pseudoHeader === true;
          this.#lan.send(this, { family, source, advbase, advskew, interval, demotion, counter, pseudoHeader });
        }
        return;
      }
      case 'arm': {
        const { timer, due } = effect;
        this.#timers.get(timer)?.();
        this.#timers.set(
          timer,
          this.#lan.schedule(this, due, () => this.tell({ type: 'timerExpired', timer, due })),
        );
        return;
      }
      case 'disarm':
        this.#timers.get(effect.timer)?.();
        return;
      case 'drain':
        this.#lan.read(this);
        this.tell({ type: 'drained', dropped: 0, replayed: this.#refused });
        return;
      case 'takeAddresses':
        this.#cancelTake = this.#lan.schedule(this, at + this.takesMs, () => {
          this.#holding = true;
          this.#inheritedUntil = Number.POSITIVE_INFINITY;
          this.tell({ type: 'addressesTaken' });
        });
        return;
      case 'releaseAddresses':
        this.#cancelTake?.();
        this.#holding = false;
        return;
      case 'disinherit':
        this.#holding = false;
        return;
      case 'report':
        this.reports.push({ ...effect, at });
        return;
      case 'handedOver':
      case 'nobodyTookOver':
        this.receipts.push(effect);
        return;
      case 'startAnnouncing':
      case 'announceAgain':
      case 'stopAnnouncing':
      case 'finish':
        return;
    }
  }
}
