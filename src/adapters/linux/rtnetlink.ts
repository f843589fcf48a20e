/**
 * What netlink says about links and addresses (rtnetlink(7), include/uapi/linux/{rtnetlink,if_addr,if_link}.h). Pure.
 */
import { addressOf, type Cidr } from '../../protocol/address.ts';
import {
  concatBytes,
  decodeAttributes,
  decodeMessages,
  encodeAttribute,
  NETLINK_HEADER,
  NetlinkFlag,
  type NetlinkMessage,
  viewOf,
} from './netlink.ts';

const Type = {
  ERROR: 2,
  DONE: 3,
  OVERRUN: 4,
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
} as const;

const AF_INET = 2;
const AF_INET6 = 10;

/** struct ifinfomsg: family u8, pad u8, type u16, index i32, flags u32, change u32. */
const LINK_LENGTH = 16;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_LINK = 5;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
/** Inside IFLA_LINKINFO. */
const IFLA_INFO_KIND = 1;
/** struct ifaddrmsg: family u8, prefix length u8, flags u8, scope u8, index u32. */
const ADDRESS_LENGTH = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
/** struct ifa_cacheinfo: preferred u32, valid u32 (seconds), created u32, updated u32 (1/100 s). */
const IFA_CACHEINFO = 6;
const CACHEINFO_LENGTH = 16;
const IFA_FLAGS = 8;
const NLMSGERR_ATTR_MSG = 1;
const FOREVER = 0xffff_ffff;

export const LinkFlag = { UP: 0x1, RUNNING: 0x40 } as const;
export const AddressFlag = {
  SECONDARY: 0x01,
  NODAD: 0x02,
  DADFAILED: 0x08,
  DEPRECATED: 0x20,
  TENTATIVE: 0x40,
  PERMANENT: 0x80,
} as const;

/** Error numbers of Linux that have a meaning here. */
export const Errno = {
  EPERM: 1,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EOPNOTSUPP: 95,
  ENOBUFS: 105,
} as const;

export interface Link {
  readonly index: number;
  readonly name: string;
  /** IFF_…, see `LinkFlag`. */
  readonly flags: number;
  /** `00:00:5e:00:01:0a`; of Ethernet and the like. */
  readonly mac?: string;
  /** Index of the interface below, for VLANs and macvlans. */
  readonly lower?: number;
  /** Such as `macvlan`; of virtual interfaces. */
  readonly kind?: string;
  /** What `ip link set … alias` has written. */
  readonly alias?: string;
}

/** An address as the kernel has it. */
export interface AddressEntry extends Cidr {
  /** Of the interface. */
  readonly index: number;
  /** IFA_F_…, see `AddressFlag`. */
  readonly flags: number;
  /** RT_SCOPE_…: 0 global, 253 link, 254 host. */
  readonly scope: number;
  /** Seconds until the kernel removes it; `undefined` for a permanent one. */
  readonly validSeconds: number | undefined;
}

export type RouteMessage =
  | { readonly type: 'link'; readonly link: Link }
  | { readonly type: 'linkGone'; readonly index: number }
  | { readonly type: 'address'; readonly entry: AddressEntry }
  | { readonly type: 'addressGone'; readonly entry: AddressEntry };

/** The end of a request: `errno` is 0 for success, otherwise positive; `text` is the kernel's explanation, if any. */
export interface Outcome {
  readonly errno: number;
  readonly text?: string;
}

export type Answer =
  | RouteMessage
  | { readonly type: 'outcome'; readonly sequence: number; readonly outcome: Outcome }
  /** The end of a dump. */
  | { readonly type: 'done'; readonly sequence: number };

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replace(/\0.*$/s, '');

/** As people write a MAC address: `00:00:5e:00:01:0a`. */
export const formatMac = (mac: Uint8Array): string =>
  [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':');

