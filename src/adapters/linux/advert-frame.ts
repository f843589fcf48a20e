/** Adverts with all that goes around them on Ethernet. Pure. */
import { addressOf, type Family, type IpAddress, parseAddress } from '../../protocol/address.ts';
import { internetChecksum } from '../../protocol/checksum.ts';
import { CARP_GROUP_IPV4, CARP_GROUP_IPV6, CARP_PROTOCOL, CARP_TTL } from '../../protocol/constants.ts';
import type { Frame } from './frames.ts';

const addressIn = (text: string): IpAddress => {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address;
};

/** The group of a family. */
export const CARP_GROUPS: Readonly<Record<Family, IpAddress>> = {
  4: addressIn(CARP_GROUP_IPV4),
  6: addressIn(CARP_GROUP_IPV6),
};

/** The Ethernet address of a group: its last 23 bits (RFC 1112 6.4), or 32 of IPv6 (RFC 2464 7). */
const groupMac = ({ family, bytes }: IpAddress): readonly number[] =>
  family === 4 ? [0x01, 0x00, 0x5e, (bytes[1] ?? 0) & 0x7f, ...bytes.subarray(2)] : [0x33, 0x33, ...bytes.subarray(12)];

const BROADCAST_MAC = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const DONT_FRAGMENT = 0x40;
/** More fragments, and the high bits of the offset. */
const FRAGMENT = 0x3f;

export interface OutgoingAdvert {
  /** The Ethernet source. */
  readonly mac: Uint8Array;
  readonly source: IpAddress;
  /** TOS byte or traffic class. */
  readonly tos: number;
  readonly payload: Uint8Array;
  /** Missing: that of the source's family. */
  readonly group?: IpAddress;
  /** To every host of the segment, for networks that lose multicast; the IP destination is the group all the same. */
  readonly broadcast?: boolean;
}

const u16 = (value: number): readonly number[] => [value >> 8, value & 0xff];

const ipv4Header = ({ source, tos, payload, group = CARP_GROUPS[4] }: OutgoingAdvert): readonly number[] => {
  const header = (checksum: number): readonly number[] => [
    ...[0x45, tos, ...u16(IPV4_HEADER + payload.length)],
    ...[0, 0, DONT_FRAGMENT, 0],
    ...[CARP_TTL, CARP_PROTOCOL, ...u16(checksum)],
    ...source.bytes,
    ...group.bytes,
  ];
  return header(internetChecksum(Uint8Array.from(header(0))));
};

const ipv6Header = ({ source, tos, payload, group = CARP_GROUPS[6] }: OutgoingAdvert): readonly number[] => [
  ...[0x60 | (tos >> 4), (tos & 0x0f) << 4, 0, 0],
  ...[...u16(payload.length), CARP_PROTOCOL, CARP_TTL],
  ...source.bytes,
  ...group.bytes,
];

/** An advert to the group of its source's family: TTL 255, DF, IP id and flow label 0, as `send-socket.ts` sends it. */
export const advertFrame = (advert: OutgoingAdvert): Frame => {
  const { family } = advert.source;
  const destination = advert.broadcast === true ? BROADCAST_MAC : groupMac(advert.group ?? CARP_GROUPS[family]);
  return Uint8Array.from([
    ...[...destination, ...advert.mac, ...(family === 4 ? [0x08, 0x00] : [0x86, 0xdd])],
    ...(family === 4 ? ipv4Header(advert) : ipv6Header(advert)),
    ...advert.payload,
  ]);
};

export interface IncomingAdvert {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly ttl: number;
  /** A copy. */
  readonly payload: Uint8Array;
}

/**
 * What a frame carries, from its IP header on; the padding of short frames is cut off. `undefined` for all that the
 * kernel would not give to a raw socket: broken headers, fragments, other protocols.
 */
export const readAdvert = (family: Family, packet: Uint8Array): IncomingAdvert | undefined =>
  family === 4 ? readIpv4(packet) : readIpv6(packet);

const readIpv4 = (packet: Uint8Array): IncomingAdvert | undefined => {
  if (packet.length < IPV4_HEADER) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const header = (view.getUint8(0) & 0x0f) * 4;
  const end = view.getUint16(2, false);
  const isFragment = (view.getUint8(6) & FRAGMENT) !== 0 || view.getUint8(7) !== 0;
  if (view.getUint8(0) >> 4 !== 4 || header < IPV4_HEADER || end < header || end > packet.length) return undefined;
  if (isFragment || view.getUint8(9) !== CARP_PROTOCOL) return undefined;
  if (internetChecksum(packet.subarray(0, header)) !== 0) return undefined;
  return {
    source: addressOf(packet.subarray(12, 16)),
    destination: addressOf(packet.subarray(16, 20)),
    ttl: view.getUint8(8),
    payload: packet.slice(header, end),
  };
};

const readIpv6 = (packet: Uint8Array): IncomingAdvert | undefined => {
  if (packet.length < IPV6_HEADER) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const end = IPV6_HEADER + view.getUint16(4, false);
  if (view.getUint8(0) >> 4 !== 6 || view.getUint8(6) !== CARP_PROTOCOL || end > packet.length) return undefined;
  return {
    source: addressOf(packet.subarray(8, 24)),
    destination: addressOf(packet.subarray(24, 40)),
    ttl: view.getUint8(7),
    payload: packet.slice(IPV6_HEADER, end),
  };
};
