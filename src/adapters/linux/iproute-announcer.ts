/**
 * Announcements where koffi does not load: gratuitous ARP through arping(8), unsolicited neighbour advertisements through
 * the module raw-socket. What is missing for one of them is told once; adverts go out all the same, and neighbours find
 * the address when their old entry has run out.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Announcer } from '../../ports/announcer.ts';
import { CarpError } from '../../ports/error.ts';
import type { Log } from '../../ports/log.ts';
import type { IpAddress } from '../../protocol/address.ts';
import { findArping } from './arping.ts';
import { unsolicitedAdvertisement } from './frames.ts';
import { Linux } from './linux-constants.ts';
import { orKoffi } from './or-koffi.ts';

/** What of the module raw-socket is used here: its sockets in their plainest form. */
export interface RawIpModule {
  readonly createSocket: (options: { readonly protocol: number; readonly addressFamily: 1 | 2 }) => {
    readonly pauseRecv: () => unknown;
    readonly close: () => unknown;
    readonly setOption: (level: number, option: number, value: Buffer, length: number) => void;
    /** The native half, which sends before it returns. */
    readonly wrap: {
      readonly send: (data: Buffer, offset: number, length: number, to: string, sent: () => void) => unknown;
    };
  };
}

export interface IprouteAnnouncerOptions {
  readonly log: Log;
  /** Loads raw-socket, for IPv6. @throws CarpError where it is missing */
  readonly rawSocket?: (() => RawIpModule) | undefined;
  /** Where arping(8) is; by default it is looked for. */
  readonly arping?: string | undefined;
}

/** Packets bring their IP header along (raw(7)). */
const IPPROTO_RAW = 255;
const IPV6 = 2;
const ETHERNET_HEADER = 14;
const ALL_NODES = 'ff02::1';
const NO_MAC = '00:00:00:00:00:00';
const IFF_UP = 0x1;

const NPM_RAW_SOCKET = 'in the folder that @carp-ha/node-red-carp is installed in: npm rebuild raw-socket';
/** Where arping(8) is missing. */
export const NO_ARPING = {
  message:
    'neighbours are not told when this host takes over IPv4 addresses, and may need a minute to find it: there is neither the module koffi nor the program arping',
  remedy: orKoffi('apt-get install iputils-arping (Alpine: apk add iputils-arping)'),
} as const;
const NO_RAW_SOCKET =
  'neighbours are not told when this host takes over IPv6 addresses, and may need a minute to find it';

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const isUp = (name: string): boolean => {
  try {
    return (Number(readFileSync(`/sys/class/net/${name}/flags`, 'latin1')) & IFF_UP) !== 0;
  } catch {
    return false;
  }
};

/**
 * The present MAC address; `undefined` where there is nobody to tell: without Ethernet addresses, or without carrier.
 *
 * Node.js lists what is up, has carrier and has addresses, in the network namespace of this process, whichever /sys shows.
 *
 * @throws CarpError CARP_SEND when the interface is down or gone
 */
const macOf = (name: string): Uint8Array | undefined => {
  const mac = networkInterfaces()[name]?.[0]?.mac;
  if (mac !== undefined)
    return mac === NO_MAC ? undefined : Uint8Array.from(Buffer.from(mac.replaceAll(':', ''), 'hex'));
  if (isUp(name)) return undefined;
  throw new CarpError('CARP_SEND', `cannot announce addresses on ${name}: it is down, or there is none of that name`, {
    remedy: `ip link set ${name} up`,
  });
};

/** @throws Error with what the system says */
const sendAdvertisements = (module: RawIpModule, name: string, mac: Uint8Array, all: readonly IpAddress[]): void => {
  const socket = module.createSocket({ protocol: IPPROTO_RAW, addressFamily: IPV6 });
  try {
    // It would be told of nothing anyhow, and it is gone before the event loop could ask.
    socket.pauseRecv();
    const device = Buffer.from(`${name}\0`);
    socket.setOption(Linux.SOL_SOCKET, Linux.SO_BINDTODEVICE, device, device.length);
    for (const address of all) {
      const packet = Buffer.from(unsolicitedAdvertisement({ address, mac }).subarray(ETHERNET_HEADER));
      socket.wrap.send(packet, 0, packet.length, ALL_NODES, () => undefined);
    }
  } finally {
    socket.close();
  }
};

/**
 * The frames are those of `announcer.ts`; those for IPv4 leave a few milliseconds later, one address every 10 ms. The
 * addresses have to be on the interface already: arping refuses others.
 */
export const createIprouteAnnouncer = ({ log, rawSocket, arping }: IprouteAnnouncerOptions): Announcer => {
  const told = new Set<string>();
  const once = (subject: string, message: string, remedy: string): void => {
    if (told.has(subject)) return;
    told.add(subject);
    log('warn', message, { remedy });
  };
  const program = findArping({
    program: arping,
    failed: (name, complaint) =>
      once(
        `IPv4 ${name}`,
        `cannot announce IPv4 addresses on ${name}: ${complaint}`,
        orKoffi(
          /not permitted|CAP_NET_RAW/.test(complaint)
            ? 'in the systemd unit: AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN; or for arping: setcap cap_net_raw+ep "$(command -v arping)"'
            : `look at the interface: ip addr show ${name}`,
        ),
      ),
  });

  const tellIpv4 = (name: string, addresses: readonly IpAddress[]): void => {
    if (program === undefined) once('arping', NO_ARPING.message, NO_ARPING.remedy);
    else for (const address of addresses) program.announce(name, address);
  };

  const tellIpv6 = (name: string, mac: Uint8Array, addresses: readonly IpAddress[]): void => {
    try {
      if (rawSocket === undefined) throw new Error('there is neither the module koffi nor the module raw-socket');
      sendAdvertisements(rawSocket(), name, mac, addresses);
    } catch (error) {
      const remedy = error instanceof CarpError ? error.remedy : undefined;
      once(`IPv6 ${name}`, `${NO_RAW_SOCKET}: ${messageOf(error)}`, orKoffi(remedy ?? NPM_RAW_SOCKET));
    }
  };

  return {
    announce: (name, addresses) => {
      const mac = macOf(name);
      if (mac === undefined) return;
      const four = addresses.filter(({ family }) => family === 4);
      const six = addresses.filter(({ family }) => family === 6);
      if (six.length > 0) tellIpv6(name, mac, six);
      if (four.length > 0) tellIpv4(name, four);
    },
  };
};
