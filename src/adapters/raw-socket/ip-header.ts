import { addressOf, type IpAddress } from '../../protocol/address.ts';
import { CARP_PROTOCOL, CARP_TTL } from '../../protocol/constants.ts';

export interface Ipv4Packet {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly ttl: number;
  /** A copy. */
  readonly payload: Uint8Array;
}

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const DONT_FRAGMENT = 0x4000;

/** Reads a packet as an IPv4 raw socket delivers it, with its header (raw(7)). `undefined` if that makes no sense. */
export const readIpv4 = (data: Uint8Array): Ipv4Packet | undefined => {
  if (data.length < IPV4_HEADER) return undefined;
  const header = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const headerLength = (header.getUint8(0) & 0x0f) * 4;
  const totalLength = header.getUint16(2, false);
  if (header.getUint8(0) >> 4 !== 4 || headerLength < IPV4_HEADER) return undefined;
  if (totalLength < headerLength || totalLength > data.length) return undefined;
  return {
    source: addressOf(data.subarray(12, 16)),
    destination: addressOf(data.subarray(16, 20)),
    ttl: header.getUint8(8),
    // Not `slice`, which is a view if this is a Buffer.
    payload: Uint8Array.from(data.subarray(headerLength, totalLength)),
  };
};

export interface IpPath {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** TOS byte or traffic class. */
  readonly tos: number;
}

/**
 * A whole packet for a socket that brings its own header. The kernel fills in IPv4's checksum, and the id: it stays 0
 * with "don't fragment", as the BSDs send it.
 */
const ipv4Packet = (payload: Uint8Array, { source, destination, tos }: IpPath): Buffer => {
  const packet = Buffer.alloc(IPV4_HEADER + payload.length);
  packet.writeUInt8(0x45, 0);
  packet.writeUInt8(tos, 1);
  packet.writeUInt16BE(packet.length, 2);
  packet.writeUInt16BE(DONT_FRAGMENT, 6);
  packet.writeUInt8(CARP_TTL, 8);
  packet.writeUInt8(CARP_PROTOCOL, 9);
  packet.set(source.bytes, 12);
  packet.set(destination.bytes, 16);
  packet.set(payload, IPV4_HEADER);
  return packet;
};

/** Flow label 0, as the BSDs send it. */
const ipv6Packet = (payload: Uint8Array, { source, destination, tos }: IpPath): Buffer => {
  const packet = Buffer.alloc(IPV6_HEADER + payload.length);
  packet.writeUInt32BE(0x60000000 + tos * 0x100000, 0);
  packet.writeUInt16BE(payload.length, 4);
  packet.writeUInt8(CARP_PROTOCOL, 6);
  packet.writeUInt8(CARP_TTL, 7);
  packet.set(source.bytes, 8);
  packet.set(destination.bytes, 24);
  packet.set(payload, IPV6_HEADER);
  return packet;
};

export const ipPacket = (payload: Uint8Array, path: IpPath): Buffer =>
  path.source.family === 4 ? ipv4Packet(payload, path) : ipv6Packet(payload, path);
