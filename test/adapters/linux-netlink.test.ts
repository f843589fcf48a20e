import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeAttributes, decodeMessages, encodeAttribute, encodeMessage } from '../../src/adapters/linux/netlink.ts';
import { afterMessage, EMPTY_NETWORK, type Network } from '../../src/adapters/linux/network.ts';
import {
  type AddressEntry,
  AddressFlag,
  type Answer,
  addAddress,
  decodeAnswers,
  deleteAddress,
  LinkFlag,
} from '../../src/adapters/linux/rtnetlink.ts';
import { parseCidr } from '../../src/protocol/address.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const cidr = (text: string) => {
  const parsed = parseCidr(text);
  assert.ok(parsed);
  return parsed;
};
const entry = (text: string, more: Partial<AddressEntry> = {}): AddressEntry => ({
  ...cidr(text),
  index: 2,
  flags: AddressFlag.PERMANENT,
  scope: 0,
  validSeconds: undefined,
  ...more,
});
const answersOf = (bytes: Uint8Array): readonly Answer[] => decodeAnswers(bytes).answers;
const listOf = (network: Network): readonly string[] =>
  (network.addresses.get(2) ?? []).map(({ address, prefix }) => `${address.text}/${prefix}`);

/** ifinfomsg (family, type, index 2, flags, change) and IFLA_IFNAME "eth0". */
const link = (type: number, family: number, flags: number): Uint8Array => {
  const body = Buffer.alloc(16);
  body.writeUInt8(family, 0);
  body.writeUInt16LE(1, 2);
  body.writeInt32LE(2, 4);
  body.writeUInt32LE(flags, 8);
  const name = encodeAttribute(3, Buffer.from('eth0\0'));
  return encodeMessage({ type, flags: 0, sequence: 0, payload: Buffer.concat([body, name]) });
};

test('an IPv4 lease is added with equal lifetimes, in exactly the bytes that the kernel expects', () => {
  const request = addAddress({ ...cidr('192.0.2.100/32'), index: 3 }, 2, 'exclusive');
  const expected = hex(`
    3c000000 1400 0106 07000000 00000000
    02 20 00 00 03000000
    0800 0200 c0000264
    0800 0100 c0000264
    1400 0600 02000000 02000000 00000000 00000000`);
  assert.equal(toHex(encodeMessage({ ...request, sequence: 7 })), toHex(expected));
});

test('an IPv6 lease is deprecated from the start and skips duplicate address detection', () => {
  const request = addAddress({ ...cidr('2001:db8::100/128'), index: 3 }, 5, 'replace');
  const [message] = decodeMessages(encodeMessage({ ...request, sequence: 1 }));
  assert.ok(message);
  assert.equal(message.flags, 0x1 | 0x400 | 0x100, 'REQUEST, CREATE, REPLACE and never EXCL');
  assert.equal(message.payload[2], AddressFlag.NODAD);
  const lifetimes = decodeAttributes(message.payload.subarray(8)).get(6);
  assert.equal(toHex(lifetimes ?? new Uint8Array()), '00000000050000000000000000000000', 'preferred 0, valid 5 s');
});

test('a removal names address and prefix, and no lifetime', () => {
  const [message] = decodeMessages(
    encodeMessage({ ...deleteAddress({ ...cidr('192.0.2.100/24'), index: 3 }), sequence: 1 }),
  );
  assert.equal(message?.type, 21);
  assert.equal(
    toHex(message?.payload ?? new Uint8Array()),
    '02180000030000000800 0200c0000264 08000100c0000264'.replaceAll(' ', ''),
  );
});

test('an address that was encoded is decoded again, with its lifetime', () => {
  const request = addAddress({ ...cidr('192.0.2.100/24'), index: 9 }, 60, 'replace');
  assert.deepEqual(answersOf(encodeMessage({ ...request, sequence: 1 })), [
    { type: 'address', entry: { ...cidr('192.0.2.100/24'), index: 9, flags: 0, scope: 0, validSeconds: 60 } },
  ]);
});

test('wide flags count before the narrow ones, and an infinite lifetime is none', () => {
  const request = addAddress({ ...cidr('192.0.2.1/24'), index: 9 }, 0xffff_ffff, 'replace');
  const flags = encodeAttribute(8, Uint8Array.of(AddressFlag.TENTATIVE, 2, 0, 0));
  const bytes = encodeMessage({ ...request, sequence: 1, payload: Buffer.concat([request.payload, flags]) });
  const [answer] = answersOf(bytes);
  assert.ok(answer?.type === 'address');
  assert.equal(answer.entry.flags, 0x200 | AddressFlag.TENTATIVE);
  assert.equal(answer.entry.validSeconds, undefined);
});

