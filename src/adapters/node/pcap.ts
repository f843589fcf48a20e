/** Classic pcap files: libpcap's savefile format, pcap-savefile(5). */
import type { CapturedFrame } from '../../ports/sniffer.ts';
import { type ByteReader, viewOf } from './byte-reader.ts';
import { damaged, LINK_TYPES, RECORD_BYTES_MAX, truncated, unknownLink } from './capture-file.ts';

/** After the magic number. */
const FILE_HEADER = 20;
const RECORD_HEADER = 16;

/** The first four bytes say in which order numbers are written, and how finely time is cut. */
const MAGIC: Readonly<Record<string, { readonly littleEndian: boolean; readonly perSecond: number }>> = {
  a1b2c3d4: { littleEndian: false, perSecond: 1e6 },
  d4c3b2a1: { littleEndian: true, perSecond: 1e6 },
  a1b23c4d: { littleEndian: false, perSecond: 1e9 },
  '4d3cb2a1': { littleEndian: true, perSecond: 1e9 },
};

const formatOf = (start: Uint8Array) => MAGIC[Buffer.from(start).toString('hex')];

export const isPcap = (start: Uint8Array): boolean => formatOf(start) !== undefined;

/** @param reader - stands behind `start`, the magic number */
export async function* readPcap(name: string, start: Uint8Array, reader: ByteReader): AsyncGenerator<CapturedFrame> {
  const format = formatOf(start);
  if (format === undefined) throw new TypeError('not a pcap file');
  const { littleEndian, perSecond } = format;
  const header = await reader.take(FILE_HEADER);
  if (header.length < FILE_HEADER) throw truncated(name, reader.position);
  // The upper half of the word says how long a frame check sequence is; it follows the IP packet and does not disturb.
  const linkNumber = viewOf(header).getUint32(16, littleEndian) & 0xffff;
  const link = LINK_TYPES[linkNumber];
  if (link === undefined) throw unknownLink(name, linkNumber);

  for (;;) {
    const record = await reader.take(RECORD_HEADER);
    if (record.length === 0) return;
    if (record.length < RECORD_HEADER) throw truncated(name, reader.position);
    const fields = viewOf(record);
    const length = fields.getUint32(8, littleEndian);
    if (length > RECORD_BYTES_MAX) throw damaged(name, `a packet of ${length} bytes at byte ${reader.position}`);
    const data = await reader.take(length);
    if (data.length < length) throw truncated(name, reader.position);
    const fraction = fields.getUint32(4, littleEndian) / perSecond;
    yield { at: (fields.getUint32(0, littleEndian) + fraction) * 1000, link, data };
  }
}
