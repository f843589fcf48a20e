/** Finds the packets of IP protocol 112 in captured frames. */
import { addressOf, type IpAddress } from '../protocol/address.ts';
import { CARP_PROTOCOL } from '../protocol/constants.ts';
import type { CapturedFrame, LinkType } from './pcap.ts';

export interface CarpPacket {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** TTL or hop limit. */
  readonly ttl: number;
  /** What follows the IP header and its extensions. */
  readonly payload: Uint8Array;
  /** `fragment`: a part of a packet. `cut`: the capture kept only the beginning. */
  readonly state: 'whole' | 'fragment' | 'cut';
}

const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd } as const;
/** 802.1Q, 802.1ad and its predecessor: four bytes, then the next type. */
const VLAN_TAGS = [0x8100, 0x88a8, 0x9100];

/** Where the link layer keeps the type of what follows, and where that begins. */
const LINK_HEADER = {
  ethernet: { type: 12, end: 14 },
  sll: { type: 14, end: 16 },
  sll2: { type: 0, end: 20 },
} as const satisfies Record<Exclude<LinkType, 'ip'>, { type: number; end: number }>;

const word = (bytes: Uint8Array, offset: number): number => ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);

/** The IP packet in a frame, if there is one. */
const ipPacket = ({ link, data }: CapturedFrame): Uint8Array | undefined => {
  if (link === 'ip') return data;
  const header = LINK_HEADER[link];
  let type = word(data, header.type);
  let end: number = header.end;
  while (VLAN_TAGS.includes(type) && end + 4 <= data.length) {
    type = word(data, end + 2);
    end += 4;
  }
  return type === ETHERTYPE.ipv4 || type === ETHERTYPE.ipv6 ? data.subarray(end) : undefined;
};

const IPV4_HEADER = 20;

const readIpv4 = (packet: Uint8Array): CarpPacket | undefined => {
  const headerLength = ((packet[0] ?? 0) & 0x0f) * 4;
  if (headerLength < IPV4_HEADER || packet.length < IPV4_HEADER || packet[9] !== CARP_PROTOCOL) return undefined;
  const length = word(packet, 2);
  // More fragments follow, or this is not the first one; "do not fragment" is bit 14.
  const isFragment = (word(packet, 6) & 0x3fff) !== 0;
  return {
    source: addressOf(packet.subarray(12, 16)),
    destination: addressOf(packet.subarray(16, 20)),
    ttl: packet[8] ?? 0,
    payload: packet.subarray(headerLength, Math.max(headerLength, length)),
    state: isFragment ? 'fragment' : packet.length < length ? 'cut' : 'whole',
  };
};

const IPV6_HEADER = 40;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
/** Hop-by-hop, routing, destination options, mobility, host identity, shim6: (length byte + 1) x 8 bytes. */
const EXTENSIONS = [0, 43, 60, 135, 139, 140];

const readIpv6 = (packet: Uint8Array): CarpPacket | undefined => {
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
    payload: packet.subarray(offset, Math.max(offset, end)),
    state: isFragment ? 'fragment' : packet.length < end ? 'cut' : 'whole',
  };
};

/** The packet of protocol 112 in a frame; `undefined` if the frame carries something else. */
export const carpPacket = (frame: CapturedFrame): CarpPacket | undefined => {
  const packet = ipPacket(frame);
  const version = (packet?.[0] ?? 0) >> 4;
  if (packet === undefined) return undefined;
  if (version === 4) return readIpv4(packet);
  return version === 6 ? readIpv6(packet) : undefined;
};
