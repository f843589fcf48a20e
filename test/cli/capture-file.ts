/** Writes small captures: every kind of header that `carp decode` has to see through. */

export interface FileOptions {
  readonly bigEndian?: boolean;
  readonly nanoseconds?: boolean;
  /** LINKTYPE_… of tcpdump.org; default Ethernet. */
  readonly link?: number;
  /** Bytes of each packet that are kept. */
  readonly snapLength?: number;
}

/** 2026-11-22T12:00:00Z. */
export const START_S = 1_795_348_800;

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);

/** A pcap file with these frames, one every 1.25 s. */
export const pcap = (frames: readonly Uint8Array[], options: FileOptions = {}): Buffer => {
  const { bigEndian = false, nanoseconds = false, link = 1, snapLength = 65_535 } = options;
  const words = (...values: readonly number[]): Buffer => {
    const buffer = Buffer.alloc(values.length * 4);
    for (const [i, value] of values.entries())
      if (bigEndian) buffer.writeUInt32BE(value, i * 4);
      else buffer.writeUInt32LE(value, i * 4);
    return buffer;
  };
  const magic = nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4;
  const version = bigEndian ? 0x0002_0004 : 0x0004_0002;
  const records = frames.map((frame, i) => {
    const kept = frame.subarray(0, snapLength);
    const ms = i * 1250;
    const fraction = (ms % 1000) * (nanoseconds ? 1e6 : 1e3);
    return Buffer.concat([words(START_S + Math.floor(ms / 1000), fraction, kept.length, frame.length), kept]);
  });
  return Buffer.concat([words(magic, version, 0, 0, snapLength, link), ...records]);
};

export interface PacketOptions {
  readonly ttl?: number;
  readonly protocol?: number;
  /** IPv4: options, a multiple of 4 bytes. IPv6: extension headers. */
  readonly extra?: Uint8Array;
  /** IPv4: flags and fragment offset. */
  readonly fragment?: number;
  /** IPv6: what the fixed header announces, if there are extension headers. */
  readonly next?: number;
}

export const ipv4 = (payload: Uint8Array, options: PacketOptions = {}): Buffer => {
  const { ttl = 255, protocol = 112, extra = new Uint8Array(), fragment = 0x4000 } = options;
  const headerLength = 20 + extra.length;
  return Buffer.concat([
    Buffer.from([0x40 | (headerLength / 4), 0x10]),
    u16(headerLength + payload.length),
    u16(0),
    u16(fragment),
    Buffer.from([ttl, protocol, 0, 0, 192, 0, 2, 11, 224, 0, 0, 18]),
    extra,
    payload,
  ]);
};

const IPV6_PATH = Buffer.from('fe800000000000000000000000000011ff020000000000000000000000000012', 'hex');

export const ipv6 = (payload: Uint8Array, options: PacketOptions = {}): Buffer => {
  const { ttl = 255, protocol = 112, extra = new Uint8Array(), next = protocol } = options;
  return Buffer.concat([
    Buffer.from([0x60, 0, 0, 0]),
    u16(extra.length + payload.length),
    Buffer.from([next, ttl]),
    IPV6_PATH,
    extra,
    payload,
  ]);
};

const typeOf = (packet: Uint8Array): Buffer => u16((packet[0] ?? 0) >> 4 === 6 ? 0x86dd : 0x0800);

export const ethernet = (packet: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from('01005e00001200005e000101', 'hex'), typeOf(packet), packet]);

/** 802.1Q, or with `outer` a stack of two. */
export const tagged = (packet: Uint8Array, outer?: number): Buffer =>
  Buffer.concat([
    Buffer.from('01005e00001200005e000101', 'hex'),
    ...(outer === undefined ? [] : [u16(outer), u16(7)]),
    u16(0x8100),
    u16(42),
    typeOf(packet),
    packet,
  ]);

/** Linux cooked capture: of `tcpdump -i any`, old and new. */
export const sll = (packet: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from('0002000100065254000000010000', 'hex'), typeOf(packet), packet]);
export const sll2 = (packet: Uint8Array): Buffer =>
  Buffer.concat([typeOf(packet), Buffer.from('000000000002000102065254000000010000', 'hex'), packet]);

/** Extension headers of 8 bytes that say what follows. */
export const hopByHop = (next: number): Buffer => Buffer.from([next, 0, 1, 4, 0, 0, 0, 0]);
export const ipv6Fragment = (next: number, offsetAndMore: number): Buffer =>
  Buffer.concat([Buffer.from([next, 0]), u16(offsetAndMore), Buffer.from([0, 0, 0, 1])]);
