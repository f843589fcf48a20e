import type { ChannelOptions, Packet } from '../../ports/transport.ts';
import { addressOf, type IpAddress, isMulticast, sameAddress } from '../../protocol/address.ts';
import { CARP_PROTOCOL } from '../../protocol/constants.ts';
import { advertFilter } from './advert-filter.ts';
import type { Control } from './control-messages.ts';
import type { Libc, Message } from './libc.ts';
import { Linux } from './linux-constants.ts';
import { addressOfSocketAddress6 } from './sockaddr.ts';

/** Room for about 2,500 adverts; the default holds 256. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;
/** An advert is a hundred bytes at most with its header. What is longer than this is none, and is refused or cut off. */
const PACKET_BYTES = 2048;
const CONTROL_BYTES = 256;
/** SK_MEMINFO_DROPS of linux/sock_diag.h: its place in what SO_MEMINFO returns, and how many words there are. */
const MEMINFO_DROPS = 8;
const MEMINFO_WORDS = 9;

export interface ReceiveSocket {
  readonly fd: number;
  /** The next packet; 'refused' if it was not for us after all; `undefined` if there is none now. */
  readonly receive: () => Packet | 'refused' | undefined;
  /** Packets that did not fit into the receive buffer since the socket was set up. */
  readonly dropped: () => number;
}

export interface ReceiveSocketOptions extends Pick<ChannelOptions, 'family' | 'interface' | 'vhid' | 'peers'> {
  readonly ifIndex: number;
  readonly group: IpAddress;
}

const terminated = (name: string): Uint8Array => new TextEncoder().encode(`${name}\0`);

/** Binds a socket to an interface, both for what it sends and for what it receives. */
export const bindToInterface = (libc: Libc, fd: number, name: string): void =>
  libc.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_BINDTODEVICE, terminated(name));

/** struct ip_mreqn, or struct ipv6_mreq. */
export const membership = (group: IpAddress, ifIndex: number): Uint8Array => {
  const view = new DataView(new ArrayBuffer(group.family === 4 ? 12 : 20));
  new Uint8Array(view.buffer).set(group.bytes);
  view.setInt32(group.family === 4 ? 8 : 16, ifIndex, true);
  return new Uint8Array(view.buffer);
};

/** SO_RCVBUF alone stops at net.core.rmem_max, without an error; going beyond takes CAP_NET_ADMIN. */
const enlarge = (libc: Libc, fd: number): void => {
  try {
    libc.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
  } catch {
    libc.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_RCVBUF, RECEIVE_BUFFER_BYTES);
  }
};

/**
 * Makes a raw socket the receiver of one virtual host's adverts.
 *
 * From socket() on it is live on all interfaces. So it is bound and filtered first, then emptied of what came before,
 * and only then joined to the group.
 */
const setUp = (
  libc: Libc,
  fd: number,
  { family, interface: name, vhid, peers, ifIndex, group }: ReceiveSocketOptions,
): void => {
  bindToInterface(libc, fd, name);
  libc.attachFilter(fd, advertFilter({ group, vhid, unicast: peers.length > 0 }));
  const scratch = new Uint8Array(new ArrayBuffer(1));
  while (libc.recv(fd, scratch, Linux.MSG_TRUNC) !== undefined);
  enlarge(libc, fd);
  libc.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_RXQ_OVFL, 1);
  if (family === 4) {
    libc.setsockopt(fd, Linux.SOL_IP, Linux.IP_PKTINFO, 1);
    libc.setsockopt(fd, Linux.SOL_IP, Linux.IP_MULTICAST_ALL, 0);
    libc.setsockopt(fd, Linux.SOL_IP, Linux.IP_ADD_MEMBERSHIP, membership(group, ifIndex));
  } else {
    libc.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_RECVPKTINFO, 1);
    libc.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_RECVHOPLIMIT, 1);
    libc.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_ADD_MEMBERSHIP, membership(group, ifIndex));
  }
};

