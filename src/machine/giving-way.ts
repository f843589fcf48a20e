/**
 * Two equals may give way to each other: when their adverts cross and the other is a kernel, which yields to every equal,
 * or when the other compares addresses differently (ucarp, in another subnet). Nobody is MASTER then, both wait for the
 * same time, and do it again, for ever. The way out is that of Ethernet: whoever gave way for nothing lets the other pass.
 */
import type { Millis } from '../protocol/units.ts';
import type { MachineSettings } from './settings.ts';
import type { State } from './state.ts';
import { intervalMs, masterDownMs } from './timings.ts';

/** The longest that `letPassMs` adds, in intervals. */
const LONGEST = 3;
/** Whoever gives way does so at once, but ucarp reads up to a second late; whoever speaks after that has not. */
const GIVES_WAY_WITHIN_MS = 1050;

/** Remembers that this host gave way to an equal, and how often it did so in a row: each time as soon as it could claim. */
export const giveWay = (state: State, at: Millis, settings: MachineSettings): State => {
  const { gaveWay } = state;
  const soonest = masterDownMs(state, settings) + LONGEST * intervalMs(state, settings);
  const again = gaveWay !== undefined && at - gaveWay.at < soonest + intervalMs(state, settings);
  return { ...state, gaveWay: { at, rounds: again ? gaveWay.rounds + 1 : 1 } };
};

/** Whether this host gave way to an equal not long ago. It preempts no worse MASTER then: the equal would do so as well. */
export const gaveWayLately = ({ gaveWay, ...state }: State, at: Millis, settings: MachineSettings): boolean =>
  gaveWay !== undefined && at - gaveWay.at < 2 * masterDownMs(state, settings);

/** Whether this host gave way to an equal that may have done the same: it was hardly heard since then. */
export const letsPass = (state: State, at: Millis, settings: MachineSettings): boolean => {
  const { gaveWay, master } = state;
  if (gaveWay === undefined || !gaveWayLately(state, at, settings)) return false;
  return master === undefined || master.heardAt - gaveWay.at <= GIVES_WAY_WITHIN_MS;
};

/**
 * How much longer it waits then, in ms: more than two intervals, because ucarp reads up to a second late and looks at its
 * timer once an interval, and at most three. Each round looks at three other bits of its address, so that two that both
 * let the other pass part after a few.
 */
export const letPassMs = (state: State, settings: MachineSettings): number => {
  const bytes = (state.sources[4] ?? state.sources[6])?.bytes ?? Uint8Array.of(0);
  const first = (3 * ((state.gaveWay?.rounds ?? 1) - 1)) % (bytes.length * 8);
  const bit = (n: number): number => ((bytes.at(-1 - (n >> 3)) ?? 0) >> (n & 7)) & 1;
  const eighths = bit(first) + 2 * bit(first + 1) + 4 * bit(first + 2);
  return (intervalMs(state, settings) * (17 + eighths)) / 8;
};
