import type { Observable } from 'rxjs';
import type { Family, IpAddress } from '../protocol/address.ts';
import type { Vhid } from '../protocol/units.ts';

/** A packet of protocol 112 as it came from the wire. */
export interface Packet {
  readonly family: Family;
  /** What follows the IP header. A copy: it may be kept. */
  readonly payload: Uint8Array;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** TTL or hop limit; `undefined` where the transport cannot see it. */
  readonly ttl: number | undefined;
  /** How many packets the kernel had to drop on this socket since it was opened (SO_RXQ_OVFL). */
  readonly dropped: number;
}

export interface ChannelOptions {
  readonly interface: string;
  readonly family: Family;
  /** Packets of other virtual hosts are dropped as early as possible. */
  readonly vhid: Vhid;
  /** Unicast peers of this family; empty means multicast. */
  readonly peers: readonly IpAddress[];
  /** TOS byte or traffic class of what is sent. */
  readonly tos: number;
  /** Whether wrong TTLs are to be refused. A transport that cannot see them in this family refuses to open then. */
  readonly checksTtl: boolean;
  /** IPv4 without peers: in Ethernet broadcast frames, still to 224.0.0.18 (ucarp's --nomcast). */
  readonly broadcast: boolean;
  /** The multicast group; missing: 224.0.0.18, ff02::12. */
  readonly group?: IpAddress;
}

/**
 * The adverts of one virtual host in one address family on one interface.
 *
 * Whoever opens a channel closes it. After `close` nothing is delivered any more, and `send` throws.
 */
export interface Channel {
  /** Hot; errors end up as `error` of the stream (the interface has gone), never as an exception of a native callback. */
  readonly packets$: Observable<Packet>;
  /** How many packets the kernel has dropped, read without waiting for the next packet to arrive. */
  readonly dropped: () => number;
  /**
   * Sends one advert from this source address to the group, or to every peer. Synchronous.
   * @throws CarpError CARP_SEND with the reason of the system
   */
  readonly send: (payload: Uint8Array, source: IpAddress) => void;
  /** Delivers through `packets$`, before it returns, what has already arrived. */
  readonly drain: () => void;
  readonly close: () => void;
}

export interface Transport {
  readonly name: 'koffi' | 'raw-socket' | 'memory';
  /** @throws CarpError CARP_NO_PERMISSION, CARP_NO_INTERFACE, CARP_NO_TRANSPORT */
  readonly open: (options: ChannelOptions) => Channel;
}