/** @throws SystemCallError, CarpError CARP_NO_PERMISSION */
export const receiveSocket = (libc: Libc, options: ReceiveSocketOptions): ReceiveSocket => {
  const { family, ifIndex, group, peers } = options;
  const fd = libc.socket(family === 4 ? Linux.AF_INET : Linux.AF_INET6, Linux.SOCK_RAW, CARP_PROTOCOL);
  try {
    setUp(libc, fd, options);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  const receive = libc.receiver({ data: PACKET_BYTES, control: CONTROL_BYTES });
  const meminfo = new Uint32Array(MEMINFO_WORDS);
  const meminfoBytes = new Uint8Array(meminfo.buffer);
  const drops = (): number => {
    libc.getsockopt(fd, Linux.SOL_SOCKET, Linux.SO_MEMINFO, meminfoBytes);
    return meminfo[MEMINFO_DROPS] ?? 0;
  };
  const before = drops();
  const read = family === 4 ? readIpv4 : readIpv6;
  /** The group, or with peers an address of this host: the kernel delivers nothing else that is no multicast or broadcast. */
  const isForUs = ({ destination, isUnicast }: Arrival): boolean =>
    sameAddress(destination, group) || (peers.length > 0 && isUnicast);

  return {
    fd,
    receive: () => {
      const message = receive(fd);
      if (message === undefined) return undefined;
      const arrival = read(message);
      if (arrival === undefined || arrival.ifIndex !== ifIndex || !isForUs(arrival)) return 'refused';
      const { payload, source, destination, ttl, dropped } = arrival;
      return { family, payload, source, destination, ttl, dropped: Math.max(0, dropped - before) };
    },
    // The kernel counts in 32 bits.
    dropped: () => Math.max(0, drops() - before),
  };
};

interface Arrival extends Omit<Packet, 'family'> {
  readonly ifIndex: number;
  readonly isUnicast: boolean;
}

const control = ({ control: all }: Message, level: number, type: number): Control | undefined =>
  all.find((each) => each.level === level && each.type === type);

const integer = (found: Control | undefined, offset = 0): number | undefined =>
  found === undefined || found.data.length < offset + 4
    ? undefined
    : new DataView(found.data.buffer, found.data.byteOffset).getUint32(offset, true);

/** SO_RXQ_OVFL comes only once there are any. */
const droppedBefore = (message: Message): number => integer(control(message, Linux.SOL_SOCKET, Linux.SO_RXQ_OVFL)) ?? 0;

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.every((octet, i) => octet === b[i]);

/** The data begin with the IP header. `undefined` if that makes no sense. */
const readIpv4 = (message: Message): Arrival | undefined => {
  const { data } = message;
  const info = control(message, Linux.SOL_IP, Linux.IP_PKTINFO);
  const ifIndex = integer(info);
  if (info === undefined || info.data.length < 12 || ifIndex === undefined || data.length < 20) return undefined;
  const header = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const headerLength = (header.getUint8(0) & 0x0f) * 4;
  const totalLength = header.getUint16(2, false);
  if (header.getUint8(0) >> 4 !== 4 || headerLength < 20) return undefined;
  if (totalLength < headerLength || totalLength > data.length) return undefined;
  const destination = addressOf(data.subarray(16, 20));
  return {
    ifIndex,
    payload: data.slice(headerLength, totalLength),
    source: addressOf(data.subarray(12, 16)),
    destination,
    ttl: header.getUint8(8),
    dropped: droppedBefore(message),
    // struct in_pktinfo: ifindex, our own address that it came to, destination. A broadcast differs in the two.
    isUnicast: !isMulticast(destination) && sameBytes(info.data.subarray(4, 8), info.data.subarray(8, 12)),
  };
};

/** The data begin after the IP header, of which the ancillary data tell. */
const readIpv6 = (message: Message): Arrival | undefined => {
  const info = control(message, Linux.SOL_IPV6, Linux.IPV6_PKTINFO);
  const ifIndex = integer(info, 16);
  if (info === undefined || ifIndex === undefined || message.name.length < 24) return undefined;
  const destination = addressOf(info.data.subarray(0, 16));
  return {
    ifIndex,
    payload: message.data.slice(),
    source: addressOfSocketAddress6(message.name),
    destination,
    ttl: integer(control(message, Linux.SOL_IPV6, Linux.IPV6_HOPLIMIT)),
    dropped: droppedBefore(message),
    isUnicast: !isMulticast(destination),
  };
};
