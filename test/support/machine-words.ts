/** Words for tests of the machine: addresses, adverts, events, and a notation of effects that a network engineer reads. */
import type { Effect } from '../../src/machine/effects.ts';
import type { EventOf, HeardAdvert, MachineEvent, Sources, TimerName } from '../../src/machine/events.ts';
import type { MachineSettings } from '../../src/machine/settings.ts';
import { type IpAddress, parseAddress } from '../../src/protocol/address.ts';
import { advertInterval } from '../../src/protocol/timing.ts';
import { advBase, advSkew, type Millis, millis } from '../../src/protocol/units.ts';

/** Thousands of simulated LANs have the same few addresses. */
const parsed = new Map<string, IpAddress>();

export const ip = (text: string): IpAddress => {
  const address = parsed.get(text) ?? parseAddress(text);
  if (address === undefined) throw new RangeError(`no IP address: ${text}`);
  parsed.set(text, address);
  return address;
};

/** `base/skew`, as in `1/100`. */
export type Rank = `${number}/${number}`;

const rankOf = (rank: Rank): { readonly base: number; readonly skew: number } => {
  const [base = 1, skew = 0] = rank.split('/').map(Number);
  return { base, skew };
};

export const settingsOf = (rank: Rank, more: Partial<MachineSettings> = {}): MachineSettings => {
  const { base, skew } = rankOf(rank);
  return {
    advbase: advBase(base),
    advskew: advSkew(skew),
    deadratio: 3,
    preempt: false,
    preemptDelay: millis(0),
    families: [4],
    tieBreak: 'numeric',
    demotes: 'advskew',
    clampsSkew: false,
    ...more,
  };
};

export const heard = (source: string | IpAddress, rank: Rank, demotion = 0): HeardAdvert => {
  const { base, skew } = rankOf(rank);
  const address = typeof source === 'string' ? ip(source) : source;
  const [advbase, advskew] = [advBase(base), advSkew(skew)];
  const interval = advertInterval(advbase, advskew);
  return { family: address.family, source: address, advbase, advskew, interval, demotion };
};

export const BOW_OUT: Rank = '255/255';

/** Events by the word for them; `at` comes last. */
export const event = {
  ready: (sources: Sources, at: number, inherits = false): MachineEvent => ({
    type: 'becameReady',
    sources,
    reason: 'startup',
    inherits,
    at: millis(at),
  }),
  advert: (source: string | IpAddress, rank: Rank, at: number, demotion = 0): EventOf<'advertReceived'> => ({
    type: 'advertReceived',
    advert: heard(source, rank, demotion),
    at: millis(at),
  }),
  timer: (timer: TimerName, due: number, at = due): EventOf<'timerExpired'> => ({
    type: 'timerExpired',
    timer,
    due: millis(due),
    at: millis(at),
  }),
  drained: (at: number, dropped = 0, replayed = 0): MachineEvent => ({
    type: 'drained',
    dropped,
    replayed,
    at: millis(at),
  }),
  taken: (at: number): MachineEvent => ({ type: 'addressesTaken', at: millis(at) }),
  demoted: (demotion: number, at: number): MachineEvent => ({
    type: 'demotionChanged',
    demotion,
    reason: 'demoted',
    at: millis(at),
  }),
  /** Or no longer. */
  observe: (at: number, observing = true): MachineEvent => ({
    type: 'demotionChanged',
    demotion: observing ? 240 : 0,
    observing,
    reason: 'forced',
    at: millis(at),
  }),
  advskew: (advskew: number | undefined, at: number): MachineEvent => ({
    type: 'advskewChanged',
    advskew: advskew === undefined ? undefined : advSkew(advskew),
    at: millis(at),
  }),
  handOver: (at: number, force = false): MachineEvent => ({ type: 'handOverRequested', force, at: millis(at) }),
  stop: (at: number): MachineEvent => ({ type: 'stopRequested', at: millis(at) }),
} as const;

const span = (ms: number): string => `${Number(ms.toFixed(3))}`;

/** One effect in a few words; times are relative to `at`. */
export const wordsOf = (effect: Effect, at: Millis): string => {
  switch (effect.type) {
    case 'sendAdvert':
      return effect.kind === 'bow-out'
        ? 'bow-out'
        : `${effect.kind} ${effect.advbase}/${effect.advskew}${effect.demotion === 0 ? '' : ` demoted ${effect.demotion}`}`;
    case 'arm':
      return `${effect.timer}+${span(effect.due - at)}`;
    case 'disarm':
      return `-${effect.timer}`;
    case 'report':
      return `${effect.previous}>${effect.role} (${effect.reason})`;
    case 'handedOver':
      return `handed over to ${effect.to.text} after ${effect.afterMs}`;
    case 'nobodyTookOver':
      return `nobody took over, ${effect.released ? 'released' : 'kept'}`;
    case 'takeAddresses':
      return 'take';
    case 'releaseAddresses':
      return 'release';
    case 'startAnnouncing':
      return 'announce';
    case 'announceAgain':
      return 'announce again';
    case 'stopAnnouncing':
      return 'hush';
    case 'disinherit':
    case 'drain':
    case 'finish':
      return effect.type;
  }
};

/**
 * What is done, in order. Disarmed timers are left out unless asked for: most are disarmed in case they run.
 */
export const doings = (effects: readonly Effect[], at: Millis, withDisarms = false): string =>
  effects
    .filter(({ type }) => withDisarms || type !== 'disarm')
    .map((effect) => wordsOf(effect, at))
    .join(', ');
