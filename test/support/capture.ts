/** What went over the wire: tcpdump at the switch, read by a reader of our own, so that our codec is not its own judge. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from './child.ts';
import type { Lan, Machine } from './netns.ts';
import { until } from './wait.ts';

/** An advert as it was on the wire. */
export interface WireAdvert {
  /** Milliseconds of the wall clock, by the kernel. Only differences mean something. */
  readonly at: number;
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly ttl: number;
  /** TOS byte or traffic class. */
  readonly tos: number;
  readonly dontFragment: boolean;
  readonly vhid: number;
  readonly advskew: number;
  readonly advbase: number;
  readonly payload: Buffer;
}

/** A gratuitous ARP (sender and target are the same) or an unsolicited neighbour advertisement. */
export interface Announcement {
  readonly at: number;
  readonly kind: 'arp-request' | 'arp-reply' | 'neighbour-advertisement';
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly address: string;
  /** The MAC address that the announcement tells. */
  readonly mac: string;
}

interface Frame {
  readonly at: number;
  readonly bytes: Buffer;
}

const FILTER = 'ip proto 112 or (ip6 and ip6[6] == 112) or arp or (icmp6 and ip6[40] == 136)';
const ETHERNET = 14;
const TYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;

const mac = (bytes: Buffer): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
const ipv4 = (bytes: Buffer): string => [...bytes].join('.');
/** Without shortening: eight groups, as they are in the packet. */
const ipv6 = (bytes: Buffer): string =>
  new URL(`http://[${bytes.toString('hex').match(/.{4}/g)?.join(':')}]`).hostname.slice(1, -1);

/** Frames of a pcap file in the byte order of this machine; a frame that is still being written is left out. */
const frames = (file: Buffer): readonly Frame[] => {
  const found: Frame[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    if (at + 16 + length > file.length) break;
    const milliseconds = file.readUInt32LE(at) * 1000 + file.readUInt32LE(at + 4) / 1000;
    found.push({ at: milliseconds, bytes: file.subarray(at + 16, at + 16 + length) });
    at += 16 + length;
  }
  return found;
};

const ethernet = ({ bytes }: Frame): { destinationMac: string; sourceMac: string; type: number } => ({
  destinationMac: mac(bytes.subarray(0, 6)),
  sourceMac: mac(bytes.subarray(6, 12)),
  type: bytes.readUInt16BE(12),
});

const advert = (frame: Frame): WireAdvert[] => {
  const { type, ...macs } = ethernet(frame);
  const ip = frame.bytes.subarray(ETHERNET);
  const rest = (payload: Buffer): Pick<WireAdvert, 'vhid' | 'advskew' | 'advbase' | 'payload'> => ({
    vhid: payload[1] ?? 0,
    advskew: payload[2] ?? 0,
    advbase: payload[5] ?? 0,
    payload,
  });
  if (type === TYPE.ipv4 && ip[9] === 112)
    return [
      {
        at: frame.at,
        ...macs,
        family: 4,
        source: ipv4(ip.subarray(12, 16)),
        destination: ipv4(ip.subarray(16, 20)),
        ttl: ip[8] ?? 0,
        tos: ip[1] ?? 0,
        dontFragment: ((ip[6] ?? 0) & 0x40) !== 0,
        ...rest(ip.subarray(((ip[0] ?? 0) & 0x0f) * 4, ip.readUInt16BE(2))),
      },
    ];
  if (type === TYPE.ipv6 && ip[6] === 112)
    return [
      {
        at: frame.at,
        ...macs,
        family: 6,
        source: ipv6(ip.subarray(8, 24)),
        destination: ipv6(ip.subarray(24, 40)),
        ttl: ip[7] ?? 0,
        tos: (ip.readUInt16BE(0) >> 4) & 0xff,
        dontFragment: true,
        ...rest(ip.subarray(40, 40 + ip.readUInt16BE(4))),
      },
    ];
  return [];
};

const announcement = (frame: Frame): Announcement[] => {
  const { type, ...macs } = ethernet(frame);
  const body = frame.bytes.subarray(ETHERNET);
  if (type === TYPE.arp && body.subarray(14, 18).equals(body.subarray(24, 28)))
    return [
      {
        at: frame.at,
        ...macs,
        kind: body.readUInt16BE(6) === 1 ? 'arp-request' : 'arp-reply',
        address: ipv4(body.subarray(14, 18)),
        mac: mac(body.subarray(8, 14)),
      },
    ];
  // Neighbour advertisement without the solicited flag (RFC 4861, 4.4), with the option target link-layer address.
  const icmp = body.subarray(40);
  if (type === TYPE.ipv6 && body[6] === 58 && icmp[0] === 136 && ((icmp[4] ?? 0) & 0x40) === 0)
    return [
      {
        at: frame.at,
        ...macs,
        kind: 'neighbour-advertisement',
        address: ipv6(icmp.subarray(8, 24)),
        mac: icmp[24] === 2 ? mac(icmp.subarray(26, 32)) : '',
      },
    ];
  return [];
};

let captures = 0;

export class Capture {
  readonly file: string;
  readonly #child: Child;

  private constructor(file: string, child: Child) {
    this.file = file;
    this.#child = child;
  }

  /** Listens at the switch; adverts are seen with the MAC addresses that the hosts gave them. */
  static async start(lan: Lan): Promise<Capture> {
    captures += 1;
    const file = join(lan.folder, `${captures}.pcap`);
    const argv = ['tcpdump', '-i', 'br0', '--immediate-mode', '-U', '-Z', 'root', '-s', '256', '-w', file, FILTER];
    const child = lan.instrument(lan.switchNamespace, 'tcpdump', argv);
    await child.untilLine(/listening on/, 15_000);
    return new Capture(file, child);
  }

  async stop(): Promise<void> {
    await this.#child.stop('SIGINT');
  }

  adverts(): readonly WireAdvert[] {
    return frames(readFileSync(this.file)).flatMap(advert);
  }

  /** Adverts that this host sent, known by its physical or its given source MAC. */
  advertsOf(host: Machine): readonly WireAdvert[] {
    return this.adverts().filter(({ source }) => [host.ipv4, host.ipv6, host.linkLocal].includes(source));
  }

  announcements(): readonly Announcement[] {
    return frames(readFileSync(this.file)).flatMap(announcement);
  }

  /** Waits until this host has sent that many more adverts: time, counted in the protocol's own unit. */
  async untilAdverts(host: Machine, count: number, withinMs: number): Promise<void> {
    const before = this.advertsOf(host).length;
    await until(`${count} adverts of ${host.name}`, withinMs, () => this.advertsOf(host).length >= before + count);
  }
}
