import { CARP_PROTOCOL } from '../../protocol/constants.ts';
import { assemble, type Instruction } from './advert-filter.ts';

/** Codes of linux/bpf_common.h. */
const LOAD_HALF = 0x28;
const LOAD_BYTE = 0x30;
const AND = 0x54;
const JUMP_EQUAL = 0x15;
const RETURN = 0x06;
const WHOLE_PACKET = 0x40000;

/** Where a program goes on: a name of `Blocks`, or its end. */
type Target = string;
/** Loads a value, and goes where the first number that it equals says. */
interface Block {
  readonly load: readonly Instruction[];
  readonly cases: readonly (readonly [value: number, target: Target])[];
}
type Blocks = Readonly<Record<string, Block>>;

const ACCEPT = 'accept';
const DROP = 'drop';

/** Lays the blocks out in their order; jumps only go forward, as classic BPF demands. */
const program = (blocks: Blocks): Uint8Array => {
  const starts = new Map<Target, number>();
  let length = 0;
  for (const [name, { load, cases }] of Object.entries(blocks)) {
    starts.set(name, length);
    // After the cases a jump to the end that drops.
    length += load.length + cases.length + 1;
  }
  starts.set(ACCEPT, length);
  starts.set(DROP, length + 1);
  const code: Instruction[] = [];
  const distance = (target: Target): number => (starts.get(target) ?? Number.NaN) - code.length - 1;
  for (const { load, cases } of Object.values(blocks)) {
    code.push(...load);
    for (const [value, target] of cases) code.push([JUMP_EQUAL, distance(target), 0, value]);
    code.push([JUMP_EQUAL, distance(DROP), distance(DROP), 0]);
  }
  return assemble([...code, [RETURN, 0, 0, WHOLE_PACKET], [RETURN, 0, 0, 0]]);
};

const load = (code: number, offset: number): readonly Instruction[] => [[code, 0, 0, offset]];

const FRAGMENT = 44;
/** Hop-by-hop, routing and destination options. */
const EXTENSIONS = [0, 43, 60] as const;
/** Behind one of them an advert, or what JavaScript looks through; not the reports of groups, of which there are many. */
const afterIpv6 = (extension: Target): Block['cases'] => [
  [CARP_PROTOCOL, ACCEPT],
  [FRAGMENT, ACCEPT],
  ...EXTENSIONS.map((next) => [next, extension] as const),
];
/** @param start - of the IPv6 header */
const behind = (start: number): Block => ({ load: load(LOAD_BYTE, start + 40), cases: afterIpv6(ACCEPT) });
const IPV4_CASES = [[CARP_PROTOCOL, ACCEPT]] as const;
/** 802.1Q, 802.1ad and its predecessor. The kernel takes the outermost tag off; these are inner ones. */
const TAGS = [0x8100, 0x88a8, 0x9100] as const;

/** Ethernet frames that may carry a packet of protocol 112, also behind one more VLAN tag. */
export const ETHERNET_FILTER: Uint8Array = program({
  type: {
    load: load(LOAD_HALF, 12),
    cases: [[0x0800, 'ipv4'], [0x86dd, 'ipv6'], ...TAGS.map((tag) => [tag, 'tagged'] as const)],
  },
  tagged: {
    load: load(LOAD_HALF, 16),
    cases: [[0x0800, 'taggedIpv4'], [0x86dd, 'taggedIpv6'], ...TAGS.map((tag) => [tag, ACCEPT] as const)],
  },
  ipv4: { load: load(LOAD_BYTE, 14 + 9), cases: IPV4_CASES },
  ipv6: { load: load(LOAD_BYTE, 14 + 6), cases: afterIpv6('extension') },
  taggedIpv4: { load: load(LOAD_BYTE, 18 + 9), cases: IPV4_CASES },
  taggedIpv6: { load: load(LOAD_BYTE, 18 + 6), cases: afterIpv6('taggedExtension') },
  extension: behind(14),
  taggedExtension: behind(18),
});

/** The same for interfaces without a link layer, such as tunnels. */
export const IP_FILTER: Uint8Array = program({
  version: {
    load: [...load(LOAD_BYTE, 0), [AND, 0, 0, 0xf0]],
    cases: [
      [0x40, 'ipv4'],
      [0x60, 'ipv6'],
    ],
  },
  ipv4: { load: load(LOAD_BYTE, 9), cases: IPV4_CASES },
  ipv6: { load: load(LOAD_BYTE, 6), cases: afterIpv6('extension') },
  extension: behind(0),
});
