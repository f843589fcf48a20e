/** Frames as hosts of a segment would send them. */
import { createSigner } from '../../src/adapters/node/hmac.ts';
import { EMPTY_SEGMENT, hearFrame, passTime, type Segment } from '../../src/engine/segment.ts';
import type { SegmentEvent } from '../../src/engine/segment-events.ts';
import type { SegmentRules } from '../../src/engine/segment-rules.ts';
import type { CapturedFrame } from '../../src/ports/sniffer.ts';
import { encodeAdvert } from '../../src/protocol/advert.ts';
import { type Authenticator, authenticator, keyOf } from '../../src/protocol/authentication.ts';
import { internetChecksum, pseudoHeaderSum } from '../../src/protocol/checksum.ts';
import { advBase, advSkew, vhid } from '../../src/protocol/units.ts';
import { address, utf8 } from '../protocol/vectors.ts';

/** 2026-11-22T12:00:00Z. */
export const START = 1_795_348_800_000;
export const at = (ms: number): string => new Date(START + ms).toISOString();

export interface Host {
  readonly source: string;
  readonly vhid: number;
  readonly advbase: number;
  readonly advskew: number;
  readonly demotion: number;
  readonly mac: string;
  readonly tos: number;
  readonly id: number;
  readonly ttl: number;
  readonly pass: string;
  readonly destination: string;
  readonly vlans: readonly number[];
}

/** FreeBSD's looks. */
export const HOST: Host = {
  source: '192.0.2.11',
  vhid: 7,
  advbase: 1,
  advskew: 0,
  demotion: 0,
  mac: '00005e000107',
  tos: 0xe0,
  id: 0,
  ttl: 255,
  pass: 'secret',
  destination: '224.0.0.18',
  vlans: [],
};
export const OTHER: Host = { ...HOST, source: '192.0.2.12', advskew: 100 };

const SHARED = ['192.0.2.100'];
/** Floods are signed by the same few hosts. */
const known = new Map<string, Authenticator>();
const keyed = (pass: string, id: number): Authenticator => {
  const name = `${id} ${pass}`;
  const found =
    known.get(name) ??
    authenticator({ vhid: vhid(id), addresses: SHARED.map(address) }, createSigner(keyOf(utf8(pass))));
  known.set(name, found);
  return found;
};

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);

const packet = (host: Host, payload: Uint8Array): Buffer => {
  const [source, destination] = [address(host.source), address(host.destination)];
  if (source.family === 4) {
    const header = Buffer.concat([
      Buffer.from([0x45, host.tos]),
      ...[u16(20 + payload.length), u16(host.id), u16(0x4000)],
      Buffer.from([host.ttl, 112, 0, 0]),
      ...[source.bytes, destination.bytes],
    ]);
    // Bridges drop frames whose IP header is wrong, where netfilter looks at them.
    header.writeUInt16BE(internetChecksum(header), 10);
    return Buffer.concat([header, payload]);
  }
  return Buffer.concat([
    Buffer.from([0x60 | (host.tos >> 4), (host.tos & 15) << 4, 0, 0]),
    ...[u16(payload.length), Buffer.from([112, host.ttl]), source.bytes, destination.bytes, payload],
  ]);
};

export const frameOf = (host: Host, ms: number, payload: Uint8Array): CapturedFrame => ({
  at: START + ms,
  link: 'ethernet',
  data: Buffer.concat([
    Buffer.from('01005e000012', 'hex'),
    Buffer.from(host.mac, 'hex'),
    ...host.vlans.map((vlan) => Buffer.concat([u16(0x8100), u16(vlan)])),
    u16(address(host.source).family === 4 ? 0x0800 : 0x86dd),
    packet(host, payload),
  ]),
});

let counters = 0x1234_5678_9abc_def0n;
/** As a lone BSD has it; spread, but the same in each run. */
export const randomCounter = (): bigint => {
  counters = BigInt.asUintN(64, counters * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n);
  return counters;
};

export const carp = (host: Host, ms: number, counter: bigint = randomCounter()): CapturedFrame => {
  const digest = keyed(host.pass, host.vhid).digest(counter, 'with-link-local');
  const advert = {
    vhid: vhid(host.vhid),
    advbase: advBase(host.advbase),
    advskew: advSkew(host.advskew),
    demotion: host.demotion,
    counter,
    digest,
  };
  return frameOf(host, ms, encodeAdvert(advert));
};

export const farewell = (host: Host, ms: number): CapturedFrame => carp({ ...host, advbase: 255, advskew: 255 }, ms);

/** VRRP version 3 of one address, one advert a second. */
export const vrrp = (host: Host, ms: number, priority = 100): CapturedFrame => {
  const payload = Buffer.from([0x31, host.vhid, priority, 1, 0, 100, 0, 0, ...address('192.0.2.100').bytes]);
  const path = { source: address(host.source), destination: address(host.destination) };
  payload.writeUInt16BE(internetChecksum(payload, pseudoHeaderSum(path, payload.length)), 6);
  return frameOf(host, ms, payload);
};

export const RULES: SegmentRules = {
  verify: (advert) => (keyed('secret', advert.vhid).verify(advert) === undefined ? 'bad' : 'ok'),
};

export interface Story {
  readonly segment: Segment;
  readonly events: readonly SegmentEvent[];
}

/** What is told of these frames, in the order of their time, until `end` ms. */
export const story = (frames: readonly CapturedFrame[], end = 0, rules: SegmentRules = {}): Story => {
  let segment = EMPTY_SEGMENT;
  const events: SegmentEvent[] = [];
  for (const frame of frames.toSorted((a, b) => a.at - b.at)) {
    const [next, some] = hearFrame(segment, frame, rules);
    segment = next;
    events.push(...some);
  }
  const [last, some] = passTime(segment, START + end);
  return { segment: last, events: [...events, ...some] };
};

/** Moments from `from` to `to`, every so many ms. */
export const every = (step: number, from: number, to: number): readonly number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);

/** Events of some kinds, shortened to what is to be compared. */
export const only = <Kind extends SegmentEvent['event']>(
  { events }: Story,
  ...kinds: readonly Kind[]
): readonly (SegmentEvent & { readonly event: Kind })[] =>
  events.filter((event): event is SegmentEvent & { readonly event: Kind } => kinds.includes(event.event as Kind));
