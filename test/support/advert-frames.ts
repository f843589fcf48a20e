/** Adverts as other systems send them, and variations that tell packets apart. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const vectors: readonly { readonly id: string; readonly frameHex: string }[] = JSON.parse(
  readFileSync(new URL('../../../test/vectors/frames.json', import.meta.url), 'utf8'),
);
/** A frame of test/vectors, hexadecimal. */
export const vector = (id: string): string => {
  const found = vectors.find((each) => each.id === id);
  assert.ok(found, id);
  return found.frameHex;
};
/** The advert in an Ethernet frame, hexadecimal: the last 36 bytes. */
export const advertOf = (frameHex: string): string => frameHex.slice(-72);
/** One of NetBSD: vhid 1. */
export const ADVERT = advertOf(vector('netbsd-v4-multicast'));
/** The advert with another byte somewhere. */
export const withByte = (index: number, value: number): string =>
  `${ADVERT.slice(0, 2 * index)}${value.toString(16).padStart(2, '0')}${ADVERT.slice(2 * index + 2)}`;
/** An advert that is not like others. */
export const marked = (mark: number): string => withByte(35, mark);

/** Frames of a pcap file with Ethernet link type. */
export const framesIn = (pcap: Buffer): readonly string[] => {
  const frames: string[] = [];
  for (let at = 24; at + 16 <= pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8);
    if (at + 16 + length > pcap.length) break;
    frames.push(pcap.subarray(at + 16, at + 16 + length).toString('hex'));
    at += 16 + length;
  }
  return frames;
};
