import type { IpAddress } from '../../protocol/address.ts';
import { CARP_PROTOCOL } from '../../protocol/constants.ts';
import type { Vhid } from '../../protocol/units.ts';

/** One `sock_filter` instruction of classic BPF: code, jump if true, jump if false, operand. */
export type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

/** Codes of linux/bpf_common.h. */
const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_BYTE = 0x30;
const LOAD_BYTE_INDEXED = 0x50;
/** X = 4 x the low nibble of a byte: the length of an IPv4 header. */
const LOAD_HEADER_LENGTH = 0xb1;
const AND = 0x54;
const JUMP_EQUAL = 0x15;
const RETURN = 0x06;

/** Offsets from here on count from the IP header, wherever the data of the socket begin. */
const NETWORK_HEADER = -0x100000;
/** Offsets from here on count from the Ethernet header. */
const LINK_HEADER = -0x200000;
const ETHERNET_SOURCE = LINK_HEADER + 6;
const WHOLE_PACKET = 0x40000;

export const assemble = (instructions: readonly Instruction[]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(8 * instructions.length));
  for (const [i, [code, ifTrue, ifFalse, operand]] of instructions.entries()) {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, ifTrue);
    view.setUint8(8 * i + 3, ifFalse);
    view.setUint32(8 * i + 4, operand >>> 0, true);
  }
  return new Uint8Array(view.buffer);
};

/** Drops everything: a raw socket that only sends would otherwise queue a copy of each advert that arrives. */
export const DROP_ALL: Uint8Array = assemble([[RETURN, 0, 0, 0]]);

export interface AdvertFilter {
  readonly group: IpAddress;
  readonly vhid: Vhid;
  /** Also let through what is addressed to this host alone. Other multicast groups stay out. */
  readonly unicast: boolean;
}

/** Checks in a row: one that fails jumps to the drop at the end. */
type Check = readonly Instruction[];
/** Stands for that jump until `program` knows how far it is. */
const DROP = 255;
const dropUnlessEqual = (operand: number): Instruction => [JUMP_EQUAL, 0, DROP, operand];
const dropIfEqual = (operand: number): Instruction => [JUMP_EQUAL, DROP, 0, operand];

const program = (checks: Check): Uint8Array => {
  const distance = (from: number): number => checks.length - from;
  const resolved = checks.map(([code, ifTrue, ifFalse, operand], i): Instruction => {
    const jump = (to: number): number => (to === DROP ? distance(i) : to);
    return [code, jump(ifTrue), jump(ifFalse), operand];
  });
  return assemble([...resolved, [RETURN, 0, 0, WHOLE_PACKET], [RETURN, 0, 0, 0]]);
};

const words = ({ bytes }: IpAddress): readonly number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, false));
};

/** The destination is the group, word for word. */
const toGroup = (group: IpAddress, offset: number): Check =>
  words(group).flatMap((word, i): Check => [[LOAD_WORD, 0, 0, offset + 4 * i], dropUnlessEqual(word)]);

/** The destination is no multicast address, or ends as the group does; JavaScript looks at the whole of it. */
const toGroupOrHost = (group: IpAddress, offset: number): Check => {
  const first = words(group)[0] ?? 0;
  const last = words(group).at(-1) ?? 0;
  const mask = group.family === 4 ? 0xf0000000 : 0xff000000;
  return [
    [LOAD_WORD, 0, 0, offset + group.bytes.length - 4],
    // Past the next three.
    [JUMP_EQUAL, 3, 0, last],
    [LOAD_WORD, 0, 0, offset],
    [AND, 0, 0, mask],
    dropIfEqual((first & mask) >>> 0),
  ];
};

/**
 * What the kernel drops before it costs anything: a flood of 100,000 packets a second takes 54 % of a core without and
 * 4 % with it.
 *
 * The TTL is not looked at, so that packets with a wrong one can be counted (`badttl`). What has a wrong TTL because it
 * crossed a router can only be unicast, and without unicast peers that is dropped here. Packets too short to have a
 * vhid are dropped too.
 *
 * The data of an IPv4 raw socket begin at the IP header, those of an IPv6 raw socket after it (raw(7), ipv6(7)).
 */
export const advertFilter = ({ group, vhid, unicast }: AdvertFilter): Uint8Array => {
  const offset = NETWORK_HEADER + (group.family === 4 ? 16 : 24);
  const destination = unicast ? toGroupOrHost(group, offset) : toGroup(group, offset);
  const loadVhid: Check =
    group.family === 4
      ? [
          [LOAD_HEADER_LENGTH, 0, 0, 0],
          [LOAD_BYTE_INDEXED, 0, 0, 1],
        ]
      : [[LOAD_BYTE, 0, 0, 1]];
  return program([...destination, ...loadVhid, dropUnlessEqual(vhid)]);
};

/** For packet sockets: adverts to the group whose Ethernet source is this MAC address, of whatever vhid. */
export const sourceMacFilter = (group: IpAddress, mac: Uint8Array): Uint8Array => {
  const { buffer, byteOffset, byteLength } = mac;
  const view = new DataView(buffer, byteOffset, byteLength);
  return program([
    [LOAD_WORD, 0, 0, ETHERNET_SOURCE],
    dropUnlessEqual(view.getUint32(0, false)),
    [LOAD_HALF, 0, 0, ETHERNET_SOURCE + 4],
    dropUnlessEqual(view.getUint16(4, false)),
    [LOAD_BYTE, 0, 0, NETWORK_HEADER + (group.family === 4 ? 9 : 6)],
    dropUnlessEqual(CARP_PROTOCOL),
    ...toGroup(group, NETWORK_HEADER + (group.family === 4 ? 16 : 24)),
  ]);
};
