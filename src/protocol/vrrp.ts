/**
 * VRRP, which CARP shares its protocol number, its groups, its virtual MACs and the first byte of version 2 with.
 *
 * Version 2 (RFC 3768): version and type, id, priority, count, authentication type, interval in seconds, checksum, the
 * IPv4 addresses, 8 bytes of authentication data. Version 3 (RFC 9568): the same 8 bytes, with the interval as 12 bits
 * of centiseconds, then the addresses of the family of the packet; nothing is authenticated.
 *
 * A CARP advert is told from version 2 by its length: where VRRP keeps the count it has 7 (its words of
 * authentication), and 7 addresses with authentication data take 44 bytes, not 36.
 */
import { addressOf, type IpAddress } from './address.ts';
import { internetChecksum, type Path, pseudoHeaderSum } from './checksum.ts';
import { ADVERT_LENGTH } from './constants.ts';
import type { Millis } from './units.ts';

/** One VRRP advertisement. */
export interface Vrrp {
  readonly version: 2 | 3;
  /** Virtual router id, 1..255: the same number as a vhid means the same virtual MAC. */
  readonly vrid: number;
  /** 255: it owns the addresses; 0: it is about to stop. */
  readonly priority: number;
  /** As sent: unsorted, at least one. */
  readonly addresses: readonly IpAddress[];
  /** Time between two adverts, as the sender says. */
  readonly interval: Millis;
  readonly checksum: 'ok' | 'bad';
}

const HEADER_LENGTH = 8;
/** Version 2 keeps room for a password, also where it uses none. */
const AUTHENTICATION_LENGTH = 8;
const ADVERTISEMENT = 1;
/** Bytes of a CARP advert that VRRP would read as its count. */
const CARP_AUTH_WORDS = 7;

/**
 * Reads the payload of an IP packet of protocol 112 as VRRP; `undefined` if it is none, as every CARP advert is. Never
 * throws. What a receiver has to ignore by the RFCs is none: another type, id 0, no addresses, a length that does not
 * fit. A wrong checksum is told, not refused.
 *
 * @param path - of the packet; its family is that of the addresses
 */
export const readVrrp = (payload: Uint8Array, path: Path): Vrrp | undefined => {
  if (payload.length < HEADER_LENGTH) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const version = view.getUint8(0) >> 4;
  const vrid = view.getUint8(1);
  const count = view.getUint8(3);
  if ((view.getUint8(0) & 0x0f) !== ADVERTISEMENT || vrid === 0 || count === 0) return undefined;
  const { family } = path.source;
  const each = family === 4 ? 4 : 16;
  const end = HEADER_LENGTH + count * each;
  const common = { vrid, priority: view.getUint8(2) };
  if (version === 3) {
    if (payload.length !== end) return undefined;
    const interval = ((view.getUint16(4) & 0x0fff) * 10) as Millis;
    const addresses = readAddresses(payload, count, each);
    return { version, ...common, addresses, interval, checksum: isSummed(payload, path) ? 'ok' : 'bad' };
  }
  if (version !== 2 || family !== 4 || !hasLengthOfVersion2(payload, { count, end })) return undefined;
  const interval = (view.getUint8(5) * 1000) as Millis;
  const checksum = internetChecksum(payload) === 0 ? 'ok' : 'bad';
  return { version, ...common, addresses: readAddresses(payload, count, each), interval, checksum };
};

/** Some leave the authentication data out; only then a CARP advert could be meant. */
const hasLengthOfVersion2 = ({ length }: Uint8Array, { count, end }: { count: number; end: number }): boolean =>
  length === end + AUTHENTICATION_LENGTH ||
  (length === end && !(count === CARP_AUTH_WORDS && length === ADVERT_LENGTH));

const readAddresses = (payload: Uint8Array, count: number, each: number): readonly IpAddress[] =>
  Array.from({ length: count }, (_, i) =>
    addressOf(Uint8Array.from(payload.subarray(HEADER_LENGTH + i * each, HEADER_LENGTH + (i + 1) * each))),
  );

/**
 * Version 3 counts the pseudo-header in, over IPv4 too, as FreeBSD and keepalived do; others leave it out there, which
 * RFC 5798 could be read as. Both are taken, also over IPv6: nothing depends on it here.
 */
const isSummed = (payload: Uint8Array, path: Path): boolean =>
  internetChecksum(payload, pseudoHeaderSum(path, payload.length)) === 0 || internetChecksum(payload) === 0;
