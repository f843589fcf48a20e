import { internetChecksum, type Path, pseudoHeaderSum } from './checksum.ts';
import { ADVERT_LENGTH } from './constants.ts';
import type { AdvBase, AdvSkew, Vhid } from './units.ts';

/** One CARP version 2 advertisement, the 36 bytes behind the IP header. */
export interface Advert {
  readonly vhid: Vhid;
  readonly advbase: AdvBase;
  readonly advskew: AdvSkew;
  /** Byte 4: OpenBSD's demotion count, 0 from everybody else. */
  readonly demotion: number;
  /** 64 bits; a running number, random numbers or one constant, depending on the system. */
  readonly counter: bigint;
  /** HMAC-SHA1, 20 bytes. */
  readonly digest: Uint8Array;
}

/** Why a payload is no advert. The names are those of `netstat -s -p carp`. */
export type AdvertFault = 'badlen' | 'badsum' | 'badver' | 'badvhid';

export type DecodedAdvert =
  | { readonly ok: true; readonly advert: Advert }
  | { readonly ok: false; readonly fault: AdvertFault };

/** Offsets in bytes. Fields of more than one byte are big-endian. */
export const Field = {
  versionType: 0,
  vhid: 1,
  advskew: 2,
  authLength: 3,
  demotion: 4,
  advbase: 5,
  checksum: 6,
  counter: 8,
  digest: 16,
} as const;

const VERSION = 2;
const ADVERTISEMENT = 1;
/** Counter and digest in 32-bit words. */
const AUTH_WORDS = 7;

const viewOf = (payload: Uint8Array): DataView =>
  // A Node Buffer is often a slice of a pool: without byteOffset the view would show somebody else's bytes.
  new DataView(payload.buffer, payload.byteOffset, ADVERT_LENGTH);

/** The version nibble, which VRRPv2 shares with CARP; `undefined` of an empty payload. */
export const versionOf = (payload: Uint8Array): number | undefined =>
  payload[Field.versionType] === undefined ? undefined : (payload[Field.versionType] as number) >> 4;

/** The fields as they stand, whatever they are worth. @throws RangeError if there are fewer than 36 bytes */
export const readAdvert = (payload: Uint8Array): Advert => {
  const view = viewOf(payload);
  return {
    vhid: view.getUint8(Field.vhid) as Vhid,
    advbase: view.getUint8(Field.advbase) as AdvBase,
    advskew: view.getUint8(Field.advskew) as AdvSkew,
    demotion: view.getUint8(Field.demotion),
    counter: view.getBigUint64(Field.counter),
    // A copy also of a Buffer, whose own slice would still be a view of the received packet.
    digest: Uint8Array.from(payload.subarray(Field.digest, ADVERT_LENGTH)),
  };
};

/**
 * Whether the checksum over the first 36 bytes is right. An IPv6 advert may have it in either form, with the
 * pseudo-header as NetBSD sends it or without as everybody else does (DESIGN D9); the first needs to know the path.
 */
export const hasValidChecksum = (payload: Uint8Array, path?: Path): boolean => {
  const header = payload.subarray(0, ADVERT_LENGTH);
  if (internetChecksum(header) === 0) return true;
  return path?.source.family === 6 && internetChecksum(header, pseudoHeaderSum(path)) === 0;
};

/**
 * Reads the payload of an IP packet of protocol 112. Never throws: the network is not a caller.
 * Type, authentication length and bytes behind the 36th are not looked at, as in every kernel.
 *
 * @param path - of the packet; without it an IPv6 advert of NetBSD is `badsum`
 */
export const decodeAdvert = (payload: Uint8Array, path?: Path): DecodedAdvert => {
  if (payload.length < ADVERT_LENGTH) return { ok: false, fault: 'badlen' };
  if (!hasValidChecksum(payload, path)) return { ok: false, fault: 'badsum' };
  if (versionOf(payload) !== VERSION) return { ok: false, fault: 'badver' };
  const advert = readAdvert(payload);
  return advert.vhid === 0 ? { ok: false, fault: 'badvhid' } : { ok: true, advert };
};

/**
 * Writes the 36 bytes, checksum included: without pseudo-header, as FreeBSD and OpenBSD send it.
 *
 * @param path - of an IPv6 packet that is to be checksummed with its pseudo-header, as NetBSD sends it
 */
export const encodeAdvert = (advert: Advert, path?: Path): Uint8Array => {
  const payload = new Uint8Array(ADVERT_LENGTH);
  const view = viewOf(payload);
  view.setUint8(Field.versionType, (VERSION << 4) | ADVERTISEMENT);
  view.setUint8(Field.vhid, advert.vhid);
  view.setUint8(Field.advskew, advert.advskew);
  view.setUint8(Field.authLength, AUTH_WORDS);
  view.setUint8(Field.demotion, advert.demotion);
  view.setUint8(Field.advbase, advert.advbase);
  view.setBigUint64(Field.counter, advert.counter);
  payload.set(advert.digest, Field.digest);
  view.setUint16(Field.checksum, internetChecksum(payload, path === undefined ? 0 : pseudoHeaderSum(path)));
  return payload;
};
