import type { Observable } from 'rxjs';

/**
 * What precedes the IP header (tcpdump.org/linktypes.html): an Ethernet header, Linux' cooked header old or new,
 * nothing, or an address family of four bytes as BSD's loopback has it.
 */
export type LinkType = 'ethernet' | 'sll' | 'sll2' | 'ip' | 'loopback';

/** A frame of a capture, from a file or from the wire. */
export interface CapturedFrame {
  /** Wall-clock time, milliseconds since 1970. */
  readonly at: number;
  /** The same instant on a clock that never jumps, in milliseconds; without it `at` has to do, as for files. */
  readonly time?: number;
  readonly link: LinkType;
  /** At most as many bytes as the capture was told to keep. */
  readonly data: Uint8Array;
  /** Ids of the VLAN tags that the kernel took off the frame, the outermost first. */
  readonly vlans?: readonly number[];
  /** Which of several interfaces of a capture it was seen on: vhid 1 of two networks are two groups. */
  readonly interface?: number;
  /** Sent by the host that captured it. */
  readonly outgoing?: boolean;
  /** How many frames have been lost until now because this process was too slow. */
  readonly dropped?: number;
}

export interface SnifferOptions {
  readonly interface: string;
  /** Also frames for other hosts, such as adverts to unicast peers. Default false: multicast, broadcast and our own. */
  readonly promiscuous?: boolean;
}

/** Listens to everything of IP protocol 112 on an interface, and sends nothing. */
export interface Sniffer {
  /**
   * Cold: each subscription opens a socket of its own and closes it. Never completes; errors when the interface goes.
   * Errors with CarpError CARP_NO_PERMISSION, CARP_NO_INTERFACE, CARP_NO_TRANSPORT.
   */
  readonly listen: (options: SnifferOptions) => Observable<CapturedFrame>;
}
