import type { IpAddress } from '../../protocol/address.ts';
import { internetChecksum } from '../../protocol/checksum.ts';

/** An Ethernet frame without preamble and checksum; drivers pad it to 60 bytes. */
export type Frame = Uint8Array;

export interface Claimed {
  readonly address: IpAddress;
  /** 6 bytes: where the address is found from now on, and the Ethernet source. */
  readonly mac: Uint8Array;
}

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/** ff02::1, all nodes of the link, and the Ethernet address that RFC 2464 section 7 gives it. */
const ALL_NODES = [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const ALL_NODES_MAC = [0x33, 0x33, 0, 0, 0, 1];
const NO_MAC = [0, 0, 0, 0, 0, 0];

const ICMPV6 = 58;
const NEIGHBOUR_ADVERTISEMENT = 136;
/** Replace what you knew. Neither Router nor Solicited. */
const OVERRIDE = 0x20;
const TARGET_LINK_LAYER_ADDRESS = 2;

const expectIn = (family: 4 | 6, { address, mac }: Claimed): void => {
  if (address.family !== family) throw new RangeError(`wanted an IPv${family} address, got ${address.text}`);
  if (mac.length !== 6) throw new RangeError(`a MAC address has 6 bytes, not ${mac.length}`);
};

/**
 * An ARP request in which a host asks for its own address, so that everybody learns where it is (RFC 5227 section 3, as
 * the BSD kernels send it; the request form is understood by more receivers than the reply form).
 *
 * @throws RangeError unless the address is IPv4
 */
export const gratuitousArp = (claimed: Claimed): Frame => {
  expectIn(4, claimed);
  const { address, mac } = claimed;
  return Uint8Array.from([
    ...[...BROADCAST, ...mac, 0x08, 0x06],
    // Ethernet, IPv4, lengths of their addresses, request.
    ...[0, 1, 0x08, 0x00, 6, 4, 0, 1],
    ...[...mac, ...address.bytes],
    ...[...NO_MAC, ...address.bytes],
  ]);
};

/**
 * An unsolicited neighbour advertisement to all nodes (RFC 4861 section 7.2.6).
 *
 * @param source - IPv6 source, by default the address itself
 * @throws RangeError unless the address is IPv6
 */
export const unsolicitedAdvertisement = (claimed: Claimed, source: IpAddress = claimed.address): Frame => {
  expectIn(6, claimed);
  const { address, mac } = claimed;
  const message = Uint8Array.from([
    ...[NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0],
    ...address.bytes,
    // Length in units of 8 bytes.
    ...[TARGET_LINK_LAYER_ADDRESS, 1, ...mac],
  ]);
  const pseudoHeader = [...source.bytes, ...ALL_NODES, 0, 0, 0, message.length, 0, 0, 0, ICMPV6];
  const checksum = internetChecksum(Uint8Array.from([...pseudoHeader, ...message]));
  message.set([checksum >> 8, checksum & 0xff], 2);
  return Uint8Array.from([
    ...[...ALL_NODES_MAC, ...mac, 0x86, 0xdd],
    // Version 6, no traffic class, no flow; length; hop limit 255, without which receivers drop it.
    ...[0x60, 0, 0, 0, 0, message.length, ICMPV6, 255],
    ...[...source.bytes, ...ALL_NODES],
    ...message,
  ]);
};
