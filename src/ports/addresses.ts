import type { Observable } from 'rxjs';
import type { Cidr } from '../protocol/address.ts';

export interface LeaseRequest {
  /** Name of the group, for the state file and messages. */
  readonly group: string;
  readonly interface: string;
  readonly addresses: readonly Cidr[];
  /** How long the kernel keeps an address that is not renewed, in whole seconds. */
  readonly seconds: number;
}

/** What happens to addresses that are held. */
export type LeaseEvent =
  /** This process was too late to renew; the kernel may have dropped the addresses, and they were not brought back. */
  | { readonly type: 'lapsed'; readonly lateMs: number }
  /** Somebody removed an address, and it could not be put back. */
  | { readonly type: 'lost'; readonly address: Cidr; readonly message: string }
  /** Somebody removed an address; it is back. */
  | { readonly type: 'restored'; readonly address: Cidr };

/** Addresses that are held for as long as somebody keeps saying so (DESIGN 6). */
export interface Lease {
  /** Ends with `release`. */
  readonly events$: Observable<LeaseEvent>;
  /** Removes the addresses; at once, synchronously, and as often as one likes. Never throws: what is gone is gone. */
  readonly release: () => void;
  /** How long ago they were renewed, in ms. Missing: nothing has to be renewed. */
  readonly ageMs?: () => number;
}

export interface Addresses {
  /**
   * Looks, without changing anything, whether the addresses can be taken later.
   * @throws CarpError CARP_ADDRESS_IN_USE: one is there for good or held by another group, with the remedy; CARP_ADDRESS:
   *   one is there for some time that is not ours; CARP_NO_PERMISSION; CARP_NO_INTERFACE
   */
  readonly check: (request: LeaseRequest) => void;
  /**
   * Adds all addresses and renews them until `release`. Synchronous. All or none: what was added before a failure is
   * removed again.
   * @throws CarpError as `check`, and CARP_ADDRESS
   */
  readonly take: (request: LeaseRequest) => Lease;
  /**
   * Whether a predecessor of this process, which died, held some of the addresses, and the system still has them. They
   * are neither renewed nor removed by this; `take` adopts them. Never throws: what cannot be seen is not inherited.
   */
  readonly inherits: (request: LeaseRequest) => boolean;
  /** Removes those, unless they have been taken; at once, synchronously. Never throws: what is gone is gone. */
  readonly disinherit: (request: LeaseRequest) => void;
}
