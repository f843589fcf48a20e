import {
  BehaviorSubject,
  distinctUntilChanged,
  filter,
  map,
  NEVER,
  type Observable,
  type SchedulerLike,
  Subject,
} from 'rxjs';
import type { Addresses, LeaseRequest } from '../../ports/addresses.ts';
import type { Announcer } from '../../ports/announcer.ts';
import { CarpError } from '../../ports/error.ts';
import type { InterfaceState, Interfaces } from '../../ports/interfaces.ts';
import type { Sniffer } from '../../ports/sniffer.ts';
import type { Channel, Packet, Transport } from '../../ports/transport.ts';
import { addressOf, type IpAddress, parseAddress } from '../../protocol/address.ts';
import { CARP_GROUP_IPV4, CARP_GROUP_IPV6, CARP_TTL } from '../../protocol/constants.ts';
import { ethernetFrame, type SentPacket } from './frame.ts';

/** The part of the world that a simulated host sees. */
export interface MemoryHost {
  readonly name: string;
  readonly transport: Transport;
  readonly interfaces: Interfaces;
  readonly addresses: Addresses;
  readonly announcer: Announcer;
  /** Pulls the plug (the host notices, as with a real cable), or plugs it in again. */
  readonly setPlugged: (plugged: boolean) => void;
}

export interface MemoryLan {
  /**
   * A host on this LAN; the same one for the same name. It has an address of its own in each family.
   *
   * @param sources - more addresses of its own
   */
  readonly host: (name: string, sources?: readonly IpAddress[]) => MemoryHost;
  /** Names of the hosts that hold this address, in the order in which they took it. */
  readonly holders: (address: string) => readonly string[];
  /**
   * Hears everything that anybody sends, whether it arrives or not.
   *
   * @param wallClock - for the `at` of frames
   */
  readonly sniffer: (wallClock: () => Date) => Sniffer;
  /** Decides for each packet whether it arrives; by default all do. */
  readonly setFilter: (arrives: (from: string, to: string) => boolean) => void;
}

/** How long a packet is on its way, in ms. */
const LATENCY_MS = 0.2;

interface Port {
  readonly host: string;
  readonly interface: string;
  readonly vhid: number;
  readonly family: number;
  readonly plugged: () => boolean;
  readonly packets$: Subject<Packet>;
}

interface Sent {
  readonly interface: string;
  readonly packet: SentPacket;
}

const group = { 4: parseAddress(CARP_GROUP_IPV4), 6: parseAddress(CARP_GROUP_IPV6) } as const;

/** The n-th host: 192.0.2.n and fe80::n, from the ranges for documentation and link-local use. */
const ownAddresses = (n: number): readonly IpAddress[] => [
  addressOf(Uint8Array.of(192, 0, 2, n & 0xff)),
  addressOf(Uint8Array.of(0xfe, 0x80, ...Array<number>(12).fill(0), n >> 8, n & 0xff)),
];

/** Locally administered, so that no real card has it. */
const macOf = (n: number): Uint8Array => Uint8Array.of(0x02, 0, 0, 0, n >> 8, n & 0xff);

/** The first host gets 192.0.2.11, like in most examples. */
const FIRST_HOST = 11;

/**
 * An Ethernet in the process: hosts on the same interface name hear each other. For simulation, demonstration and tests;
 * nothing of it touches the system. Time passes on the scheduler alone.
 */
export const createMemoryLan = (scheduler: SchedulerLike): MemoryLan => {
  const ports = new Set<Port>();
  const holders = new Map<string, string[]>();
  const hosts = new Map<string, MemoryHost>();
  const sent$ = new Subject<Sent>();
  let arrives = (_from: string, _to: string): boolean => true;

  const openPort = (host: string, mac: Uint8Array, plugged: () => boolean): Transport['open'] => {
    return (options): Channel => {
      const { family, vhid, tos } = options;
      const port: Port = { host, interface: options.interface, vhid, family, plugged, packets$: new Subject<Packet>() };
      ports.add(port);
      const deliver = (payload: Uint8Array, source: IpAddress, destination: IpAddress): void => {
        sent$.next({ interface: port.interface, packet: { mac, source, destination, tos, payload } });
        for (const other of ports) {
          const same = other.interface === port.interface && other.family === family && other.vhid === vhid;
          if (same && other.host !== host && other.plugged() && arrives(host, other.host))
            other.packets$.next({ family, payload: payload.slice(), source, destination, ttl: CARP_TTL, dropped: 0 });
        }
      };
      return {
        packets$: port.packets$,
        dropped: () => 0,
        drain: () => undefined,
        send: (payload, source) => {
          const destination = group[family];
          if (destination === undefined || !plugged()) throw new CarpError('CARP_SEND', 'the plug has been pulled');
          scheduler.schedule(() => deliver(payload, source, destination), LATENCY_MS);
        },
        close: () => {
          ports.delete(port);
          port.packets$.complete();
        },
      };
    };
  };

  const take = (name: string, { addresses }: LeaseRequest): (() => void) => {
    const texts = addresses.map(({ address }) => address.text);
    for (const text of texts) holders.set(text, [...(holders.get(text) ?? []).filter((host) => host !== name), name]);
    return () => {
      for (const text of texts)
        holders.set(
          text,
          (holders.get(text) ?? []).filter((host) => host !== name),
        );
    };
  };

  const createHost = (name: string, sources: readonly IpAddress[]): MemoryHost => {
    const plugged$ = new BehaviorSubject(true);
    const number = FIRST_HOST + hosts.size;
    const own = [...ownAddresses(number), ...sources];
    const stateOf = (device: string, plugged: boolean): InterfaceState => ({
      name: device,
      exists: true,
      up: plugged,
      enabled: true,
      addresses: own.map((address) => ({
        address,
        prefix: address.family === 4 ? 24 : 64,
        tentative: false,
        deprecated: false,
        permanent: true,
      })),
    });
    const watch = (device: string): Observable<InterfaceState> =>
      plugged$.pipe(
        distinctUntilChanged(),
        map((plugged) => stateOf(device, plugged)),
      );
    return {
      name,
      transport: { name: 'memory', open: openPort(name, macOf(number), () => plugged$.value) },
      interfaces: { watch },
      addresses: {
        check: () => undefined,
        take: (request) => ({ events$: NEVER, release: take(name, request) }),
        // Who dies here loses its addresses at once.
        inherits: () => false,
        disinherit: () => undefined,
      },
      announcer: { announce: () => undefined },
      setPlugged: (plugged) => plugged$.next(plugged),
    };
  };

  return {
    host: (name, sources = []) => {
      const known = hosts.get(name);
      if (known !== undefined) return known;
      const host = createHost(name, sources);
      hosts.set(name, host);
      return host;
    },
    sniffer: (wallClock) => ({
      listen: ({ interface: device }) =>
        sent$.pipe(
          filter((sent) => sent.interface === device),
          map(({ packet }) => ({
            at: wallClock().getTime(),
            time: scheduler.now(),
            link: 'ethernet',
            data: ethernetFrame(packet),
          })),
        ),
    }),
    holders: (address) => holders.get(address) ?? [],
    setFilter: (filter) => {
      arrives = filter;
    },
  };
};
