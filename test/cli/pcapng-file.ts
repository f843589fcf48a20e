/** Writes small pcapng files, block by block (draft-ietf-opsawg-pcapng). */

export interface Order {
  readonly bigEndian?: boolean;
}

export interface InterfaceOptions extends Order {
  readonly link?: number;
  readonly snapLength?: number;
  /** if_tsresol. */
  readonly resolution?: number;
  /** if_tsoffset, in seconds. */
  readonly offset?: bigint;
  /** More options, as they are. */
  readonly extra?: Uint8Array;
}

export const Block = { section: 0x0a0d0d0a, interface: 1, packet: 2, simplePacket: 3, names: 4, enhancedPacket: 6 };

const u16 = (value: number, { bigEndian = false }: Order): Buffer => {
  const bytes = Buffer.alloc(2);
  if (bigEndian) bytes.writeUInt16BE(value);
  else bytes.writeUInt16LE(value);
  return bytes;
};
const u32 = (value: number, { bigEndian = false }: Order): Buffer => {
  const bytes = Buffer.alloc(4);
  if (bigEndian) bytes.writeUInt32BE(value);
  else bytes.writeUInt32LE(value);
  return bytes;
};
const i64 = (value: bigint, { bigEndian = false }: Order): Buffer => {
  const bytes = Buffer.alloc(8);
  if (bigEndian) bytes.writeBigInt64BE(value);
  else bytes.writeBigInt64LE(value);
  return bytes;
};
const padded = (data: Uint8Array): Buffer => Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);

/** @param length - what the block claims, if not the truth */
export const block = (type: number, body: Uint8Array, order: Order = {}, length = body.length + 12): Buffer =>
  Buffer.concat([u32(type, order), u32(length, order), body, u32(length, order)]);

export const option = (code: number, value: Uint8Array, order: Order = {}): Buffer =>
  Buffer.concat([u16(code, order), u16(value.length, order), padded(value)]);

export const section = (order: Order = {}): Buffer =>
  block(Block.section, Buffer.concat([u32(0x1a2b3c4d, order), u16(1, order), u16(0, order), i64(-1n, order)]), order);

export const describe = (options: InterfaceOptions = {}): Buffer => {
  const { link = 1, snapLength = 0, resolution, offset, extra = new Uint8Array() } = options;
  return block(
    Block.interface,
    Buffer.concat([
      ...[u16(link, options), u16(0, options), u32(snapLength, options), extra],
      resolution === undefined ? Buffer.alloc(0) : option(9, Uint8Array.of(resolution), options),
      offset === undefined ? Buffer.alloc(0) : option(14, i64(offset, options), options),
      option(0, new Uint8Array(), options),
    ]),
    options,
  );
};

export interface PacketOptions extends Order {
  readonly port?: number;
  readonly extra?: Uint8Array;
}

const packetBody = (data: Uint8Array, ticks: bigint, head: Uint8Array, options: PacketOptions): Buffer =>
  Buffer.concat([
    head,
    u32(Number(ticks >> 32n), options),
    u32(Number(ticks & 0xffff_ffffn), options),
    ...[u32(data.length, options), u32(data.length, options), padded(data), options.extra ?? new Uint8Array()],
  ]);

export const enhanced = (data: Uint8Array, ticks: bigint, options: PacketOptions = {}): Buffer =>
  block(Block.enhancedPacket, packetBody(data, ticks, u32(options.port ?? 0, options), options), options);

/** The obsolete one. */
export const old = (data: Uint8Array, ticks: bigint, options: PacketOptions = {}): Buffer => {
  const head = Buffer.concat([u16(options.port ?? 0, options), u16(0xffff, options)]);
  return block(Block.packet, packetBody(data, ticks, head, options), options);
};

export const simple = (data: Uint8Array, original = data.length, options: Order = {}): Buffer =>
  block(Block.simplePacket, Buffer.concat([u32(original, options), padded(data)]), options);
