import type { IpAddress } from '../../protocol/address.ts';
import { internetChecksum } from '../../protocol/checksum.ts';
import { CARP_PROTOCOL, CARP_TTL } from '../../protocol/constants.ts';

export interface SentPacket {
  /** Of the sender, 6 bytes. */
  readonly mac: Uint8Array;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** TOS byte or traffic class. */
  readonly tos: number;
  readonly payload: Uint8Array;
}

const IPV4_HEADER = 20;

const u16 = (value: number): readonly number[] => [value >> 8, value & 0xff];

const ipv4Header = ({ source, destination, tos, payload }: SentPacket): readonly number[] => {
  const header = (checksum: number): readonly number[] => [
    ...[0x45, tos, ...u16(IPV4_HEADER + payload.length)],
    // Identification 0, do not fragment.
    ...[0, 0, 0x40, 0],
    ...[CARP_TTL, CARP_PROTOCOL, ...u16(checksum)],
    ...source.bytes,
    ...destination.bytes,
  ];
  return header(internetChecksum(Uint8Array.from(header(0))));
};

const ipv6Header = ({ source, destination, tos, payload }: SentPacket): readonly number[] => [
  ...[0x60 | (tos >> 4), (tos & 0x0f) << 4, 0, 0],
  ...[...u16(payload.length), CARP_PROTOCOL, CARP_TTL],
  ...source.bytes,
  ...destination.bytes,
];

/** The multicast MAC of a group: its last 23 bits (RFC 1112 6.4), or 32 of IPv6 (RFC 2464 7). */
const groupMac = ({ family, bytes }: IpAddress): readonly number[] =>
  family === 4 ? [0x01, 0x00, 0x5e, (bytes[1] ?? 0) & 0x7f, ...bytes.subarray(2)] : [0x33, 0x33, ...bytes.subarray(12)];

/** A packet as a wire would carry it, for those who only listen. Looks as what our real transports send. */
export const ethernetFrame = (packet: SentPacket): Uint8Array => {
  const isIpv4 = packet.source.family === 4;
  return Uint8Array.from([
    ...groupMac(packet.destination),
    ...packet.mac,
    ...(isIpv4 ? [0x08, 0x00] : [0x86, 0xdd]),
    ...(isIpv4 ? ipv4Header(packet) : ipv6Header(packet)),
    ...packet.payload,
  ]);
};
