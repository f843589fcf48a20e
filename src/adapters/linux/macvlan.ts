/** Requests for macvlans: interfaces with a MAC address of their own on top of another (rtnetlink(7), linux/if_link.h). Pure. */
import type { Vhid } from '../../protocol/units.ts';
import { concatBytes, encodeAttribute, NetlinkFlag, viewOf } from './netlink.ts';
import { type Link, LinkFlag, type RouteRequest } from './rtnetlink.ts';

const NEWLINK = 16;
const DELLINK = 17;
/** struct ifinfomsg: family u8, pad u8, type u16, index i32, flags u32, change u32. */
const HEADER = 16;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_LINK = 5;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_AF_SPEC = 26;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_MACVLAN_MODE = 1;
const MACVLAN_MODE_PRIVATE = 1;
const AF_INET6 = 10;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;

/** The MAC address of a virtual host, for both families (protocol.md 1.5; RFC 5798 7.3 gives IPv6 another one). */
export const virtualMacOf = (vhid: Vhid): Uint8Array => Uint8Array.of(0, 0, 0x5e, 0, 1, vhid);

/**
 * The name of the macvlan of a virtual host on an interface: from its index, which is unique and no longer than the 15
 * characters that a name may have, also where the name of the interface is not.
 */
export const macvlanName = (lower: number, vhid: Vhid): string => {
  const decimal = `carp${lower}-${vhid}`;
  return decimal.length <= 15 ? decimal : `carp${lower.toString(36)}_${vhid}`;
};

const uint32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`);
const nested = (type: number, ...inside: readonly Uint8Array[]): Uint8Array =>
  encodeAttribute(type, concatBytes(inside));

interface Header {
  readonly index?: number;
  readonly flags?: number;
  readonly change?: number;
}

const linkMessage = (
  { index = 0, flags = 0, change = 0 }: Header,
  ...attributes: readonly Uint8Array[]
): Uint8Array => {
  const header = new Uint8Array(HEADER);
  const view = viewOf(header);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return concatBytes([header, ...attributes]);
};

export interface Macvlan {
  readonly name: string;
  /** Index of the interface below. */
  readonly lower: number;
  readonly mac: Uint8Array;
}

/** Creates a private macvlan that is down. EEXIST: the name is taken. */
export const addMacvlan = ({ name, lower, mac }: Macvlan): RouteRequest => ({
  type: NEWLINK,
  flags: NetlinkFlag.REQUEST | NetlinkFlag.CREATE | NetlinkFlag.EXCL,
  payload: linkMessage(
    {},
    encodeAttribute(IFLA_IFNAME, text(name)),
    encodeAttribute(IFLA_LINK, uint32(lower)),
    encodeAttribute(IFLA_ADDRESS, mac),
    nested(
      IFLA_LINKINFO,
      encodeAttribute(IFLA_INFO_KIND, text('macvlan')),
      nested(IFLA_INFO_DATA, encodeAttribute(IFLA_MACVLAN_MODE, uint32(MACVLAN_MODE_PRIVATE))),
    ),
  ),
});

const change = (header: Header, ...attributes: readonly Uint8Array[]): RouteRequest => ({
  type: NEWLINK,
  flags: NetlinkFlag.REQUEST,
  payload: linkMessage(header, ...attributes),
});

export const setUp = ({ index }: Pick<Link, 'index'>): RouteRequest =>
  change({ index, flags: LinkFlag.UP, change: LinkFlag.UP });

/** IPv6 addresses go with it, IPv4 addresses stay. Nothing is sent any more from this moment on. */
export const setDown = ({ index }: Pick<Link, 'index'>): RouteRequest =>
  change({ index, flags: 0, change: LinkFlag.UP });

/** A line for people and programs: `ip link show` prints it. At most 255 bytes. */
export const setAlias = ({ index }: Pick<Link, 'index'>, alias: string): RouteRequest =>
  change({ index }, encodeAttribute(IFLA_IFALIAS, new TextEncoder().encode(alias)));

/** The kernel makes no link-local address: with one it would solicit routers and run duplicate address detection. */
export const withoutLinkLocal = ({ index }: Pick<Link, 'index'>): RouteRequest =>
  change(
    { index },
    nested(
      IFLA_AF_SPEC,
      nested(AF_INET6, encodeAttribute(IFLA_INET6_ADDR_GEN_MODE, Uint8Array.of(IN6_ADDR_GEN_MODE_NONE))),
    ),
  );

export const deleteLink = ({ index }: Pick<Link, 'index'>): RouteRequest => ({
  type: DELLINK,
  flags: NetlinkFlag.REQUEST,
  payload: linkMessage({ index }),
});
