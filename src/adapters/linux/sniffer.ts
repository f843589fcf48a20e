import { Observable } from 'rxjs';
import { CarpError } from '../../ports/error.ts';
import type { CapturedFrame, Sniffer, SnifferOptions } from '../../ports/sniffer.ts';
import type { Control } from './control-messages.ts';
import { type Libc, type Message, SystemCallError, libc as systemLibc } from './libc.ts';
import { linkLoss } from './link-loss.ts';
import { Linux } from './linux-constants.ts';
import { noInterface } from './no-interface.ts';
import { ETHERNET_FILTER, IP_FILTER } from './sniffer-filter.ts';
import { linkAddress } from './sockaddr.ts';

/** linux/if_packet.h. */
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_AUXDATA = 8;
const PACKET_OUTGOING = 4;
const MEMBERSHIP_MULTICAST = 0;
const MEMBERSHIP_PROMISCUOUS = 1;
const STATUS_VLAN_VALID = 0x10;
/** linux/if_ether.h: in both directions. */
const ETH_P_ALL = 3;
/** As protocol of a packet socket: it receives nothing. */
const NOTHING = 0;
/** asm-generic/socket.h: the kernel's time of each frame. */
const SO_TIMESTAMPNS = 35;
/** linux/if_arp.h. */
const ARPHRD_LOOPBACK = 772;
/** PPP, tunnels of all kinds: frames begin with the IP header. */
const ARPHRD_WITHOUT_HEADER = [512, 768, 769, 776, 778, 65534];

/** Room for some thousand adverts. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;
/** What is longer than this is no advert. */
const FRAME_BYTES = 2048;
const CONTROL_BYTES = 256;
/** Frames of one wake-up; the rest comes with the next turn of the loop. */
const BATCH = 64;
/** A frame that is older than this when it is read was stamped before somebody set the clock. */
const DELAY_MS_MAX = 2000;

/** 224.0.0.18 and ff02::12 on Ethernet. */
const GROUP_MACS: readonly Uint8Array[] = [
  Uint8Array.of(0x01, 0x00, 0x5e, 0x00, 0x00, 0x12),
  Uint8Array.of(0x33, 0x33, 0x00, 0x00, 0x00, 0x12),
];

const noMembers = new Uint8Array(8);

/** struct packet_mreq. */
const membership = (ifIndex: number, type: number, mac: Uint8Array): Uint8Array => {
  const view = new DataView(new ArrayBuffer(16));
  view.setInt32(0, ifIndex, true);
  view.setUint16(4, type, true);
  view.setUint16(6, mac.length === 6 ? 6 : 0, true);
  new Uint8Array(view.buffer).set(mac, 8);
  return new Uint8Array(view.buffer);
};

/** The kind of link layer, ARPHRD_…. struct ifreq has the name in 16 bytes, then the address whose family it is. */
const linkKind = (libc: Libc, fd: number, name: string): number => {
  const request = new Uint8Array(new ArrayBuffer(40));
  request.set(new TextEncoder().encode(name).subarray(0, 15));
  libc.ioctl(fd, Linux.SIOCGIFHWADDR, request);
  return new DataView(request.buffer).getUint16(16, true);
};

const control = ({ control: all }: Message, level: number, type: number, length: number): DataView | undefined => {
  const found = all.find((each: Control) => each.level === level && each.type === type);
  if (found === undefined || found.data.length < length) return undefined;
  return new DataView(found.data.buffer, found.data.byteOffset, found.data.length);
};

/** struct timespec. */
const stampOf = (message: Message): number | undefined => {
  const stamp = control(message, Linux.SOL_SOCKET, SO_TIMESTAMPNS, 16);
  return stamp && Number(stamp.getBigInt64(0, true)) * 1000 + Number(stamp.getBigInt64(8, true)) / 1e6;
};

/** struct tpacket_auxdata: the tag that the kernel took off. */
const tagOf = (message: Message): number | undefined => {
  const data = control(message, SOL_PACKET, PACKET_AUXDATA, 20);
  if (data === undefined || (data.getUint32(0, true) & STATUS_VLAN_VALID) === 0) return undefined;
  return data.getUint16(16, true) & 0x0fff;
};

const droppedOf = (message: Message): number =>
  control(message, Linux.SOL_SOCKET, Linux.SO_RXQ_OVFL, 4)?.getUint32(0, true) ?? 0;

export interface SnifferClocks {
  /** Monotonic, ms: the `now` of the scheduler that the frames are followed with. */
  readonly monotonic: () => number;
  /** Ms since 1970. */
  readonly wall: () => number;
}

interface Setting {
  readonly libc: Libc;
  readonly clocks: SnifferClocks;
  readonly options: SnifferOptions;
}