const decodeLink = ({ type, payload }: NetlinkMessage): RouteMessage | undefined => {
  if (payload.length < LINK_LENGTH) return undefined;
  const view = viewOf(payload);
  // A bridge announces its ports with family AF_BRIDGE: DELLINK then means "left the bridge", not "is gone".
  if (view.getUint8(0) !== 0) return undefined;
  const index = view.getInt32(4, true);
  if (type === Type.DELLINK) return { type: 'linkGone', index };
  const attributes = decodeAttributes(payload.subarray(LINK_LENGTH));
  const name = attributes.get(IFLA_IFNAME);
  if (name === undefined) return undefined;
  const link = { index, name: textOf(name), flags: view.getUint32(8, true), ...linkDetails(attributes) };
  return { type: 'link', link };
};

type LinkDetails = Pick<Link, 'mac' | 'lower' | 'kind' | 'alias'>;

const linkDetails = (attributes: ReadonlyMap<number, Uint8Array>): LinkDetails => {
  const mac = attributes.get(IFLA_ADDRESS);
  const lower = attributes.get(IFLA_LINK);
  const kind = decodeAttributes(attributes.get(IFLA_LINKINFO) ?? new Uint8Array()).get(IFLA_INFO_KIND);
  const alias = attributes.get(IFLA_IFALIAS);
  return {
    ...(mac?.length === 6 ? { mac: formatMac(mac) } : {}),
    ...(lower?.length === 4 ? { lower: viewOf(lower).getUint32(0, true) } : {}),
    ...(kind === undefined ? {} : { kind: textOf(kind) }),
    ...(alias === undefined ? {} : { alias: textOf(alias) }),
  };
};

const decodeAddress = ({ type, payload }: NetlinkMessage): RouteMessage | undefined => {
  if (payload.length < ADDRESS_LENGTH) return undefined;
  const view = viewOf(payload);
  const family = view.getUint8(0);
  const attributes = decodeAttributes(payload.subarray(ADDRESS_LENGTH));
  // On a point-to-point link IFA_ADDRESS is the peer.
  const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
  if (bytes?.length !== (family === AF_INET ? 4 : family === AF_INET6 ? 16 : -1)) return undefined;
  const wideFlags = attributes.get(IFA_FLAGS);
  const flags = wideFlags?.length === 4 ? viewOf(wideFlags).getUint32(0, true) : view.getUint8(2);
  const cacheInfo = attributes.get(IFA_CACHEINFO);
  const valid =
    (cacheInfo?.length ?? 0) >= CACHEINFO_LENGTH && cacheInfo ? viewOf(cacheInfo).getUint32(4, true) : FOREVER;
  const entry: AddressEntry = {
    address: addressOf(bytes),
    prefix: view.getUint8(1),
    index: view.getUint32(4, true),
    flags,
    scope: view.getUint8(3),
    validSeconds: (flags & AddressFlag.PERMANENT) !== 0 || valid === FOREVER ? undefined : valid,
  };
  return { type: type === Type.NEWADDR ? 'address' : 'addressGone', entry };
};

const decodeOutcome = ({ flags, sequence, payload }: NetlinkMessage): Answer | undefined => {
  if (payload.length < 4) return undefined;
  const errno = -viewOf(payload).getInt32(0, true);
  // With NETLINK_CAP_ACK only the header of the request is echoed before the attributes.
  const attributes = (flags & NetlinkFlag.ACK_TLVS) !== 0 ? payload.subarray(4 + NETLINK_HEADER) : new Uint8Array();
  const text = decodeAttributes(attributes).get(NLMSGERR_ATTR_MSG);
  // `-0` for an acknowledgement would not be strictly 0 to assertions.
  const outcome = text === undefined ? { errno: errno || 0 } : { errno: errno || 0, text: textOf(text) };
  return { type: 'outcome', sequence, outcome };
};

