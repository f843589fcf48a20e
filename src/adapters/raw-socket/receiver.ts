import type { ChannelOptions, Packet } from '../../ports/transport.ts';
import { type IpAddress, isMulticast, parseAddress, sameAddress } from '../../protocol/address.ts';
import { CARP_PROTOCOL } from '../../protocol/constants.ts';
import { Linux } from '../linux/linux-constants.ts';
import { membership } from '../linux/receive-socket.ts';
import { readIpv4 } from './ip-header.ts';
import type { RawSocketModule } from './load-raw-socket.ts';
import type { OwnAddresses } from './own-addresses.ts';
import { openRawSocket, type RawSocket, type RawSocketOptions, type Received } from './raw-socket.ts';

/** Room for about 2,500 adverts; the default holds 256. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;
/** SK_MEMINFO_DROPS of linux/sock_diag.h: its place in what SO_MEMINFO returns, and how many words there are. */
const MEMINFO_DROPS = 8;
const MEMINFO_WORDS = 9;
/** Where a CARP and a VRRP packet have the number of their virtual host. */
const VHID_OFFSET = 1;

export interface Receiver {
  /** The next packet; 'refused' if it was not for us after all; `undefined` if there is none now. */
  readonly receive: () => Packet | 'refused' | undefined;
  /** Packets that found no room since the socket was set up: in the receive buffer, or beside it. */
  readonly dropped: () => number;
  readonly close: () => void;
}

export interface ReceiverOptions
  extends Pick<ChannelOptions, 'family' | 'interface' | 'vhid' | 'peers'>,
    Required<Pick<RawSocketOptions, 'onReadable' | 'onBroken'>> {
  readonly group: IpAddress;
  readonly own: OwnAddresses;
}

/** Binds a socket to an interface, both for what it sends and for what it receives. */
export const bindToInterface = (socket: RawSocket, name: string): void =>
  socket.set(Linux.SOL_SOCKET, Linux.SO_BINDTODEVICE, new TextEncoder().encode(`${name}\0`));

/** SO_RCVBUF alone stops at net.core.rmem_max, without an error; going beyond takes CAP_NET_ADMIN. */
const enlarge = (socket: RawSocket): void => {
  try {
    socket.set(Linux.SOL_SOCKET, Linux.SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
  } catch {
    socket.set(Linux.SOL_SOCKET, Linux.SO_RCVBUF, RECEIVE_BUFFER_BYTES);
  }
};

/**
 * From socket() on it is live on all interfaces. So it is bound first, then emptied of what came before, and only then
 * joined to the group. The event loop sees none of that: all of it happens in one turn.
 */
const setUp = (socket: RawSocket, { family, interface: name, group }: ReceiverOptions, ifIndex: number): void => {
  bindToInterface(socket, name);
  while (socket.receive() !== undefined);
  enlarge(socket);
  if (family === 4) {
    socket.set(Linux.SOL_IP, Linux.IP_MULTICAST_ALL, 0);
    socket.set(Linux.SOL_IP, Linux.IP_ADD_MEMBERSHIP, membership(group, ifIndex));
  } else {
    socket.set(Linux.SOL_IPV6, Linux.IPV6_ADD_MEMBERSHIP, membership(group, ifIndex));
  }
};

type Arrival = Omit<Packet, 'family' | 'dropped'>;

/**
 * An IPv6 raw socket delivers neither header nor, here, ancillary data. Only NetBSD counts the destination into its
 * checksum, and it has no unicast for IPv6: so the group is taken for it.
 */
const readIpv6 = ({ data, source: text }: Received, group: IpAddress): Arrival | undefined => {
  const source = parseAddress(text);
  return source === undefined ? undefined : { payload: data, source, destination: group, ttl: undefined };
};

/**
 * Receives the adverts of one virtual host. What the kernel's filter does for the koffi transport is done here: every
 * packet of protocol 112 on the interface costs this process a few microseconds, VRRP's included.
 *
 * @throws SystemCallError
 */
export const openReceiver = (module: RawSocketModule, options: ReceiverOptions, ifIndex: number): Receiver => {
  const { family, vhid, peers, group, own, onReadable, onBroken } = options;
  const socket = openRawSocket(module, { family, protocol: CARP_PROTOCOL, onReadable, onBroken });
  try {
    setUp(socket, options, ifIndex);
  } catch (error) {
    socket.close();
    throw error;
  }
  const meminfo = new Uint32Array(MEMINFO_WORDS);
  const meminfoBytes = new Uint8Array(meminfo.buffer);
  const drops = (): number => {
    socket.get(Linux.SOL_SOCKET, Linux.SO_MEMINFO, meminfoBytes);
    return (meminfo[MEMINFO_DROPS] ?? 0) + socket.lost();
  };
  const before = drops();
  /** When the buffer was last empty. A packet was not there then, so at least these were lost before it came. */
  let lostWhenEmpty = 0;

  /** The group, or with peers an address of this host: broadcasts and other groups stay out. */
  const isForUs = ({ destination }: Arrival): boolean =>
    sameAddress(destination, group) || (peers.length > 0 && !isMulticast(destination) && own.has(destination));
  const read = (received: Received): Arrival | undefined =>
    family === 4 ? readIpv4(received.data) : readIpv6(received, group);

  return {
    receive: () => {
      const received = socket.receive();
      if (received === undefined) {
        lostWhenEmpty = Math.max(0, drops() - before);
        return undefined;
      }
      const arrival = read(received);
      if (arrival === undefined || arrival.payload[VHID_OFFSET] !== vhid || !isForUs(arrival)) return 'refused';
      return { family, ...arrival, dropped: lostWhenEmpty };
    },
    dropped: () => Math.max(0, drops() - before),
    close: socket.close,
  };
};
