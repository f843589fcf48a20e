/**
 * What an advert's digest covers, and in which order.
 *
 * HMAC-SHA1 over: version (02), type (01), vhid, every IPv4 address in ascending numeric order, every IPv6 address in
 * ascending order, the counter. Each address counts once; 0.0.0.0, 255.255.255.255, :: and ffff:…:ffff never count.
 * advbase, advskew, the demotion byte and the IP header are not covered: whoever sees one valid advert can rewrite them.
 *
 * OpenBSD's carp interface always has an automatic link-local address. So OpenBSD signs *without* link-local addresses,
 * and accepts both forms; FreeBSD and NetBSD sign with them (ip_carp.c, carp_hmac_prepare_ctx), NetBSD with its automatic
 * one as well. An OpenBSD interface with a MAC of its own puts these 6 bytes between type and vhid.
 */
import { addressOf, compareAddresses, type IpAddress, isLinkLocal } from './address.ts';
import type { Advert } from './advert.ts';
import { KEY_LENGTH } from './constants.ts';
import type { Vhid } from './units.ts';

/** HMAC-SHA1 with a key that it keeps to itself; 20 bytes. */
export type Sign = (message: Uint8Array) => Uint8Array;

/**
 * Which IPv6 addresses besides the global ones are part of the signed list: the link-local ones of the group as they are
 * listed, none, or also the one that the carp interface of OpenBSD and NetBSD has by itself.
 */
export const ADDRESS_FORMS = ['with-link-local', 'without-link-local', 'with-virtual-link-local'] as const;
export type AddressForm = (typeof ADDRESS_FORMS)[number];

/**
 * The 20-byte key of a password: its bytes, padded with zeros. The kernels do not hash it.
 * @throws RangeError if the password is longer than the key
 */
export const keyOf = (password: Uint8Array): Uint8Array => {
  if (password.length > KEY_LENGTH)
    throw new RangeError(`a key has at most ${KEY_LENGTH} bytes, not ${password.length}`);
  const key = new Uint8Array(KEY_LENGTH);
  key.set(password);
  return key;
};

/** The embedded zone of a scoped address (KAME) and what follows the prefix in 16 bits are not hashed. */
const hashedBytes = (address: IpAddress): Uint8Array => {
  const scoped = isLinkLocal(address) || isScopedMulticast(address);
  return scoped ? Uint8Array.from(address.bytes, (octet, i) => (i === 2 || i === 3 ? 0 : octet)) : address.bytes;
};

/** Multicast of interface-local or link-local scope. */
const isScopedMulticast = ({ family, bytes }: IpAddress): boolean =>
  family === 6 && bytes[0] === 0xff && [1, 2].includes((bytes[1] ?? 0) & 0x0f);

const isExtreme = ({ bytes }: IpAddress): boolean =>
  bytes.every((octet) => octet === 0) || bytes.every((octet) => octet === 0xff);

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((octet, i) => octet === b[i]);

/** fe80::200:5eff:fe00:1VV: EUI-64 of the virtual MAC 00:00:5e:00:01:VV (protocol.md 12). */
export const virtualLinkLocal = (vhid: Vhid): IpAddress =>
  addressOf(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x02, 0, 0x5e, 0xff, 0xfe, 0, 0x01, vhid));

/** The carp interface has a link-local address only where it speaks IPv6. */
const listed = (vhid: Vhid, addresses: readonly IpAddress[], form: AddressForm): readonly IpAddress[] =>
  form === 'with-virtual-link-local' && addresses.some(({ family }) => family === 6)
    ? [...addresses, virtualLinkLocal(vhid)]
    : addresses;

const signedAddresses = (addresses: readonly IpAddress[], form: AddressForm): Uint8Array[] =>
  addresses
    .filter((address) => !isExtreme(address) && (form !== 'without-link-local' || !isLinkLocal(address)))
    .map((address): IpAddress => ({ ...address, bytes: hashedBytes(address) }))
    .sort(compareAddresses)
    .map((address) => address.bytes)
    .filter((bytes, i, all) => {
      const before = all[i - 1];
      return before === undefined || !sameBytes(before, bytes);
    });

export interface SignedList {
  readonly vhid: Vhid;
  readonly addresses: readonly IpAddress[];
  readonly form: AddressForm;
  /** OpenBSD's extra 6 bytes, if its interface has a MAC of its own. */
  readonly mac?: Uint8Array;
}

/** The bytes to be signed, with the counter left 0; it is the last 8. */
export const signedMessage = ({ vhid, addresses, form, mac }: SignedList): Uint8Array =>
  Uint8Array.from(
    [
      [2, 1],
      [...(mac ?? [])],
      [vhid],
      ...signedAddresses(listed(vhid, addresses, form), form).map((bytes) => [...bytes]),
      Array(8).fill(0),
    ].flat(),
  );

/** Compares in constant time: how long it takes tells nothing about where two digests differ. */
const sameDigest = (a: Uint8Array, b: Uint8Array): boolean => {
  let difference = a.length ^ b.length;
  for (const [i, octet] of a.entries()) difference |= octet ^ (b[i] ?? 0);
  return difference === 0;
};

export interface Authenticator {
  /** The digest that an advert with this counter must carry. */
  readonly digest: (counter: bigint, form: AddressForm) => Uint8Array;
  /** The form in which the advert is genuine, or `undefined`: wrong password, other addresses, other vhid, altered. */
  readonly verify: (advert: Pick<Advert, 'counter' | 'digest'>) => AddressForm | undefined;
}

export const authenticator = (list: Omit<SignedList, 'form'>, sign: Sign): Authenticator => {
  const messages = {
    'with-link-local': signedMessage({ ...list, form: 'with-link-local' }),
    'without-link-local': signedMessage({ ...list, form: 'without-link-local' }),
    'with-virtual-link-local': signedMessage({ ...list, form: 'with-virtual-link-local' }),
  };
  // Forms that come to the same bytes here are one: a forged advert should cost as little as it can.
  const forms = ADDRESS_FORMS.filter(
    (form, i) => !ADDRESS_FORMS.slice(0, i).some((earlier) => sameBytes(messages[earlier], messages[form])),
  );
  const digest = (counter: bigint, form: AddressForm): Uint8Array => {
    const message = messages[form];
    new DataView(message.buffer, message.byteOffset).setBigUint64(message.length - 8, counter);
    return sign(message);
  };
  return {
    digest,
    verify: (advert) => forms.find((form) => sameDigest(digest(advert.counter, form), advert.digest)),
  };
};
