import type { IpAddress } from '../protocol/address.ts';

/** Tells the neighbours who holds an address now: gratuitous ARP for IPv4, unsolicited neighbour advertisement for IPv6. */
export interface Announcer {
  /**
   * Sends one announcement for each address from the interface's own MAC (or that of its virtual MAC). Synchronous.
   * @throws CarpError CARP_SEND
   */
  readonly announce: (interfaceName: string, addresses: readonly IpAddress[]) => void;
}
