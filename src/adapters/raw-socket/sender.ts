import type { ChannelOptions } from '../../ports/transport.ts';
import type { IpAddress } from '../../protocol/address.ts';
import { SystemCallError } from '../linux/libc.ts';
import { Linux } from '../linux/linux-constants.ts';
import { membership } from '../linux/receive-socket.ts';
import { ipPacket } from './ip-header.ts';
import type { RawSocketModule } from './load-raw-socket.ts';
import type { OwnAddresses } from './own-addresses.ts';
import { openRawSocket, type RawSocket } from './raw-socket.ts';
import { bindToInterface } from './receiver.ts';

export interface Sender {
  /** @throws SystemCallError */
  readonly send: (payload: Uint8Array, to: { readonly source: IpAddress; readonly destination: IpAddress }) => void;
  readonly close: () => void;
}

export interface SenderOptions extends Pick<ChannelOptions, 'family' | 'interface' | 'peers' | 'tos'> {
  readonly group: IpAddress;
  readonly own: OwnAddresses;
}

/**
 * IPPROTO_RAW: packets bring their IP header along (raw(7)), and nothing is ever received. Without sendmsg there is no
 * other way to say which address a unicast packet comes from.
 */
const IPPROTO_RAW = 255;
const ANY4 = new Uint8Array(4);

/** *_RECVERR, for multicast alone: see `send-socket.ts` of the koffi transport. */
const setUp = (socket: RawSocket, { family, interface: name, peers, group }: SenderOptions, ifIndex: number): void => {
  bindToInterface(socket, name);
  const isMulticast = peers.length === 0 ? 1 : 0;
  if (family === 4) {
    socket.set(Linux.SOL_IP, Linux.IP_MULTICAST_IF, membership({ ...group, bytes: ANY4 }, ifIndex));
    socket.set(Linux.SOL_IP, Linux.IP_MULTICAST_LOOP, 0);
    socket.set(Linux.SOL_IP, Linux.IP_RECVERR, isMulticast);
  } else {
    socket.set(Linux.SOL_IPV6, Linux.IPV6_MULTICAST_IF, ifIndex);
    socket.set(Linux.SOL_IPV6, Linux.IPV6_MULTICAST_LOOP, 0);
    socket.set(Linux.SOL_IPV6, Linux.IPV6_RECVERR, isMulticast);
  }
};

/** A socket of its own, because sends on one that is being flooded wait for seconds. @throws SystemCallError */
export const openSender = (module: RawSocketModule, options: SenderOptions, ifIndex: number): Sender => {
  const { family, interface: name, tos, own } = options;
  const socket = openRawSocket(module, { family, protocol: IPPROTO_RAW });
  try {
    setUp(socket, options, ifIndex);
  } catch (error) {
    socket.close();
    throw error;
  }
  return {
    send: (payload, { source, destination }) => {
      // Whoever brings the header may claim any source, so the kernel does not look. Of a link that is down it says so.
      if (own.knows(name) && !own.has(source))
        throw new SystemCallError('sendto', 'EADDRNOTAVAIL', 'this host does not have the source address');
      socket.send(ipPacket(payload, { source, destination, tos }), destination.text);
    },
    close: socket.close,
  };
};
