/** Reads captures, of either format, frame by frame: a capture of a week need not fit into memory. */
import { CarpError } from '../../ports/error.ts';
import type { CapturedFrame } from '../../ports/sniffer.ts';
import { ByteReader } from './byte-reader.ts';
import { isPcap, readPcap } from './pcap.ts';
import { isPcapng, readPcapng } from './pcapng.ts';

const notCapture = (name: string, start: Uint8Array): CarpError => {
  if (start.length === 0)
    return new CarpError('CARP_FAILED', `${name} is empty: even a capture of nothing has a header`, {
      remedy: 'see what the program that should have written it has said; tcpdump -U writes at once',
    });
  const magic = Buffer.from(start).toString('hex');
  const [, unpack] = COMPRESSED.find(([prefix]) => magic.startsWith(prefix)) ?? [];
  if (unpack !== undefined)
    return new CarpError('CARP_FAILED', `${name} is compressed`, { remedy: `decompress it first, with: ${unpack}` });
  return new CarpError('CARP_FAILED', `${name} is no pcap or pcapng file`, {
    remedy: 'capture one with: tcpdump -i INTERFACE -w FILE.pcap ip proto 112 or ip6 proto 112',
  });
};

const COMPRESSED: readonly (readonly [prefix: string, unpack: string])[] = [
  ['1f8b', 'gunzip'],
  ['28b52ffd', 'unzstd'],
  ['fd377a58', 'unxz'],
];

/**
 * The frames of a pcap or pcapng file, in its order. The first four bytes say which it is.
 *
 * @param name - of the file, for messages
 * @throws CarpError CARP_FAILED: neither format, a link layer that is not known, or a file that ends early or is
 *   damaged; frames before the damage have been delivered by then
 */
export async function* readCapture(name: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<CapturedFrame> {
  const reader = new ByteReader(chunks);
  const start = await reader.take(4);
  if (isPcap(start)) yield* readPcap(name, start, reader);
  else if (isPcapng(start)) yield* readPcapng(name, reader);
  else throw notCapture(name, start);
}