/** Filtered before it hears anything: between socket() and bind() it is deaf. */
const setUp = ({ libc, options }: Setting, fd: number, ifIndex: number): { link: 'ethernet' | 'ip'; kind: number } => {
  const { interface: name, promiscuous } = options;
  const kind = linkKind(libc, fd, name);
  const link = ARPHRD_WITHOUT_HEADER.includes(kind) ? 'ip' : 'ethernet';
  if (link === 'ethernet' && kind !== Linux.ARPHRD_ETHER && kind !== ARPHRD_LOOPBACK)
    throw noInterface(name, `${name} is no Ethernet interface`);
  libc.attachFilter(fd, link === 'ip' ? IP_FILTER : ETHERNET_FILTER);
  // Unlike SO_RCVBUFFORCE this takes no privilege; net.core.rmem_max bounds it.
  libc.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_RCVBUF, RECEIVE_BUFFER_BYTES);
  libc.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_RXQ_OVFL, 1);
  libc.setsockopt(fd, Linux.SOL_SOCKET, SO_TIMESTAMPNS, 1);
  libc.setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, 1);
  if (kind === Linux.ARPHRD_ETHER)
    for (const mac of GROUP_MACS)
      libc.setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership(ifIndex, MEMBERSHIP_MULTICAST, mac));
  if (promiscuous)
    libc.setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership(ifIndex, MEMBERSHIP_PROMISCUOUS, noMembers));
  libc.bind(fd, linkAddress(ifIndex, ETH_P_ALL, new Uint8Array()));
  return { link, kind };
};

/** What went wrong while the socket was made, in words for people. */
const openError = (name: string, error: unknown): unknown => {
  const missing =
    (error instanceof CarpError && error.code === 'CARP_NO_PERMISSION') ||
    (error instanceof SystemCallError && (error.code === 'EPERM' || error.code === 'EACCES'));
  if (missing)
    return new CarpError('CARP_NO_PERMISSION', `listening on ${name} needs the capability CAP_NET_RAW`, {
      remedy: `run it as root: sudo carp watch ${name}; or let tcpdump listen: sudo tcpdump -i ${name} -U -w - 'ip proto 112 or ip6 proto 112' | carp watch --read -`,
      cause: error,
    });
  if (!(error instanceof SystemCallError)) return error;
  if (error.code === 'ENODEV' || error.code === 'ENXIO') return noInterface(name, undefined, error);
  return new CarpError('CARP_FAILED', `cannot listen on ${name}: ${error.message}`, { cause: error });
};

const listen = (setting: Setting): Observable<CapturedFrame> =>
  new Observable<CapturedFrame>((subscriber) => {
    const { libc, clocks, options } = setting;
    const { interface: name } = options;
    /** Undone in the reverse order: the poll before its socket. */
    const undo: (() => void)[] = [];
    const close = (): void => {
      for (const step of undo.splice(0).reverse()) step();
    };
    const fail = (error: unknown): void => {
      close();
      subscriber.error(error);
    };
    try {
      const ifIndex = libc.ifIndex(name);
      if (ifIndex === 0) throw noInterface(name);
      const fd = libc.socket(Linux.AF_PACKET, Linux.SOCK_RAW, NOTHING);
      undo.push(() => libc.close(fd));
      const { link, kind } = setUp(setting, fd, ifIndex);
      const gone = (): void => fail(noInterface(name, `interface ${name} has gone`));
      undo.push(linkLoss(libc)({ name, index: ifIndex }, gone).close);
      const receive = libc.receiver({ data: FRAME_BYTES, control: CONTROL_BYTES });
      const frameOf = (message: Message): CapturedFrame | undefined => {
        const outgoing = message.name[10] === PACKET_OUTGOING;
        // What is sent to oneself comes again as received.
        if (outgoing && kind === ARPHRD_LOOPBACK) return undefined;
        const wall = clocks.wall();
        const at = stampOf(message) ?? wall;
        const tag = tagOf(message);
        return {
          at,
          time: clocks.monotonic() - Math.min(DELAY_MS_MAX, Math.max(0, wall - at)),
          link,
          data: message.data.slice(),
          dropped: droppedOf(message),
          ...(tag === undefined ? {} : { vlans: [tag] }),
          ...(outgoing ? { outgoing } : {}),
        };
      };
      const read = (): void => {
        try {
          for (let i = 0; i < BATCH && !subscriber.closed; i++) {
            const message = receive(fd);
            if (message === undefined) return;
            const frame = frameOf(message);
            if (frame !== undefined) subscriber.next(frame);
          }
        } catch (error) {
          if (!(error instanceof SystemCallError)) throw error;
          // Told once when the interface is set down; it may be set up again.
          if (error.code !== 'ENETDOWN')
            fail(noInterface(name, `interface ${name} cannot be read any more: ${error.message}`, error));
        }
      };
      undo.push(libc.pollReadable(fd, read).close);
    } catch (error) {
      fail(openError(name, error));
    }
    return close;
  });

/**
 * Listens through a packet socket, with the Ethernet addresses and the VLAN tags. The kernel filters; CAP_NET_RAW is
 * enough. It joins the groups' Ethernet addresses without telling switches, so that nothing is sent: what a switch with
 * MLD snooping keeps from this port is not seen.
 *
 * @throws CarpError CARP_NO_TRANSPORT when koffi is missing
 */
export const createSniffer = (clocks: SnifferClocks, libc: Libc = systemLibc()): Sniffer => ({
  listen: (options) => listen({ libc, clocks, options }),
});
