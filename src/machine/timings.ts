import type { IpAddress } from '../protocol/address.ts';
import { demotionCount } from '../protocol/dialect.ts';
import { advertInterval, clampedSkew, effectiveSkew, leaseSeconds, masterDownTime } from '../protocol/timing.ts';
import { type AdvSkew, type Millis, millis, type Ticks, toExactMillis, toMillis } from '../protocol/units.ts';
import type { MachineSettings } from './settings.ts';
import type { State } from './state.ts';

/** How long a claim must stand before the addresses are added: a few round trips on a LAN (DESIGN D4). */
export const CLAIM_HOLD_MS = 3;
/** What a kernel's timers may add to its interval: one tick of 10 ms, and the time that its advert takes. */
const ANSWER_SLACK_MS = 20;
/** How long a host keeps its addresses after it heard its successor's claim: until the successor has added them. */
export const RELEASE_AFTER_CLAIM_MS = CLAIM_HOLD_MS + 2;
/** How long a hand-over waits for a successor, and how long a stop does (DESIGN D5). */
export const SUCCESSOR_WAIT_MS = { stay: 1500, release: 1500, stop: 1000 } as const;
/** How long an agent listens for another MASTER before it says its dead predecessor's farewell (DESIGN 6). */
export const HEIR_LISTENS_MS = 50;
/** How long it waits then: stagger and claim take at most 15 ms, and each ms more is one for clients that ask in vain. */
export const HEIR_WAITS_MS = 200;
/** A rival is answered out of turn at most this often: enough to end a healed split at once, too rare to amplify a flood. */
export const ANSWER_GAP_MS = 100;
/** From this sum of demotions on, a host hands over and does not preempt; it stays MASTER only as last resort (DESIGN D6). */
export const HAND_OVER_AT = 240;
/** A tied rival that has not yielded to this many adverts does not hear them (or compares differently): yield. */
export const TIE_PATIENCE = 3;

const STAGGER_MS = { fullSkew: 6, perAddressStep: 1 } as const;

/** What the lengths of time depend on. */
export type TimeSettings = Pick<MachineSettings, 'advbase' | 'advskew' | 'deadratio' | 'demotes' | 'clampsSkew'>;

/** The skew of this host's adverts and times. A host that counts its demotion in byte 4 leaves the skew as it is. */
export const skewNow = (state: State, settings: TimeSettings): AdvSkew => {
  const { demotes, clampsSkew } = settings;
  const inSkew = demotes === 'advskew' ? state.demotion : 0;
  return clampsSkew ? clampedSkew(ownSkew(state, settings), inSkew) : effectiveSkew(ownSkew(state, settings), inSkew);
};

/** Without demotion: what an operator has set at run time counts before the settings. */
const ownSkew = ({ advskew }: State, settings: TimeSettings): AdvSkew => advskew ?? settings.advskew;

/** Byte 4 of this host's adverts. */
export const countNow = ({ demotion }: State, { demotes }: TimeSettings): number =>
  demotes === 'byte-4' ? demotionCount(demotion) : 0;

export const intervalNow = (state: State, settings: TimeSettings): Ticks =>
  advertInterval(settings.advbase, skewNow(state, settings));

export const intervalMs = (state: State, settings: TimeSettings): Millis => toMillis(intervalNow(state, settings));

export const exactIntervalMs = (state: State, settings: TimeSettings): Millis =>
  toExactMillis(intervalNow(state, settings));

export const masterDownNow = (state: State, settings: TimeSettings): Ticks =>
  masterDownTime(settings.advbase, skewNow(state, settings), settings.deadratio);

export const masterDownMs = (state: State, settings: TimeSettings): Millis => toMillis(masterDownNow(state, settings));

/**
 * How long a claim must stand while replayed adverts are heard: until a MASTER that is alive must have sent its next
 * advert. Having heard the claim, it sends one that is fresh, whatever made this host refuse the others (DESIGN D8).
 */
export const challengeMs = (state: State, settings: TimeSettings): Millis => {
  const theirs = state.master === undefined ? 0 : Math.min(state.master.interval, masterDownNow(state, settings));
  return millis(toMillis(Math.max(intervalNow(state, settings), theirs) as Ticks) + ANSWER_SLACK_MS);
};

export const leaseMs = (settings: Pick<TimeSettings, 'advbase' | 'deadratio'>): Millis =>
  millis(leaseSeconds(settings.advbase, settings.deadratio) * 1000);

/**
 * How long a BACKUP waits before it answers a bow-out, so that several do not promote at once: up to 6 ms by rank, and
 * up to 3 ms by address among equals (DESIGN D5).
 */
export const staggerMs = (state: State, settings: TimeSettings, source: IpAddress | undefined): number =>
  (effectiveSkew(ownSkew(state, settings), state.demotion) / 254) * STAGGER_MS.fullSkew +
  ((source?.bytes.at(-1) ?? 0) & 3) * STAGGER_MS.perAddressStep;

export const after = (at: Millis, span: number): Millis => millis(at + span);
