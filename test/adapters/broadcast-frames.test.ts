/** Adverts as whole frames: to every host of the segment, and to other groups, compared with what ucarp sends. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { advertFrame } from '../../src/adapters/linux/advert-frame.ts';
import { addressOf, type IpAddress, parseAddress } from '../../src/protocol/address.ts';

const address = (text: string): IpAddress => parseAddress(text) ?? assert.fail(text);
const MAC = Uint8Array.of(2, 0, 0, 0, 0, 0x11);
const macOf = (frame: Uint8Array): string => Buffer.from(frame.subarray(0, 6)).toString('hex');

/** The frames of a pcap file of this machine's byte order. */
const framesIn = (pcap: Buffer): readonly Buffer[] => {
  const frames: Buffer[] = [];
  for (let at = 24; at + 16 <= pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8);
    frames.push(pcap.subarray(at + 16, at + 16 + length));
    at += 16 + length;
  }
  return frames;
};

test('a broadcast advert has the bytes of ucarp --nomcast, but for the IP id, its checksum and the Ethernet source', () => {
  const pcap = readFileSync(new URL('../../../test/vectors/captures/ucarp-nomcast.pcap', import.meta.url));
  const theirs = framesIn(pcap).find((frame) => frame.readUInt16BE(12) === 0x0800 && frame[23] === 112);
  assert.ok(theirs);
  const frame = advertFrame({
    mac: MAC,
    source: addressOf(theirs.subarray(26, 30)),
    tos: 0x10,
    payload: theirs.subarray(34, 70),
    broadcast: true,
  });
  assert.equal(macOf(frame), 'ffffffffffff');
  assert.deepEqual(frame.subarray(6, 12), MAC);
  const comparable = (bytes: Uint8Array): string => {
    const copy = Buffer.from(bytes.subarray(0, 70));
    copy.fill(0, 6, 12);
    copy.fill(0, 18, 20);
    copy.fill(0, 24, 26);
    return copy.toString('hex');
  };
  assert.equal(comparable(frame), comparable(theirs));
});

test('another group has its own Ethernet address, without the bit that IPv4 groups share', () => {
  const base = { mac: MAC, source: address('192.0.2.11'), tos: 0x10, payload: new Uint8Array(36) };
  const frame = advertFrame({ ...base, group: address('239.129.2.3') });
  assert.equal(macOf(frame), '01005e010203');
  assert.deepEqual([...frame.subarray(30, 34)], [239, 129, 2, 3]);
  assert.equal(macOf(advertFrame(base)), '01005e000012');
  assert.equal(macOf(advertFrame({ ...base, source: address('fe80::1') })), '333300000012');
});