test('a link is gone when the kernel says so, and not when a port leaves its bridge', () => {
  assert.deepEqual(answersOf(link(17, 0, 0)), [{ type: 'linkGone', index: 2 }]);
  assert.deepEqual(answersOf(link(17, 7, 0)), [], 'AF_BRIDGE');
  assert.deepEqual(answersOf(link(16, 0, 0x41)), [{ type: 'link', link: { index: 2, name: 'eth0', flags: 0x41 } }]);
});

test('an error carries its number and the explanation of the kernel, an acknowledgement neither', () => {
  const outcome = (errno: number, text?: string): Uint8Array => {
    const body = Buffer.alloc(4 + 16);
    body.writeInt32LE(-errno, 0);
    const more = text === undefined ? Buffer.alloc(0) : encodeAttribute(1, Buffer.from(`${text}\0`));
    return encodeMessage({
      type: 2,
      flags: text === undefined ? 0x100 : 0x300,
      sequence: 42,
      payload: Buffer.concat([body, more]),
    });
  };
  assert.deepEqual(answersOf(outcome(0)), [{ type: 'outcome', sequence: 42, outcome: { errno: 0 } }]);
  assert.deepEqual(answersOf(outcome(17, 'already there')), [
    { type: 'outcome', sequence: 42, outcome: { errno: 17, text: 'already there' } },
  ]);
});

test('no bytes make the decoder throw or loop', () => {
  const kinds = fc.constantFrom(2, 3, 16, 17, 20, 21, 99);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), kinds, (payload, type) => {
      decodeAnswers(payload);
      decodeAnswers(encodeMessage({ type, flags: 0x200, sequence: 1, payload }));
    }),
    { numRuns: 500 },
  );
});

test('several messages of one datagram are all seen, and a cut one ends it', () => {
  const one = link(16, 0, 1);
  const two = Buffer.concat([one, link(17, 0, 0)]);
  assert.equal(answersOf(two).length, 2);
  assert.equal(answersOf(two.subarray(0, two.length - 4)).length, 1);
});

test('a renewal leaves the very same network, and a change of kind does not', () => {
  const before = afterMessage(EMPTY_NETWORK, {
    type: 'address',
    entry: entry('192.0.2.100/32', { flags: 0, validSeconds: 2 }),
  });
  const renewed = afterMessage(before, {
    type: 'address',
    entry: entry('192.0.2.100/32', { flags: 0, validSeconds: 1 }),
  });
  assert.equal(renewed, before);
  assert.notEqual(afterMessage(before, { type: 'address', entry: entry('192.0.2.100/32') }), before);
  assert.equal(afterMessage(before, { type: 'addressGone', entry: entry('192.0.2.100/24') }), before, 'another prefix');
  assert.deepEqual(listOf(afterMessage(before, { type: 'addressGone', entry: entry('192.0.2.100/32') })), []);
});

test('addresses stand in the order of the kernel: primary before secondary, global before link-local', () => {
  const secondary = AddressFlag.PERMANENT | AddressFlag.SECONDARY;
  const added = [
    entry('fe80::1/64', { scope: 253 }),
    entry('192.0.2.11/24'),
    entry('192.0.2.12/24', { flags: secondary }),
    entry('2001:db8::1/64'),
    entry('198.51.100.1/24'),
  ];
  const network = added.reduce<Network>(
    (sum, each) => afterMessage(sum, { type: 'address', entry: each }),
    EMPTY_NETWORK,
  );
  assert.deepEqual(listOf(network), [
    '192.0.2.11/24',
    '198.51.100.1/24',
    '192.0.2.12/24',
    '2001:db8::1/64',
    'fe80::1/64',
  ]);
});

test('an interface that goes takes its addresses along', () => {
  const up = { type: 'link', link: { index: 2, name: 'eth0', flags: LinkFlag.UP } } as const;
  const there = afterMessage(afterMessage(EMPTY_NETWORK, up), { type: 'address', entry: entry('192.0.2.11/24') });
  const gone = afterMessage(there, { type: 'linkGone', index: 2 });
  assert.deepEqual([gone.links.size, gone.addresses.size], [0, 0]);
  assert.equal(afterMessage(gone, { type: 'linkGone', index: 2 }), gone);
});
