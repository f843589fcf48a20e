import type { ChannelOptions } from '../../ports/transport.ts';
import type { IpAddress } from '../../protocol/address.ts';
import { CARP_PROTOCOL, CARP_TTL } from '../../protocol/constants.ts';
import { DROP_ALL } from './advert-filter.ts';
import type { Control } from './control-messages.ts';
import type { Libc } from './libc.ts';
import { Linux } from './linux-constants.ts';
import { bindToInterface, membership } from './receive-socket.ts';
import { socketAddress } from './sockaddr.ts';

export interface SendSocket {
  readonly fd: number;
  /** @throws SystemCallError */
  readonly send: (payload: Uint8Array, to: { readonly source: IpAddress; readonly destination: IpAddress }) => void;
}

export interface SendSocketOptions extends Pick<ChannelOptions, 'family' | 'interface' | 'peers' | 'tos'> {
  readonly ifIndex: number;
  readonly group: IpAddress;
}

const ANY4 = new Uint8Array(4);

/** IP_PKTINFO or IPV6_PKTINFO: which address and interface one packet leaves from, so that no socket is bound to either. */
const packetInfo = (source: IpAddress, ifIndex: number): Control => {
  const view = new DataView(new ArrayBuffer(source.family === 4 ? 12 : 20));
  view.setInt32(source.family === 4 ? 0 : 16, ifIndex, true);
  const data = new Uint8Array(view.buffer);
  data.set(source.bytes, source.family === 4 ? 4 : 0);
  return source.family === 4
    ? { level: Linux.SOL_IP, type: Linux.IP_PKTINFO, data }
    : { level: Linux.SOL_IPV6, type: Linux.IPV6_PKTINFO, data };
};

/**
 * Without *_RECVERR the kernel calls a packet sent that did not fit into the interface's queue. With it, what routers
 * and peers report by ICMP fails the next send too; a group address gets no such reports, but a peer that is down must
 * not look like an error of ours. Hence only for multicast.
 */
const setUp = (
  libc: Libc,
  fd: number,
  { family, interface: name, peers, tos, ifIndex, group }: SendSocketOptions,
): void => {
  libc.attachFilter(fd, DROP_ALL);
  bindToInterface(libc, fd, name);
  const isMulticast = peers.length === 0 ? 1 : 0;
  if (family === 4) {
    const interfaceOnly = membership({ ...group, bytes: ANY4 }, ifIndex);
    libc.setsockopt(fd, Linux.SOL_IP, Linux.IP_MULTICAST_IF, interfaceOnly);
    libc.setsockopt(fd, Linux.SOL_IP, Linux.IP_MULTICAST_TTL, CARP_TTL);
    libc.setsockopt(fd, Linux.SOL_IP, Linux.IP_MULTICAST_LOOP, 0);
    libc.setsockopt(fd, Linux.SOL_IP, Linux.IP_MULTICAST_ALL, 0);
    libc.setsockopt(fd, Linux.SOL_IP, Linux.IP_TTL, CARP_TTL);
    libc.setsockopt(fd, Linux.SOL_IP, Linux.IP_TOS, tos);
    // Don't fragment, as the BSDs set it; the IP id becomes 0 by that.
    libc.setsockopt(fd, Linux.SOL_IP, Linux.IP_MTU_DISCOVER, Linux.IP_PMTUDISC_DO);
    libc.setsockopt(fd, Linux.SOL_IP, Linux.IP_RECVERR, isMulticast);
  } else {
    libc.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_MULTICAST_IF, ifIndex);
    libc.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_MULTICAST_HOPS, CARP_TTL);
    libc.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_MULTICAST_LOOP, 0);
    libc.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_UNICAST_HOPS, CARP_TTL);
    libc.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_TCLASS, tos);
    // The BSDs send flow label 0; Linux would make one up.
    libc.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_AUTOFLOWLABEL, 0);
    libc.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_RECVERR, isMulticast);
  }
};

/** A socket of its own, because sends on one that is being flooded wait for seconds. @throws as `receiveSocket` */
export const sendSocket = (libc: Libc, options: SendSocketOptions): SendSocket => {
  const { family, ifIndex } = options;
  const fd = libc.socket(family === 4 ? Linux.AF_INET : Linux.AF_INET6, Linux.SOCK_RAW, CARP_PROTOCOL);
  try {
    setUp(libc, fd, options);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return {
    fd,
    send: (payload, { source, destination }) =>
      libc.sendmsg(fd, {
        address: socketAddress(destination, ifIndex),
        data: payload,
        control: [packetInfo(source, ifIndex)],
      }),
  };
};
