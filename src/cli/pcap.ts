/**
 * Reads classic pcap files (libpcap's savefile format, pcap-savefile(5)), packet by packet: a capture of a week need
 * not fit into memory.
 */
import { CarpError } from '../ports/error.ts';

/** What precedes the IP header (tcpdump.org/linktypes.html). */
export type LinkType = 'ethernet' | 'sll' | 'sll2' | 'ip';

const LINK_TYPES: Readonly<Record<number, LinkType>> = {
  1: 'ethernet',
  // LINKTYPE_RAW, and what DLT_RAW was called on some systems before.
  101: 'ip',
  12: 'ip',
  14: 'ip',
  113: 'sll',
  228: 'ip',
  229: 'ip',
  276: 'sll2',
};

export interface CapturedFrame {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly link: LinkType;
  /** At most as many bytes as the capture was told to keep. */
  readonly data: Uint8Array;
}

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** libpcap's MAXIMUM_SNAPLEN; a longer record is a damaged file. */
const RECORD_BYTES_MAX = 262_144;

/** Hands out an exact number of bytes at a time, however the chunks were cut. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();
  /** How many bytes have been handed out. */
  position = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes; fewer only at the end. */
  async take(length: number): Promise<Uint8Array> {
    while (this.#rest.length < length) {
      const next = await this.#chunks.next();
      if (next.done === true) break;
      this.#rest = Buffer.concat([this.#rest, next.value]);
    }
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    this.position += taken.length;
    return taken;
  }
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** The first four bytes say in which order numbers are written, and how finely time is cut. */
const MAGIC: Readonly<Record<string, { readonly littleEndian: boolean; readonly perSecond: number }>> = {
  a1b2c3d4: { littleEndian: false, perSecond: 1e6 },
  d4c3b2a1: { littleEndian: true, perSecond: 1e6 },
  a1b23c4d: { littleEndian: false, perSecond: 1e9 },
  '4d3cb2a1': { littleEndian: true, perSecond: 1e9 },
};

const notPcap = (name: string, start: string): CarpError => {
  if (start === '0a0d0d0a')
    return new CarpError('CARP_FAILED', `${name} is a pcapng file; only classic pcap is read`, {
      remedy: `convert it: editcap -F pcap ${name} classic.pcap (or capture with: tshark -F pcap -w FILE)`,
    });
  if (start.startsWith('1f8b'))
    return new CarpError('CARP_FAILED', `${name} is compressed`, { remedy: `decompress it first: gunzip ${name}` });
  return new CarpError('CARP_FAILED', `${name} is no pcap file`, {
    remedy: 'capture one with: tcpdump -i INTERFACE -w FILE.pcap ip proto 112 or ip6 proto 112',
  });
};

const truncated = (name: string, position: number): CarpError =>
  new CarpError(
    'CARP_FAILED',
    `${name} ends in the middle of a packet, after ${position} bytes; what is above is whole`,
    {
      remedy: 'end the capture before copying its file, or write with: tcpdump -U',
    },
  );

/**
 * The frames of a pcap file, in its order.
 *
 * @param name - of the file, for messages
 * @throws CarpError CARP_FAILED: not pcap, a link layer that is not known, or a file that ends early or is damaged;
 *   frames before the damage have been delivered by then
 */
export async function* readPcap(name: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<CapturedFrame> {
  const reader = new ByteReader(chunks);
  const header = await reader.take(FILE_HEADER);
  const start = Buffer.from(header.subarray(0, 4)).toString('hex');
  const format = MAGIC[start];
  if (format === undefined) throw notPcap(name, start);
  if (header.length < FILE_HEADER) throw truncated(name, reader.position);
  const { littleEndian, perSecond } = format;
  // The upper half of the word says how long a frame check sequence is; it follows the IP packet and does not disturb.
  const linkNumber = view(header).getUint32(20, littleEndian) & 0xffff;
  const link = LINK_TYPES[linkNumber];
  if (link === undefined)
    throw new CarpError(
      'CARP_FAILED',
      `${name} has link type ${linkNumber}; Ethernet, Linux cooked and raw IP are read`,
      {
        remedy: 'capture on an Ethernet interface, or with: tcpdump -i any',
      },
    );

  for (;;) {
    const record = await reader.take(RECORD_HEADER);
    if (record.length === 0) return;
    if (record.length < RECORD_HEADER) throw truncated(name, reader.position);
    const fields = view(record);
    const length = fields.getUint32(8, littleEndian);
    if (length > RECORD_BYTES_MAX)
      throw new CarpError('CARP_FAILED', `${name} is damaged: a packet of ${length} bytes at byte ${reader.position}`, {
        remedy: 'copy the file again (in binary mode), or capture again',
      });
    const data = await reader.take(length);
    if (data.length < length) throw truncated(name, reader.position);
    const fraction = fields.getUint32(4, littleEndian) / perSecond;
    yield { at: (fields.getUint32(0, littleEndian) + fraction) * 1000, link, data };
  }
}
