import type { IpAddress } from './address.ts';
import { ADVERT_LENGTH, CARP_PROTOCOL } from './constants.ts';

/** Where a packet came from and where it went. */
export interface Path {
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

const wordSum = (data: Uint8Array): number => {
  let sum = 0;
  for (let i = 0; i < data.length; i += 2) sum += ((data[i] ?? 0) << 8) | (data[i + 1] ?? 0);
  return sum;
};

/**
 * The Internet checksum of RFC 1071: the complement of the one's complement sum of 16-bit words.
 * Over data that carries its own correct checksum it is 0.
 *
 * @param initial - a partial sum to start from, such as that of a pseudo-header
 */
export const internetChecksum = (data: Uint8Array, initial = 0): number => {
  let sum = initial + wordSum(data);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
};

/**
 * The partial sum of an advert's IPv6 pseudo-header (RFC 8200, 8.1): source, destination, length, next header.
 * Current NetBSD (ip_carp.c 1.120) counts it in; FreeBSD and OpenBSD do not (protocol.md 1.4).
 *
 * @param length - of what follows the IP header, in bytes: that of a CARP advert, unless it is VRRP
 */
export const pseudoHeaderSum = ({ source, destination }: Path, length = ADVERT_LENGTH): number =>
  wordSum(source.bytes) + wordSum(destination.bytes) + length + CARP_PROTOCOL;
