import type { CapturedFrame } from '../ports/sniffer.ts';

/** Time as the frames have it: it never runs backwards, whatever clock the capture was made with. */
export interface Clock {
  /** Of the latest frame, ms, as it says itself. */
  readonly frame: number;
  /** Ms since no particular time. */
  readonly now: number;
  /** Wall-clock time minus `now`. */
  readonly wall: number;
}

/** A jump back by this much or more is no frame out of order, but a clock that was set. */
const DISORDER_MS = 1000;

/** The furthest instants that a Date can tell; beyond them numbers have no milliseconds. */
const AT_MAX = 8.64e15;
const bounded = (ms: number): number => (Number.isNaN(ms) ? 0 : Math.min(AT_MAX, Math.max(-AT_MAX, ms)));

export const clockAfter = (clock: Clock | undefined, frame: Pick<CapturedFrame, 'at' | 'time'>): Clock => {
  const at = bounded(frame.at);
  const time = bounded(frame.time ?? at);
  if (clock === undefined) return { frame: time, now: time, wall: at - time };
  const passed = time - clock.frame;
  // What comes a little late came just now; a clock that was set back goes on from here.
  if (passed < 0 && passed > -DISORDER_MS) return clock;
  const now = clock.now + Math.max(0, passed);
  return { frame: time, now, wall: at - now };
};

/** Without a frame. @param time - on the clock of the frames */
export const clockAt = (clock: Clock, time: number): Clock => {
  const passed = Math.max(0, bounded(time) - clock.frame);
  return { ...clock, frame: clock.frame + passed, now: clock.now + passed };
};

/** ISO 8601, whatever a capture says. @param now - on the segment's clock */
export const isoAt = (now: number, clock: Clock | undefined): string => isoOf(now + (clock?.wall ?? 0));

/** @param at - ms since 1970 */
export const isoOf = (at: number): string => new Date(bounded(at)).toISOString();
