import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gratuitousArp, unsolicitedAdvertisement } from '../../src/adapters/linux/frames.ts';
import { type IpAddress, parseAddress } from '../../src/protocol/address.ts';
import { internetChecksum } from '../../src/protocol/checksum.ts';

interface Vector {
  readonly id: string;
  readonly frameHex: string;
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../../test/vectors/frames.json', import.meta.url), 'utf8'),
);
const vector = (id: string): Buffer => {
  const found = vectors.find((each) => each.id === id);
  assert.ok(found, id);
  return Buffer.from(found.frameHex, 'hex');
};
const address = (text: string): IpAddress => {
  const parsed = parseAddress(text);
  assert.ok(parsed, text);
  return parsed;
};

const virtualMac = Uint8Array.of(0, 0, 0x5e, 0, 1, 1);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('a gratuitous ARP from the virtual MAC is the one that OpenBSD sends', () => {
  const frame = gratuitousArp({ address: address('192.0.2.1'), mac: virtualMac });
  assert.equal(hex(frame), hex(vector('openbsd-garp')));
});

test('a gratuitous ARP differs from that of FreeBSD only in the Ethernet source', () => {
  const frame = gratuitousArp({ address: address('192.0.2.1'), mac: virtualMac });
  const theirs = vector('freebsd-garp');
  assert.equal(hex(frame.subarray(0, 6)), hex(theirs.subarray(0, 6)));
  assert.equal(hex(frame.subarray(12)), hex(theirs.subarray(12)));
  assert.notEqual(hex(frame), hex(theirs));
});

test('an unsolicited advertisement is that of FreeBSD, but for the traffic class', () => {
  const theirs = vector('freebsd-unsolicited-na');
  const source = address('fe80::ff:fe00:a');
  const frame = unsolicitedAdvertisement({ address: address('2001:db8::1'), mac: virtualMac }, source);
  const withoutClass = Buffer.from(theirs);
  withoutClass[14] = 0x60;
  assert.equal(hex(frame), hex(withoutClass));
});

test('an unsolicited advertisement comes from the announced address itself, and its checksum holds', () => {
  const vip = address('2001:db8::100');
  const frame = unsolicitedAdvertisement({ address: vip, mac: Uint8Array.of(2, 0, 0, 0, 0, 0x0a) });
  assert.equal(hex(frame.subarray(22, 38)), hex(vip.bytes));
  const pseudoHeader = [...frame.subarray(22, 54), 0, 0, 0, 32, 0, 0, 0, 58];
  assert.equal(internetChecksum(Uint8Array.from([...pseudoHeader, ...frame.subarray(54)])), 0);
});

test('addresses of the wrong family and MACs of the wrong length are refused', () => {
  const ipv4 = address('192.0.2.1');
  const ipv6 = address('2001:db8::1');
  assert.throws(() => gratuitousArp({ address: ipv6, mac: virtualMac }), /wanted an IPv4 address/);
  assert.throws(() => unsolicitedAdvertisement({ address: ipv4, mac: virtualMac }), /wanted an IPv6 address/);
  assert.throws(() => gratuitousArp({ address: ipv4, mac: virtualMac.subarray(1) }), /6 bytes, not 5/);
});
