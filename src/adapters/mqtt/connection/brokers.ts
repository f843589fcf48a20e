/**
 * Which broker the next attempt goes to, in which version of MQTT, and how long it waits.
 *
 * The URLs of a configuration are entrances to one message bus: a cluster, or brokers with a bridge between them. They
 * are tried in the order in which they are written, one walk after the other:
 *
 * - Within a walk the next URL is tried soon, at a random time within `STEP_MS`: a host whose broker has gone is not
 *   to be silent for longer than it takes to find another one.
 * - Before the next walk it waits, for twice as long as the time before, and never longer than `LONGEST_MS`. Half of
 *   each wait is random, so that hosts which lost one broker in the same instant do not come back in the same instant.
 * - A connection that lasted `LASTED_MS` has proved that the broker is well: what ends it starts anew, with short waits,
 *   at the top of the list, which is how a host returns to its first broker. The broker that was just lost comes last
 *   in that walk. A connection that did not last is a failed attempt, because two agents with one client id, which throw
 *   each other out, would otherwise do so once a second for ever.
 * - Nobody leaves a broker that works in order to return to the first one: that would be a gap for nothing.
 *
 * With `version: auto` each broker is first asked in MQTT 5, and one that refuses it is asked again at once in 3.1.1.
 * That is remembered for each URL, until the broker cannot be reached: it may be another one when it is back. One that
 * hangs up without a word is not asked in 3.1.1: a load balancer without a broker behind it does that as well, and the
 * host would then be without what 3.1.1 lacks, states that expire, for as long as that connection lasts.
 *
 * Rejected: to take a random URL (whoever writes a list means its order), to wait before each step (16 brokers that are
 * switched off would cost minutes), and to go back to the broker just lost first (if its host is dead, finding that out
 * takes as long as a connection may take).
 */

import type { MqttSettings } from '../settings.ts';
import type { MqttVersion } from './connection.ts';
import { isUnreachable, isVersionRefused, type MqttFailure } from './problem.ts';

/** One attempt to connect. */
export interface Attempt {
  readonly url: string;
  readonly version: MqttVersion;
}

export interface NextAttempt extends Attempt {
  /** In ms, from now. 0: at once. */
  readonly waitMs: number;
  /** It asks the same broker in another version of MQTT: no reason to log the failure that led here. */
  readonly otherVersion: boolean;
}

export interface Brokers {
  /** The attempt that is to be made now, or was made last. */
  readonly current: Attempt;
  /**
   * The current attempt has failed, or its connection has ended; `current` is the next one from now on.
   *
   * @param lastedMs - how long there was a connection; `undefined` if the broker never accepted it
   */
  readonly failed: (failure: MqttFailure, lastedMs: number | undefined) => NextAttempt;
}

export const STEP_MS = 1000;
export const FIRST_MS = 2000;
export const LONGEST_MS = 30_000;
export const LASTED_MS = 30_000;

/** @param random - from 0 to 1, evenly, as Math.random */
export const createBrokers = (
  { url, version }: Pick<MqttSettings, 'url' | 'version'>,
  random: () => number,
): Brokers => {
  const urls = [...new Set([url].flat())];
  /** What is known of each broker: nothing means MQTT 5. */
  const spoken = new Map<string, MqttVersion>();
  const attemptAt = (at: string): Attempt => ({ url: at, version: fixedVersion(version) ?? spoken.get(at) ?? 5 });

  let walk = [...urls];
  /** How many walks have led nowhere since something last worked. */
  let walks = 0;
  let current = attemptAt(walk.shift() ?? '');

  /** The URL to go to, and how long to wait for it. */
  const step = (lasted: boolean): { readonly url: string; readonly waitMs: number } => {
    if (lasted) {
      walks = 0;
      walk = [...urls.filter((other) => other !== current.url), current.url];
    }
    // The first walk of a host that has one broker only begins with a wait: there is nowhere else to go.
    const isNewWalk = walk.length === 0 || urls.length === 1;
    if (walk.length === 0) walk = [...urls];
    const waitMs = isNewWalk ? walkWaitMs(walks, random()) : STEP_MS * random();
    if (isNewWalk) walks += 1;
    return { url: walk.shift() ?? current.url, waitMs: Math.round(waitMs) };
  };

  return {
    get current() {
      return current;
    },
    failed: (failure, lastedMs) => {
      if (fixedVersion(version) === undefined && current.version === 5 && isVersionRefused(failure)) {
        spoken.set(current.url, 4);
        current = attemptAt(current.url);
        return { ...current, waitMs: 0, otherVersion: true };
      }
      if (lastedMs === undefined && isUnreachable(failure)) spoken.delete(current.url);
      const { url: next, waitMs } = step(lastedMs !== undefined && lastedMs >= LASTED_MS);
      current = attemptAt(next);
      return { ...current, waitMs, otherVersion: false };
    },
  };
};

/** 1 to 2 s, then 2 to 4 s, and so on; 15 to 30 s in the end. */
const walkWaitMs = (walks: number, random: number): number =>
  Math.min(FIRST_MS * 2 ** walks, LONGEST_MS) * (0.5 + random / 2);

const fixedVersion = (version: MqttSettings['version']): MqttVersion | undefined => {
  if (version === 'auto') return undefined;
  return version === '3.1.1' ? 4 : 5;
};
