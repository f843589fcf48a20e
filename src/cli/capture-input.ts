import { createReadStream } from 'node:fs';
import { readCapture } from '../adapters/node/capture.ts';
import { CarpError } from '../ports/error.ts';
import type { CapturedFrame } from '../ports/sniffer.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
};

/** Turns what the system says about a capture into something to do. */
const captureError = (file: string, name: string, error: unknown): unknown => {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof CarpError || typeof code !== 'string') return error;
  const failure = code === 'EACCES' ? 'CARP_NO_PERMISSION' : 'CARP_FAILED';
  const remedy =
    file === '-'
      ? 'give it a capture: tcpdump … -w - | carp …, or carp … < FILE.pcap'
      : `ls -l ${file} shows whether it is there and who may read it`;
  return new CarpError(failure, `cannot read ${name}: ${REASONS[code] ?? code}`, { remedy });
};

/** The frames of a file that the user named; `-` is standard input. @throws CarpError as `readCapture` */
export async function* captureFrames(file: string): AsyncGenerator<CapturedFrame> {
  const name = file === '-' ? 'standard input' : file;
  try {
    yield* readCapture(name, file === '-' ? process.stdin : createReadStream(file));
  } catch (error) {
    throw captureError(file, name, error);
  }
}
