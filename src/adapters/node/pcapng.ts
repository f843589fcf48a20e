/**
 * pcapng files (draft-ietf-opsawg-pcapng), as Wireshark, dumpcap and editcap write them.
 *
 * A file is a row of blocks: type, total length, body, total length again. A section header begins a section, says its
 * byte order, and forgets the interfaces of the section before. An interface description says the link layer and the
 * clock of the packets that name it by its number. Blocks of other types are passed over, however long they are; what
 * is read is bounded.
 */
import type { CarpError } from '../../ports/error.ts';
import type { CapturedFrame, LinkType } from '../../ports/sniffer.ts';
import { type ByteReader, viewOf } from './byte-reader.ts';
import { damaged, LINK_TYPES, RECORD_BYTES_MAX, truncated, unknownLink } from './capture-file.ts';

const Block = { section: 0x0a0d0d0a, interface: 1, packet: 2, simplePacket: 3, enhancedPacket: 6 } as const;
const KNOWN: readonly number[] = Object.values(Block);

/** Type, length, and the length once more. */
const FRAME = 12;
/** A packet with its options and comments, or a header with its descriptions. libpcap takes 16 MiB. */
const BLOCK_BYTES_MAX = RECORD_BYTES_MAX + 1024 * 1024;
/** Nobody captures on more; each takes memory. */
const INTERFACES_MAX = 65_536;
const MAJOR_VERSION = 1;
/** The furthest instants that a Date can tell. */
const AT_MAX = 8.64e15;

interface Port {
  readonly link: LinkType | undefined;
  readonly linkNumber: number;
  /** Bytes kept of each packet; 0 is all. */
  readonly snapLength: number;
  readonly ticksPerSecond: bigint;
  readonly offsetSeconds: bigint;
}

/** A block's body, its options not yet told apart. */
interface Body {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
}

const OPTION = { end: 0, packetFlags: 2, timeResolution: 9, timeOffset: 14 } as const;