const decodeOne = (message: NetlinkMessage): Answer | undefined => {
  switch (message.type) {
    case Type.ERROR:
      return decodeOutcome(message);
    case Type.DONE:
      return { type: 'done', sequence: message.sequence };
    case Type.NEWLINK:
    case Type.DELLINK:
      return decodeLink(message);
    case Type.NEWADDR:
    case Type.DELADDR:
      return decodeAddress(message);
    default:
      return undefined;
  }
};

/** All that is of interest in one datagram. `interrupted`: it belongs to a dump that has to be repeated. */
export const decodeAnswers = (datagram: Uint8Array): { answers: readonly Answer[]; interrupted: boolean } => {
  const messages = decodeMessages(datagram);
  return {
    answers: messages.map(decodeOne).filter((answer) => answer !== undefined),
    interrupted: messages.some(({ flags }) => (flags & NetlinkFlag.DUMP_INTR) !== 0),
  };
};

/** An address of an interface. */
export interface Place extends Cidr {
  readonly index: number;
}

/** A change of addresses in words. */
export type AddressChange =
  /** See `addAddress`, whose modes these are. */
  | { readonly type: 'exclusive' | 'replace'; readonly place: Place; readonly seconds: number }
  | { readonly type: 'delete'; readonly place: Place };

/** A request without its sequence number, which the socket gives it. */
export interface RouteRequest extends Omit<NetlinkMessage, 'sequence'> {
  /** The same for those who do not speak netlink (`iproute-kernel.ts`); of requests about addresses only. */
  readonly change?: AddressChange;
}

const uint32s = (...values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

const addressPayload = ({ address, prefix, index }: Place, flags: number, more: readonly Uint8Array[]): Uint8Array => {
  const header = new Uint8Array(ADDRESS_LENGTH);
  const view = viewOf(header);
  view.setUint8(0, address.family === 4 ? AF_INET : AF_INET6);
  view.setUint8(1, prefix);
  view.setUint8(2, flags);
  view.setUint32(4, index, true);
  const both = [IFA_LOCAL, IFA_ADDRESS].map((type) => encodeAttribute(type, address.bytes));
  return concatBytes([header, ...both, ...more]);
};

/**
 * Adds an address that the kernel removes by itself after `seconds`, or gives it that lifetime anew.
 *
 * IPv6: without duplicate address detection, which would cost 1.5 s, and deprecated from the start (preferred lifetime
 * 0), so that it is never chosen as a source. IPv4 has no such choice.
 *
 * @param mode - `exclusive` fails with EEXIST when the entry is there; `replace` creates it when it is missing, whatever
 *   the flags say (Linux inet_rtm_newaddr, inet6_rtm_newaddr): the caller must know that it is still entitled to it
 */
export const addAddress = (place: Place, seconds: number, mode: 'exclusive' | 'replace'): RouteRequest => {
  const six = place.address.family === 6;
  const lifetimes = encodeAttribute(IFA_CACHEINFO, uint32s(six ? 0 : seconds, seconds, 0, 0));
  const how = mode === 'exclusive' ? NetlinkFlag.CREATE | NetlinkFlag.EXCL : NetlinkFlag.CREATE | NetlinkFlag.REPLACE;
  return {
    type: Type.NEWADDR,
    flags: NetlinkFlag.REQUEST | how,
    payload: addressPayload(place, six ? AddressFlag.NODAD : 0, [lifetimes]),
    change: { type: mode, place, seconds },
  };
};

/** Removes exactly this entry: address and prefix. */
export const deleteAddress = (place: Place): RouteRequest => ({
  type: Type.DELADDR,
  flags: NetlinkFlag.REQUEST,
  payload: addressPayload(place, 0, []),
  change: { type: 'delete', place },
});

const dump = (type: number, length: number): RouteRequest => ({
  type,
  flags: NetlinkFlag.REQUEST | NetlinkFlag.DUMP,
  payload: new Uint8Array(length),
});

export const dumpLinks: RouteRequest = dump(Type.GETLINK, LINK_LENGTH);
export const dumpAddresses: RouteRequest = dump(Type.GETADDR, ADDRESS_LENGTH);
