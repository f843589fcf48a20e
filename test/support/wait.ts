/** Bounded waiting for what the kernel or another process does. */
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 10;

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
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (monotonicMs() > end) throw new Error(`waited ${withinMs} ms for ${what} in vain. ${describe()}`.trim());
    await delay(POLL_MS);
  }
};
