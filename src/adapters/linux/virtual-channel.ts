import { Subject } from 'rxjs';
import { CarpError } from '../../ports/error.ts';
import type { Channel, ChannelOptions, Packet } from '../../ports/transport.ts';
import type { Family, IpAddress } from '../../protocol/address.ts';
import { sourceMacFilter } from './advert-filter.ts';
import { advertFrame, CARP_GROUPS, readAdvert } from './advert-frame.ts';
import { type Libc, SystemCallError } from './libc.ts';
import type { LinkLoss } from './link-loss.ts';
import { Linux } from './linux-constants.ts';
import { noInterface } from './no-interface.ts';
import { sendError } from './send-error.ts';
import { linkAddress } from './sockaddr.ts';
import type { VirtualDevice } from './virtual-devices.ts';

const PACKET_BYTES = 2048;
/** Packets of one wake-up, and of one `drain`: as many as in `koffi-transport.ts`. */
const BATCH = 64;
const DRAIN_MAX = 4096;
/** As protocol of a packet socket: it receives nothing. */
const NOTHING = 0;

const ETHER_TYPES: Readonly<Record<Family, number>> = { 4: Linux.ETH_P_IP, 6: Linux.ETH_P_IPV6 };

export interface VirtualChannelOptions {
  readonly libc: Libc;
  readonly watchLink: LinkLoss;
  readonly options: ChannelOptions;
  /** The same channel on the parent: it hears while the macvlan is down, and speaks to unicast peers. */
  readonly parent: Channel;
  readonly device: VirtualDevice;
}

/**
 * A socket for adverts whose Ethernet source is the virtual MAC. While a private macvlan is up, the kernel gives it the
 * multicast frames that come from its own MAC address, and keeps them from the parent (macvlan_handle_frame): another
 * MASTER would not be heard. A packet socket needs no membership, so that the macvlan sends no report of it.
 */
const openListener = (libc: Libc, group: IpAddress, { index, mac }: VirtualDevice): number => {
  const fd = libc.socket(Linux.AF_PACKET, Linux.SOCK_DGRAM, NOTHING);
  try {
    libc.attachFilter(fd, sourceMacFilter(group, mac));
    libc.bind(fd, linkAddress(index, ETHER_TYPES[group.family], new Uint8Array()));
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
};

/**
 * Adverts with the virtual MAC as their Ethernet source, so that switches learn where it is.
 *
 * They are frames of our own that leave through the parent: the claim goes out before the macvlan may be up, and for
 * IPv6 the kernel would not send from the parent's link-local address on another interface. Adverts to unicast peers
 * have the parent's MAC, as FreeBSD sends them (protocol.md 1.5).
 */
export const openVirtualChannel = ({ libc, watchLink, options, parent, device }: VirtualChannelOptions): Channel => {
  const { family, interface: name, peers, tos, broadcast, group = CARP_GROUPS[family] } = options;
  const ifIndex = libc.ifIndex(name);
  const packets$ = new Subject<Packet>();
  const buffer = new Uint8Array(new ArrayBuffer(PACKET_BYTES));
  const undo: (() => void)[] = [];
  let closed = false;
  const shut = (): void => {
    closed = true;
    for (const step of undo.splice(0).reverse()) step();
  };
  const fail = (error: unknown): void => {
    if (closed) return;
    shut();
    packets$.error(error);
  };

  /** `undefined` when there is nothing to read now. The kernel reports once that the macvlan went down: no news. */
  const receive = (fd: number): Uint8Array | undefined => {
    try {
      const length = libc.recv(fd, buffer);
      return length === undefined ? undefined : buffer.subarray(0, length);
    } catch (error) {
      if (error instanceof SystemCallError && error.code === 'ENETDOWN') return undefined;
      throw error;
    }
  };
  const read = (fd: number, limit: number): void => {
    try {
      for (let i = 0; i < limit && !closed; i++) {
        const bytes = receive(fd);
        if (bytes === undefined) return;
        const advert = readAdvert(family, bytes);
        if (advert !== undefined) packets$.next({ family, ...advert, dropped: parent.dropped() });
      }
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      fail(noInterface(device.name, `${device.name} cannot be read any more: ${error.message}`, error));
    }
  };
  const keep = (fd: number): number => {
    undo.push(() => libc.close(fd));
    return fd;
  };
  const open = () => {
    undo.push(() => device.close());
    undo.push(() => parent.close());
    const gone = (): void => fail(noInterface(device.name, `somebody has removed ${device.name}`));
    undo.push(watchLink({ name: device.name, index: device.index }, gone).close);
    const listening = keep(openListener(libc, group, device));
    const sending = keep(libc.socket(Linux.AF_PACKET, Linux.SOCK_RAW, NOTHING));
    undo.push(libc.pollReadable(listening, () => read(listening, BATCH)).close);
    const heard = parent.packets$.subscribe({ next: (packet) => packets$.next(packet), error: fail });
    undo.push(() => heard.unsubscribe());
    return { listening, sending };
  };
  const opened = (): ReturnType<typeof open> => {
    try {
      return open();
    } catch (error) {
      shut();
      throw error;
    }
  };
  const { listening, sending } = opened();

  const send: Channel['send'] = (payload, source) => {
    if (closed) throw new CarpError('CARP_SEND', `the channel on ${name} is closed`);
    if (peers.length > 0) {
      parent.send(payload, source);
      return;
    }
    const frame = advertFrame({ mac: device.mac, source, tos, payload, group, broadcast });
    try {
      libc.sendto(sending, frame, linkAddress(ifIndex, ETHER_TYPES[family], frame.subarray(0, 6)));
    } catch (error) {
      throw sendError({ name, source, destination: group }, error);
    }
  };

  return {
    packets$: packets$.asObservable(),
    dropped: () => parent.dropped(),
    send,
    drain: () => {
      parent.drain();
      if (!closed) read(listening, DRAIN_MAX);
    },
    close: () => {
      if (closed) return;
      shut();
      packets$.complete();
    },
  };
};
