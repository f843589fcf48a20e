/**
 * What is known of an address that has spoken, and whether what it says may be the cookie of an OpenBSD host, which is the
 * same in all its adverts. Addresses are not signed, so this decides about nothing but values that have never been heard.
 *
 * - It *counts* once it has sent two values within three intervals that are no constants, or three of any kind.
 * - A host whose interface was made anew has another cookie. So one new value after a constant makes no address count. If
 *   the constant was young, somebody may have repeated the first advert of a host that counts, so it is a constant no more,
 *   and the new value is *in doubt*: it is believed when it comes again no earlier than the next advert of its sender is
 *   due. One that counts sends something else then.
 * - That an address counts is forgotten when nothing new was heard from it for ten minutes: another system may have been
 *   installed there. What it sends first is then believed if it comes again within three of its intervals. Values that were
 *   heard before are in the memory of the guard, and no business of addresses: the last advert of a dead MASTER is never
 *   what an address sends first.
 */
import { type Millis, millis } from '../protocol/units.ts';

export interface Speaking {
  /** Whether it sends another counter each time. */
  readonly counts: boolean;
  /** What it sent last, and when: for the first time, and for the last. */
  readonly counter: bigint;
  readonly firstAt: Millis;
  readonly heardAt: Millis;
  /** Between its adverts, as it said; what a farewell says does not count. */
  readonly interval: Millis;
  /** The same, or that of this host if it is longer: whoever repeats adverts that were never heard may say anything. */
  readonly slowest: Millis;
  /** From when on and until when the same again would make it a constant. */
  readonly from: Millis;
  readonly until: Millis;
  /** The value before was revoked. */
  readonly doubted: boolean;
}

/** A counter that was never heard before. */
export interface Spoken {
  readonly counter: bigint;
  readonly at: Millis;
  /** Of the sender, as it says. */
  readonly interval: Millis;
  /** It stands close to a counter that was heard before, most often right above it. */
  readonly continues: boolean;
}

export interface SpeakingContext {
  /** The master-down time of this host. */
  readonly silence: Millis;
  /** Since when this host listens. */
  readonly listensSince: Millis;
  /** Whether what this address sent last is a constant. */
  readonly wasConstant: boolean;
}

export interface SpeakingChange {
  readonly speaking: Speaking;
  /** What it sent last is no constant: somebody else has repeated it. */
  readonly revokes: boolean;
}

const LONG_AGO = millis(-Number.MAX_VALUE);
const FOR_EVER = millis(Number.MAX_VALUE);
/** No BACKUP believes in a host that was away for so long, and no system is installed in less. */
const FORGOTTEN_MS = 600_000;
/** An advert that says more is a farewell. */
const INTERVAL_MAX_MS = 255_000;
const INTERVALS = 3;
/** In intervals: when the next advert of the same host is due. Readers may be late for the one before. */
const DUE = 0.9;
/** In intervals: for how long a constant is young. A host that counts would have sent something else meanwhile. */
const YOUNG = 1.25;

/** What another process has known of it. */
export const remembered = (counter: bigint, counts: boolean): Speaking => ({
  counts,
  counter,
  firstAt: LONG_AGO,
  heardAt: LONG_AGO,
  interval: millis(0),
  slowest: millis(0),
  from: LONG_AGO,
  until: FOR_EVER,
  doubted: false,
});

/** Whether this is all that can be expected of an address, so that the same again is a constant. */
export const isAllOf = ({ counts, counter, from, until }: Speaking, again: bigint, at: Millis): boolean =>
  !counts && counter === again && at >= from && at <= until;

/** A constant came again from its address. */
export const repeated = (speaking: Speaking, at: Millis): Speaking => ({ ...speaking, heardAt: at, until: FOR_EVER });

/** Whether it counts, as far as the next process is concerned: what waits to be believed is not believed after a restart. */
export const isCounting = ({ counts, until }: Speaking): boolean => counts || until !== FOR_EVER;

/** A new value came from an address. */
export const spoken = (before: Speaking | undefined, what: Spoken, context: SpeakingContext): SpeakingChange => {
  const { counter, at, continues } = what;
  const { silence, listensSince, wasConstant } = context;
  const own = millis(silence / INTERVALS);
  const interval = what.interval < INTERVAL_MAX_MS ? what.interval : own;
  const slowest = millis(Math.max(interval, own));
  const patience = INTERVALS * slowest;
  const first: Speaking = {
    counts: false,
    counter,
    firstAt: at,
    heardAt: at,
    interval,
    slowest,
    from: continues ? FOR_EVER : LONG_AGO,
    until: FOR_EVER,
    doubted: false,
  };
  const change = (more: Partial<Speaking>, revokes = false): SpeakingChange => ({
    speaking: { ...first, ...more },
    revokes,
  });
  if (before === undefined) return change({});
  if (before.counts || at > before.until) {
    const forgotten = at - Math.max(before.heardAt, listensSince) >= FORGOTTEN_MS;
    return forgotten && !continues ? change({ until: millis(at + patience) }) : change({ counts: true });
  }
  const gap = at - before.heardAt;
  if (gap > patience) return change({});
  if (wasConstant && before.heardAt - before.firstAt > YOUNG * before.slowest) return change({});
  if (before.doubted || !wasConstant) return change({ counts: true }, wasConstant);
  const from = continues ? FOR_EVER : millis(at + DUE * interval);
  return change({ from, doubted: true }, true);
};
