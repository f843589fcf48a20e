/** The vectors of test/vectors: adverts that were computed from the kernels' rules, and captures of real ones. */
import { createReadStream, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readCapture } from '../../src/adapters/node/capture.ts';
import { type CarpPacket, carpPacket } from '../../src/engine/segment-packet.ts';
import { type IpAddress, parseAddress } from '../../src/protocol/address.ts';

const folder = new URL('../../../test/vectors/', import.meta.url);
const readJson = (name: string): unknown => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));

export interface ComputedAdvert {
  readonly id: string;
  readonly os: 'freebsd' | 'openbsd' | 'netbsd';
  readonly vhid: number;
  readonly pass: string;
  readonly keySource: 'ifconfig' | 'raw20';
  readonly keyHex: string;
  readonly advbase: number;
  readonly advskew: number;
  readonly demote: number;
  readonly counter: string;
  readonly ipv4Addresses: readonly string[];
  readonly ipv6Addresses: readonly string[];
  readonly hmacInputHex: string;
  readonly hmacHex: string;
  readonly hmacOrigHex?: string;
  readonly advskewOnWire: number;
  readonly advbaseOnWire: number;
  readonly byte4OnWire: number;
  readonly carpPacketHex: string;
  readonly carpPacketHexNoPseudoHeader?: string;
  readonly ip6Src?: string;
  readonly ip6Dst?: string;
}

export const computedAdverts = readJson('adverts.json') as readonly ComputedAdvert[];

interface CaptureEntry {
  readonly file: string;
  readonly vhid: number;
  readonly password: string;
  readonly effective_key?: string;
  readonly vip?: string;
  readonly virtual_ipv4?: readonly string[];
  readonly virtual_ipv6?: readonly string[];
  readonly adverts?: number;
}

/** A capture, and what it was made with. */
export interface Capture {
  readonly file: string;
  readonly path: string;
  readonly vhid: number;
  /** What the sender really used. */
  readonly key: string;
  readonly addresses: readonly string[];
  /** How many adverts there are, where the manifest says so. */
  readonly adverts: number | undefined;
}

export const captures: readonly Capture[] = (readJson('captures.json') as readonly CaptureEntry[]).map((entry) => ({
  file: entry.file,
  path: fileURLToPath(new URL(`captures/${entry.file}`, folder)),
  vhid: entry.vhid,
  key: entry.effective_key ?? entry.password,
  addresses: entry.vip === undefined ? [...(entry.virtual_ipv4 ?? []), ...(entry.virtual_ipv6 ?? [])] : [entry.vip],
  adverts: entry.adverts,
}));

/** All packets of protocol 112 in a capture. */
export const packetsOf = async ({ path }: Pick<Capture, 'path'>): Promise<readonly CarpPacket[]> => {
  const packets: CarpPacket[] = [];
  for await (const frame of readCapture(path, createReadStream(path))) {
    const packet = carpPacket(frame);
    if (packet !== undefined) packets.push(packet);
  }
  return packets;
};

export const address = (text: string): IpAddress => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
};

export const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
export const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');
export const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** A copy with one bit turned over; bit 0 is the highest of the first byte. */
export const flipBit = (data: Uint8Array, bit: number): Uint8Array =>
  data.map((octet, i) => (i === bit >> 3 ? octet ^ (0x80 >> (bit & 7)) : octet));
