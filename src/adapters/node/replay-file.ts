/**
 * A file of frames, to which one can be added: `CARPRPL1`, then frames of length (4 bytes), CRC-32 of the content (4) and
 * content. The first frame names what the file is about. A frame is there completely or not at all: what a crash or a full
 * disk leaves of the last one is noticed and left out.
 */
import { crc32 } from 'node:zlib';

const MAGIC = Buffer.from('CARPRPL1');
const HEADER = 8;

export const frame = (content: Uint8Array): Buffer => {
  const header = Buffer.alloc(HEADER);
  header.writeUInt32BE(content.length);
  header.writeUInt32BE(crc32(content), 4);
  return Buffer.concat([header, content]);
};

/** A new file about something, with these contents. */
export const formatFrames = (about: string, ...contents: readonly Uint8Array[]): Buffer =>
  Buffer.concat([MAGIC, ...[Buffer.from(about), ...contents].map(frame)]);

export type Frames =
  /** `isWhole`: nothing was left out at the end. */
  | { readonly type: 'frames'; readonly contents: readonly Uint8Array[]; readonly isWhole: boolean }
  | { readonly type: 'foreign'; readonly why: string };

const framesOf = (file: Buffer): { readonly contents: readonly Buffer[]; readonly isWhole: boolean } => {
  const contents: Buffer[] = [];
  let at = MAGIC.length;
  while (at + HEADER <= file.length) {
    const length = file.readUInt32BE(at);
    const content = file.subarray(at + HEADER, at + HEADER + length);
    if (content.length < length || crc32(content) !== file.readUInt32BE(at + 4)) break;
    contents.push(content);
    at += HEADER + length;
  }
  return { contents, isWhole: at === file.length };
};

/** Reads a file about something. Never throws. */
export const parseFrames = (about: string, file: Buffer): Frames => {
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) return { type: 'foreign', why: 'it is no file of this kind' };
  const { contents, isWhole } = framesOf(file);
  const [title, first, ...rest] = contents;
  if (title === undefined || first === undefined) return { type: 'foreign', why: 'its beginning is damaged' };
  if (title.toString() !== about) return { type: 'foreign', why: `it is about ${title.toString().slice(0, 40)}` };
  return { type: 'frames', contents: [first, ...rest], isWhole };
};
