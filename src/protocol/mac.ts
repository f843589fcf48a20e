/** Six bytes of a MAC address, written with colons or dashes; `undefined` if it is none. */
export const parseMac = (text: string): Uint8Array | undefined =>
  /^[0-9a-f]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}$/i.test(text)
    ? Uint8Array.from(text.split(/[:-]/), (octet) => Number.parseInt(octet, 16))
    : undefined;

export const formatMac = (mac: Uint8Array): string =>
  Array.from(mac, (octet) => octet.toString(16).padStart(2, '0')).join(':');

export const sameMac = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((octet, i) => octet === b[i]);

/** 00:00:5e:00:01:VHID, of CARP and VRRP alike, in both families (protocol.md 1.5). */
export const virtualMac = (vhid: number): Uint8Array => Uint8Array.of(0x00, 0x00, 0x5e, 0x00, 0x01, vhid);

/** The lowest bit of the first byte: no interface can have such an address. */
export const isGroupMac = (mac: Uint8Array): boolean => ((mac[0] ?? 0) & 1) === 1;
