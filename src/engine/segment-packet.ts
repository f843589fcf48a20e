/** Finds the packets of IP protocol 112 in captured frames. */
import type { CapturedFrame, LinkType } from '../ports/sniffer.ts';
import { addressOf, type IpAddress } from '../protocol/address.ts';
import { CARP_PROTOCOL } from '../protocol/constants.ts';

export interface CarpPacket {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** TTL or hop limit. */
  readonly ttl: number;
  /** TOS byte or traffic class. */
  readonly tos: number;
  /** Identification of an IPv4 packet; IPv6 has none. */
  readonly id: number | undefined;
  /** What follows the IP header and its extensions: a view of the frame. */
  readonly payload: Uint8Array;
  /** `fragment`: a part of a packet. `cut`: the capture kept only the beginning. */
  readonly state: 'whole' | 'fragment' | 'cut';
  /** Ethernet source, 6 bytes, where the link layer tells it. */
  readonly mac: Uint8Array | undefined;
  /** VLAN ids, the outermost first. */
  readonly vlans: readonly number[];
  /** Of a capture of several interfaces. */
  readonly interface: number | undefined;
}

const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd } as const;
/** 802.1Q, 802.1ad and its predecessor: four bytes, then the next type. */
const VLAN_TAGS = [0x8100, 0x88a8, 0x9100];
/** More tags than any switch stacks; a frame full of tags is not worth the time. */
const VLAN_TAGS_MAX = 8;

/** Where the link layer keeps the type of what follows, where that begins, and where the sender's address is. */
const LINK_HEADER = {
  ethernet: { type: 12, end: 14, mac: 6 },
  sll: { type: 14, end: 16, mac: 6 },
  sll2: { type: 0, end: 20, mac: 12 },
} as const satisfies Record<Exclude<LinkType, 'ip' | 'loopback'>, { type: number; end: number; mac: number }>;

const word = (bytes: Uint8Array, offset: number): number => ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);

/** How long the sender's address is: cooked captures are made on interfaces of all kinds. */
const macLength = (link: keyof typeof LINK_HEADER, data: Uint8Array): number => {
  if (link === 'ethernet') return 6;
  return link === 'sll' ? word(data, 4) : (data[11] ?? 0);
};

interface Opened extends Pick<CarpPacket, 'mac' | 'vlans' | 'interface'> {
  readonly packet: Uint8Array;
}

const NOT_TAGGED: readonly number[] = [];

/** The IP packet in a frame, if there is one. */
const open = ({ link, data, vlans: stripped = NOT_TAGGED, interface: port }: CapturedFrame): Opened | undefined => {
  if (link === 'ip') return { packet: data, mac: undefined, vlans: stripped, interface: port };
  // The family's number and its byte order are those of the capturing system; the packet itself says its version.
  if (link === 'loopback') return { packet: data.subarray(4), mac: undefined, vlans: stripped, interface: port };
  const header = LINK_HEADER[link];
  const vlans = [...stripped];
  let type = word(data, header.type);
  let end: number = header.end;
  while (VLAN_TAGS.includes(type) && end + 4 <= data.length && vlans.length < VLAN_TAGS_MAX) {
    vlans.push(word(data, end) & 0x0fff);
    type = word(data, end + 2);
    end += 4;
  }
  if (type !== ETHERTYPE.ipv4 && type !== ETHERTYPE.ipv6) return undefined;
  const mac = macLength(link, data) === 6 ? data.slice(header.mac, header.mac + 6) : undefined;
  // The newer cooked header tells the index of the interface, as `tcpdump -i any` listens to all of them.
  return { packet: data.subarray(end), mac, vlans, interface: link === 'sll2' ? word(data, 6) : port };
};

const IPV4_HEADER = 20;

const readIpv4 = ({ packet, ...link }: Opened): CarpPacket | undefined => {
  const headerLength = ((packet[0] ?? 0) & 0x0f) * 4;
  if (headerLength < IPV4_HEADER || packet.length < IPV4_HEADER || packet[9] !== CARP_PROTOCOL) return undefined;
  const length = word(packet, 2);
  // More fragments follow, or this is not the first one; "do not fragment" is bit 14.
  const isFragment = (word(packet, 6) & 0x3fff) !== 0;
  return {
    source: addressOf(packet.subarray(12, 16)),
    destination: addressOf(packet.subarray(16, 20)),
    ttl: packet[8] ?? 0,
    tos: packet[1] ?? 0,
    id: word(packet, 4),
    payload: packet.subarray(headerLength, Math.max(headerLength, length)),
    state: isFragment ? 'fragment' : packet.length < length ? 'cut' : 'whole',
    ...link,
  };
};

const IPV6_HEADER = 40;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
/** Hop-by-hop, routing, destination options, mobility, host identity, shim6: (length byte + 1) x 8 bytes. */
const EXTENSIONS = [0, 43, 60, 135, 139, 140];

const readIpv6 = ({ packet, ...link }: Opened): CarpPacket | undefined => {
  if (packet.length < IPV6_HEADER) return undefined;
  const end = IPV6_HEADER + word(packet, 4);
  let next = packet[6] ?? 0;
  let offset = IPV6_HEADER;
  let isFragment = false;
  // Each header is at least 8 bytes long, so this ends with the packet.
  while (offset + 8 <= packet.length && (EXTENSIONS.includes(next) || next === FRAGMENT || next === AUTHENTICATION)) {
    const units = packet[offset + 1] ?? 0;
    if (next === FRAGMENT) isFragment ||= (word(packet, offset + 2) & 0xfff9) !== 0;
    const length = next === FRAGMENT ? 8 : next === AUTHENTICATION ? (units + 2) * 4 : (units + 1) * 8;
    next = packet[offset] ?? 0;
    offset += length;
    // What follows in a later fragment is data, not another header.
    if (isFragment) break;
  }
  if (next !== CARP_PROTOCOL) return undefined;
  return {
    source: addressOf(packet.subarray(8, 24)),
    destination: addressOf(packet.subarray(24, 40)),
    ttl: packet[7] ?? 0,
    tos: (word(packet, 0) >> 4) & 0xff,
    id: undefined,
    payload: packet.subarray(offset, Math.max(offset, end)),
    state: isFragment ? 'fragment' : packet.length < end ? 'cut' : 'whole',
    ...link,
  };
};

/** A tag with id 0 has a priority and belongs to no VLAN (IEEE 802.1Q, 9.6): the frame is on the same wire without it. */
const onItsWire = (opened: Opened): Opened =>
  opened.vlans.includes(0) ? { ...opened, vlans: opened.vlans.filter((id) => id !== 0) } : opened;

/** The packet of protocol 112 in a frame; `undefined` if the frame carries something else. Never throws. */
export const carpPacket = (frame: CapturedFrame): CarpPacket | undefined => {
  const found = open(frame);
  if (found === undefined) return undefined;
  const opened = onItsWire(found);
  const version = (opened.packet[0] ?? 0) >> 4;
  if (version === 4) return readIpv4(opened);
  return version === 6 ? readIpv6(opened) : undefined;
};
