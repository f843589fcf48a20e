/** Bounded waiting for what the kernel or another process does. */
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 10;
/** A look that starts programs or asks over the network would keep a processor busy: looking is a tenth of the time. */
const PAUSE_PER_LOOK = 9;
const PAUSE_MS_MAX = 200;

/** Milliseconds of CLOCK_MONOTONIC: the same clock in every process of the machine. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * Looks again and again until there is something to see, and gives it back.
 * @param what - completes "waited for …" in the error
 * @throws Error after `withinMs`, with what `describe` says about the present state
 */
export const until = async <T>(
  what: string,
  withinMs: number,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  describe: () => string = () => '',
): Promise<T> => {
  const end = monotonicMs() + withinMs;
  for (;;) {
    const begun = monotonicMs();
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    const now = monotonicMs();
    if (now > end) throw new Error(`waited ${withinMs} ms for ${what} in vain. ${describe()}`.trim());
    await delay(Math.min(PAUSE_MS_MAX, Math.max(POLL_MS, PAUSE_PER_LOOK * (now - begun))));
  }
};
