import { readFileSync, readlinkSync } from 'node:fs';
import { uptime } from 'node:os';

/** What a lease belongs to: an address of another boot or another network namespace is another address. */
export interface HostEpoch {
  readonly bootId: string;
  /** As in `net:[4026531840]`. */
  readonly namespace: string;
}

export const readHostEpoch = (): HostEpoch => ({
  bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
  namespace: readlinkSync('/proc/self/ns/net'),
});

/** Milliseconds of CLOCK_BOOTTIME, which, unlike the monotonic clock, goes on while the machine sleeps. Steps of 10 ms. */
export const bootTimeMs = (): number => uptime() * 1000;
