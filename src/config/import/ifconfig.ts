/** What FreeBSD's and OpenBSD's ifconfig(8) have in common on import: masks, addresses, and how they are written. */
import { type Cidr, type IpAddress, parseAddress, parseCidr } from '../../protocol/address.ts';

/** The length of a prefix that is written as a mask: `255.255.255.0`, `0xffffff00`. */
export const prefixOfMask = (text: string): number | undefined => {
  if (/^\d{1,2}$/.test(text)) return Number(text) <= 32 ? Number(text) : undefined;
  const hex = /^0x([\da-f]{8})$/i.exec(text)?.[1];
  const bytes = hex === undefined ? parseAddress(text) : parseAddress(hexQuad(hex));
  if (bytes === undefined || bytes.family !== 4) return undefined;
  const bits = [...bytes.bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const [, ones = ''] = /^(1*)0*$/.exec(bits) ?? [];
  return ones === '' && bits !== '0'.repeat(32) ? undefined : ones.length;
};

const hexQuad = (hex: string): string => [0, 2, 4, 6].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.');

/** An address as ifconfig takes it, with or without a prefix, and without its zone. */
export const addressWord = (text: string): { readonly address: IpAddress; readonly prefix?: number } | undefined => {
  // Most words are none: a quick look saves the careful one.
  if (!/^[\da-f:][\da-f.:]*[.:]/i.test(text)) return undefined;
  const bare = text.replace(/%[^/]*/, '');
  const cidr = parseCidr(bare);
  if (cidr !== undefined) return cidr;
  const address = parseAddress(bare);
  return address && { address };
};

export const wholePrefix = ({ family }: IpAddress): number => (family === 4 ? 32 : 128);

/** No range has more: a longer one is a mistake. */
const RANGE_MAX = 256;

/**
 * `192.0.2.1-5/24` and `2001:db8::1-f/64` of rc.conf(5): the first address has that prefix, the others that of a host.
 * `undefined`: it is no range. Empty: it is one that cannot be.
 */
export const expandRange = (text: string): readonly Cidr[] | undefined => {
  const [, base = '', first = '', last = '', prefix = ''] =
    /^(.*[.:])([\da-f]+)-([\da-f]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  if (base === '') return undefined;
  const radix = base.includes(':') ? 16 : 10;
  const [from, to] = [Number.parseInt(first, radix), Number.parseInt(last, radix)];
  if (!(to >= from) || to - from >= RANGE_MAX) return [];
  const all: Cidr[] = [];
  for (let number = from; number <= to; number += 1) {
    const address = parseAddress(`${base}${number.toString(radix)}`);
    if (address === undefined) return [];
    const whole = wholePrefix(address);
    all.push({ address, prefix: number === from && prefix !== '' ? Math.min(Number(prefix), whole) : whole });
  }
  return all;
};

/** What our configuration calls an address of an interface: with the prefix, where one is told. */
export const cidrText = ({ address, prefix }: { readonly address: IpAddress; readonly prefix?: number }): string =>
  `${address.text}/${prefix ?? wholePrefix(address)}`;
