import type { Log } from '../../ports/log.ts';
import type { Kernel } from './kernel.ts';
import { addressesOf, type Network, sameCidr } from './network.ts';
import { type AddressEntry, deleteAddress, type Place, type RouteRequest } from './rtnetlink.ts';

export const samePlace = (a: Place, b: Place): boolean => a.index === b.index && sameCidr(a, b);

export const entryAt = (network: Network, place: Place): AddressEntry | undefined =>
  addressesOf(network, place.index).find((entry) => sameCidr(entry, place));

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Failures have no consequence but a line in the log: that something has gone already is what is wanted. */
const transactQuietly = (kernel: Kernel, log: Log, requests: readonly RouteRequest[]): void => {
  if (requests.length === 0) return;
  try {
    kernel.transact(requests);
  } catch (error) {
    log('warn', `addresses could not be removed, and will expire: ${messageOf(error)}`);
  }
};

/** Removes addresses just as they are given. Never throws. */
export const removeAddresses = (kernel: Kernel, log: Log, places: readonly Place[]): void =>
  transactQuietly(kernel, log, places.map(deleteAddress));

/**
 * Removes those that have a lifetime no longer than `seconds`, as leases have; what somebody has made his own in the
 * meantime stays. Never throws.
 */
export const removeLeased = (kernel: Kernel, log: Log, places: readonly Place[], seconds: number): void => {
  if (places.length === 0) return;
  try {
    const network = kernel.read();
    const leased = places.filter(
      (place) => (entryAt(network, place)?.validSeconds ?? Number.POSITIVE_INFINITY) <= seconds,
    );
    removeAddresses(kernel, log, leased);
  } catch (error) {
    log('warn', `addresses could not be removed, and expire within ${seconds} s: ${messageOf(error)}`);
  }
};