/** The value of an option; `undefined` if it is not there, or the list is broken before it. */
const option = ({ view, bytes, littleEndian }: Body, from: number, wanted: number): DataView | undefined => {
  for (let at = from; at + 4 <= bytes.length; ) {
    const code = view.getUint16(at, littleEndian);
    const length = view.getUint16(at + 2, littleEndian);
    if (code === OPTION.end || at + 4 + length > bytes.length) return undefined;
    if (code === wanted) return viewOf(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + aligned(length);
  }
  return undefined;
};

const aligned = (length: number): number => (length + 3) & ~3;

/** if_tsresol: a power of ten, or with its highest bit one of two. */
const ticksPerSecond = (resolution: number): bigint =>
  resolution & 0x80 ? 2n ** BigInt(resolution & 0x7f) : 10n ** BigInt(resolution);

const DEFAULT_RESOLUTION = 6;
const INTERFACE_HEADER = 8;

const readInterface = (body: Body): Port => {
  const { view, littleEndian } = body;
  const linkNumber = view.getUint16(0, littleEndian);
  const resolution = option(body, INTERFACE_HEADER, OPTION.timeResolution);
  const offset = option(body, INTERFACE_HEADER, OPTION.timeOffset);
  return {
    link: LINK_TYPES[linkNumber],
    linkNumber,
    snapLength: view.getUint32(4, littleEndian),
    ticksPerSecond: ticksPerSecond(resolution?.byteLength === 1 ? resolution.getUint8(0) : DEFAULT_RESOLUTION),
    offsetSeconds: offset?.byteLength === 8 ? offset.getBigInt64(0, littleEndian) : 0n,
  };
};

/** Milliseconds since 1970, whatever nonsense the file says. */
const timeOf = (port: Port, high: number, low: number): number => {
  const ticks = (BigInt(high) << 32n) | BigInt(low);
  const seconds = ticks / port.ticksPerSecond + port.offsetSeconds;
  // Nine digits are finer than any clock, and fit into a number.
  const nanoseconds = ((ticks % port.ticksPerSecond) * 1_000_000_000n) / port.ticksPerSecond;
  const at = Number(seconds) * 1000 + Number(nanoseconds) / 1e6;
  return Math.min(AT_MAX, Math.max(-AT_MAX, at));
};

/** A packet with the number of its interface; `at` is missing from a simple one. */
interface Found {
  readonly port: number;
  readonly at?: (port: Port) => number;
  readonly data: Uint8Array;
  readonly outgoing?: boolean;
}

/** Direction in the two lowest bits of epb_flags. */
const OUTBOUND = 2;

/** Enhanced packet, and the obsolete packet block, which keeps the interface in 16 bits and counts drops in 16 more. */
const readPacket = (body: Body, type: number): Found | 'short' => {
  const { view, bytes, littleEndian } = body;
  const start = 20;
  if (bytes.length < start) return 'short';
  const length = view.getUint32(12, littleEndian);
  if (length > bytes.length - start) return 'short';
  const flags = option(body, start + aligned(length), OPTION.packetFlags);
  const high = view.getUint32(4, littleEndian);
  const low = view.getUint32(8, littleEndian);
  return {
    port: type === Block.packet ? view.getUint16(0, littleEndian) : view.getUint32(0, littleEndian),
    at: (port: Port): number => timeOf(port, high, low),
    data: bytes.subarray(start, start + length),
    ...(flags?.byteLength === 4 && (flags.getUint32(0, littleEndian) & 3) === OUTBOUND ? { outgoing: true } : {}),
  };
};

/** No time, no interface but the first, and no length of what was kept. */
const readSimplePacket = ({ view, bytes, littleEndian }: Body, { snapLength }: Port): Found => {
  const original = view.getUint32(0, littleEndian);
  const kept = Math.min(original, bytes.length - 4, snapLength === 0 ? original : snapLength);
  return { port: 0, data: bytes.subarray(4, 4 + kept) };
};

export const isPcapng = (start: Uint8Array): boolean => Buffer.from(start).toString('hex') === '0a0d0d0a';

const BYTE_ORDERS: Readonly<Record<string, boolean>> = { '4d3c2b1a': true, '1a2b3c4d': false };
/** The fixed part of each body. */
const BODY_MIN: Readonly<Record<number, number>> = {
  [Block.section]: 16,
  [Block.interface]: 8,
  [Block.packet]: 20,
  [Block.simplePacket]: 4,
  [Block.enhancedPacket]: 20,
};

class Sections {
  readonly #name: string;
  readonly #reader: ByteReader;
  #littleEndian = true;

  constructor(name: string, reader: ByteReader) {
    this.#name = name;
    this.#reader = reader;
  }

  damaged(what: string): CarpError {
    return damaged(this.#name, `${what} at byte ${this.#reader.position}`);
  }

  /** The next block that matters; `undefined` at the end of the file. @param isFirst - its type has been read */
  async next(isFirst: boolean): Promise<{ readonly type: number; readonly body: Body } | undefined> {
    for (;;) {
      const head = await this.#reader.take(isFirst ? 4 : 8);
      if (head.length === 0 && !isFirst) return undefined;
      if (head.length < (isFirst ? 4 : 8)) throw truncated(this.#name, this.#reader.position);
      const lengthBytes = head.subarray(-4);
      // The type of a section header reads the same in both byte orders; its length does not, before the magic is known.
      const isSection = isFirst || viewOf(head).getUint32(0, true) === Block.section;
      const type = isSection ? Block.section : viewOf(head).getUint32(0, this.#littleEndian);
      const magic = isSection ? await this.#byteOrder() : new Uint8Array();
      const length = viewOf(lengthBytes).getUint32(0, this.#littleEndian);
      if (length < FRAME + (BODY_MIN[type] ?? 0) || length % 4 !== 0) throw this.damaged(`a block of ${length} bytes`);
      const bodyLength = length - FRAME - magic.length;
      if (!KNOWN.includes(type)) {
        if (!(await this.#reader.skip(bodyLength + 4))) throw truncated(this.#name, this.#reader.position);
        continue;
      }
      if (length > BLOCK_BYTES_MAX) throw this.damaged(`a block of ${length} bytes`);
      const rest = await this.#reader.take(bodyLength + 4);
      if (rest.length < bodyLength + 4) throw truncated(this.#name, this.#reader.position);
      if (viewOf(rest).getUint32(bodyLength, this.#littleEndian) !== length)
        throw this.damaged('a block with two different lengths');
      const bytes = rest.subarray(0, bodyLength);
      return { type, body: { view: viewOf(bytes), bytes, littleEndian: this.#littleEndian } };
    }
  }

  async #byteOrder(): Promise<Uint8Array> {
    const magic = await this.#reader.take(4);
    if (magic.length < 4) throw truncated(this.#name, this.#reader.position);
    const littleEndian = BYTE_ORDERS[Buffer.from(magic).toString('hex')];
    if (littleEndian === undefined) throw this.damaged('a section of no byte order');
    this.#littleEndian = littleEndian;
    return magic;
  }
}

/** @param reader - stands behind the type of the first section header */
export async function* readPcapng(name: string, reader: ByteReader): AsyncGenerator<CapturedFrame> {
  const sections = new Sections(name, reader);
  let ports: Port[] = [];
  let at = 0;
  let understood = false;
  let foreign: number | undefined;

  for (let block = await sections.next(true); block !== undefined; block = await sections.next(false)) {
    const { type, body } = block;
    if (type === Block.section) {
      const version = body.view.getUint16(0, body.littleEndian);
      if (version !== MAJOR_VERSION) throw sections.damaged(`a section of version ${version}`);
      ports = [];
      continue;
    }
    if (type === Block.interface) {
      if (ports.length >= INTERFACES_MAX) throw sections.damaged(`more than ${INTERFACES_MAX} interfaces`);
      ports.push(readInterface(body));
      continue;
    }
    const [first] = ports;
    if (type === Block.simplePacket && first === undefined) throw sections.damaged('a packet of no interface');
    const found = type === Block.simplePacket && first ? readSimplePacket(body, first) : readPacket(body, type);
    if (found === 'short') throw sections.damaged('a packet that is longer than its block');
    const port = ports[found.port];
    if (port === undefined) throw sections.damaged(`a packet of interface ${found.port}, which is not described`);
    if (found.data.length > RECORD_BYTES_MAX) throw sections.damaged(`a packet of ${found.data.length} bytes`);
    // A simple packet came after the one before it: more is not known.
    at = found.at?.(port) ?? at;
    if (port.link === undefined) {
      foreign ??= port.linkNumber;
      continue;
    }
    understood = true;
    yield {
      at,
      link: port.link,
      data: found.data,
      ...(found.port === 0 ? {} : { interface: found.port }),
      ...(found.outgoing ? { outgoing: true } : {}),
    };
  }
  // An Ethernet beside a USB bus is no reason to refuse; a USB bus alone is.
  if (!understood && foreign !== undefined) throw unknownLink(name, foreign);
}
