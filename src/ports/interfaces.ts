import type { Observable } from 'rxjs';
import type { Cidr } from '../protocol/address.ts';

/** An address of an interface. */
export interface InterfaceAddress extends Cidr {
  /** Duplicate address detection still runs, or has failed: not usable as a source. */
  readonly tentative: boolean;
  readonly deprecated: boolean;
  /** No lifetime: set by the administrator or a network daemon. */
  readonly permanent: boolean;
}

export interface InterfaceState {
  readonly name: string;
  readonly exists: boolean;
  /** Administratively up and with carrier (IFF_UP and IFF_RUNNING): what is sent has a chance to arrive. */
  readonly up: boolean;
  /** Administratively up (IFF_UP), whatever the cable does. */
  readonly enabled: boolean;
  readonly addresses: readonly InterfaceAddress[];
}

export interface Interfaces {
  /**
   * The state of an interface now and after each change, without repetitions. Cold in that each subscriber gets the
   * present state first, synchronously; an interface that does not exist (yet) is a state, not an error.
   */
  readonly watch: (name: string) => Observable<InterfaceState>;
}
