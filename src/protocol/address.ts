import ipaddr from 'ipaddr.js';

export type Family = 4 | 6;

/** One IP address, ready to be compared, hashed and shown. Make it with `parseAddress` or `addressOf`. */
export interface IpAddress {
  readonly family: Family;
  /** 4 or 16 bytes in network order. */
  readonly bytes: Uint8Array;
  /** Canonical: dotted quad, or RFC 5952 without a zone. */
  readonly text: string;
}

/** An address with the length of its subnet's prefix, as in `192.0.2.100/24`. */
export interface Cidr {
  readonly address: IpAddress;
  readonly prefix: number;
}

const of = (parsed: ipaddr.IPv4 | ipaddr.IPv6): IpAddress => ({
  family: parsed.kind() === 'ipv4' ? 4 : 6,
  bytes: Uint8Array.from(parsed.toByteArray()),
  text: parsed.kind() === 'ipv4' ? parsed.toString() : (parsed as ipaddr.IPv6).toRFC5952String(),
});

/** Seen before it is asked: for whatever is no IPv4 address the library throws and catches an error, which takes long. */
const FOUR_PARTS = /^\d+(\.\d+){3}$/;

/** Reads an address as people write it; `undefined` if it is none. The zone of an IPv6 address (`%eth0`) is dropped. */
export const parseAddress = (text: string): IpAddress | undefined => {
  if (FOUR_PARTS.test(text) && ipaddr.IPv4.isValidFourPartDecimal(text)) return of(ipaddr.IPv4.parse(text));
  const [, bare = ''] = /^([^%]+)(?:%[^%]+)?$/.exec(text) ?? [];
  return bare.includes(':') && ipaddr.IPv6.isValid(bare) ? of(ipaddr.IPv6.parse(bare)) : undefined;
};

/** Reads `address/prefix`; `undefined` if the prefix is missing or does not fit the family. */
export const parseCidr = (text: string): Cidr | undefined => {
  const [, host, length] = /^(.+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = host === undefined || host.includes('%') ? undefined : parseAddress(host);
  const prefix = Number(length);
  return address !== undefined && prefix <= address.bytes.length * 8 ? { address, prefix } : undefined;
};

export const formatCidr = ({ address, prefix }: Cidr): string => `${address.text}/${prefix}`;

/** An address from 4 or 16 bytes in network order. @throws RangeError for any other length */
export const addressOf = (bytes: Uint8Array): IpAddress => {
  if (bytes.length !== 4 && bytes.length !== 16)
    throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`);
  return of(ipaddr.fromByteArray([...bytes]));
};

/** Orders addresses of one family as numbers in network byte order; IPv4 comes before IPv6. */
export const compareAddresses = (a: IpAddress, b: IpAddress): number => {
  if (a.family !== b.family) return a.family - b.family;
  for (const [i, octet] of a.bytes.entries()) {
    const difference = octet - (b.bytes[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};

export const sameAddress = (a: IpAddress, b: IpAddress): boolean => a.text === b.text;

/** fe80::/10. */
export const isLinkLocal = ({ family, bytes }: IpAddress): boolean =>
  family === 6 && bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;

/** 224.0.0.0/4 and ff00::/8. */
export const isMulticast = ({ family, bytes }: IpAddress): boolean =>
  family === 6 ? bytes[0] === 0xff : ((bytes[0] ?? 0) & 0xf0) === 0xe0;

/** Whether `address` lies in the subnet of `cidr`. */
export const isInSubnet = (address: IpAddress, { address: host, prefix }: Cidr): boolean => {
  if (address.family !== host.family) return false;
  return address.bytes.every((octet, i) => {
    const bits = Math.min(8, Math.max(0, prefix - i * 8));
    const mask = (0xff00 >> bits) & 0xff;
    return (octet & mask) === ((host.bytes[i] ?? 0) & mask);
  });
};
