import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressOf,
  compareAddresses,
  formatCidr,
  isInSubnet,
  isLinkLocal,
  isMulticast,
  parseAddress,
  parseCidr,
  sameAddress,
} from '../../src/protocol/address.ts';
import { type AddressForm, authenticator, keyOf, signedMessage } from '../../src/protocol/authentication.ts';
import { vhid } from '../../src/protocol/units.ts';
import { address, hex } from './vectors.ts';

for (const [text, canonical] of [
  ['192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['::', '::'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::ffff:192.0.2.1', '::ffff:c000:201'],
] as const)
  test(`${text} is the address ${canonical}`, () => {
    assert.equal(parseAddress(text)?.text, canonical);
  });

for (const text of [
  '',
  '192.0.2',
  '192.0.2.256',
  '0x7f.1',
  '3232235777',
  '192.0.2.1/24',
  '192.0.2.1%eth0',
  'fe80::1%',
  'fe80::1%a%b',
  '::%a%b',
  'g::1',
  ':::',
])
  test(`"${text}" is no address`, () => {
    assert.equal(parseAddress(text), undefined);
  });

test('an address needs a prefix that fits its family to be one with a prefix', () => {
  for (const text of ['192.0.2.100/24', '192.0.2.100/0', '192.0.2.100/32', '2001:db8::100/128']) {
    const cidr = parseCidr(text);
    assert.ok(cidr);
    assert.equal(formatCidr(cidr), text);
  }
  for (const text of ['192.0.2.100', '192.0.2.100/33', '2001:db8::/129', '192.0.2.100/', 'fe80::1%eth0/64', '/24'])
    assert.equal(parseCidr(text), undefined);
});

test('bytes and text name the same address', () => {
  const raw = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }));
  fc.assert(
    fc.property(raw, (bytes) => {
      const made = addressOf(bytes);
      const read = address(made.text);
      assert.ok(sameAddress(made, read));
      assert.deepEqual(read.bytes, bytes);
    }),
  );
  assert.throws(() => addressOf(new Uint8Array(5)), /4 or 16 bytes, not 5/);
});

test('addresses are ordered as unsigned numbers, IPv4 first', () => {
  const texts = ['2001:db8::1', '223.255.255.254', '128.0.0.0', '127.255.255.255', '0.0.0.1', '::2'];
  assert.deepEqual(
    texts
      .map(address)
      .sort(compareAddresses)
      .map(({ text }) => text),
    ['0.0.0.1', '127.255.255.255', '128.0.0.0', '223.255.255.254', '::2', '2001:db8::1'],
  );
});

test('link-local and multicast addresses are told from others', () => {
  assert.deepEqual(['fe80::1', 'febf::1', 'fec0::1', '169.254.0.1'].map(address).map(isLinkLocal), [
    true,
    true,
    false,
    false,
  ]);
  assert.deepEqual(
    ['224.0.0.18', '239.255.255.255', '240.0.0.1', 'ff02::12', 'fe80::1'].map(address).map(isMulticast),
    [true, true, false, true, false],
  );
});

test('a subnet contains what shares its prefix', () => {
  const subnet = parseCidr('192.0.2.130/25');
  assert.ok(subnet);
  assert.deepEqual(
    ['192.0.2.128', '192.0.2.255', '192.0.2.127', '2001:db8::1'].map((text) => isInSubnet(address(text), subnet)),
    [true, true, false, false],
  );
});

test('order, repetition and the extremes do not matter to a digest; zones and prefixes are no part of it', () => {
  const messageOf = (texts: readonly string[]): string =>
    hex(signedMessage({ vhid: vhid(1), addresses: texts.map(address), form: 'with-link-local' }));
  const expected = messageOf(['192.0.2.1', '2001:db8::1']);
  assert.equal(messageOf(['2001:db8::1', '192.0.2.1', '192.0.2.1']), expected);
  assert.equal(messageOf(['0.0.0.0', '255.255.255.255', '::', '192.0.2.1', '2001:db8::1']), expected);
  assert.notEqual(messageOf(['192.0.2.2', '2001:db8::1']), expected);
  assert.equal(messageOf(['fe80:1234::1']), messageOf(['fe80::1%em0']));
});

test('a list is tried in as many forms as it has: with its link-locals, without, and with that of a carp interface', () => {
  const triesOf = (...texts: readonly string[]): number => {
    const messages = new Set<string>();
    const sign = (message: Uint8Array): Uint8Array => {
      messages.add(hex(message));
      return new Uint8Array(20);
    };
    const advert = { counter: 1n, digest: new Uint8Array(20).fill(1) };
    authenticator({ vhid: vhid(1), addresses: texts.map(address) }, sign).verify(advert);
    return messages.size;
  };
  assert.equal(triesOf('192.0.2.1'), 1);
  assert.equal(triesOf('192.0.2.1', '2001:db8::1'), 2);
  assert.equal(triesOf('2001:db8::1', 'fe80::1'), 3);
  assert.equal(triesOf('2001:db8::1', 'fe80::200:5eff:fe00:101'), 2);
});

test('a NetBSD host signs with the link-local address of its carp interface, which is made of the virtual MAC', () => {
  const messageOf = (texts: readonly string[], form: AddressForm): string =>
    hex(signedMessage({ vhid: vhid(0xab), addresses: texts.map(address), form }));
  assert.equal(
    messageOf(['2001:db8::1'], 'with-virtual-link-local'),
    messageOf(['2001:db8::1', 'fe80::200:5eff:fe00:1ab'], 'with-link-local'),
  );
  assert.equal(messageOf(['192.0.2.1'], 'with-virtual-link-local'), messageOf(['192.0.2.1'], 'with-link-local'));
});

test('a key is a password padded with zeros, of at most 20 bytes', () => {
  assert.equal(hex(keyOf(new Uint8Array([1, 2]))), `0102${'00'.repeat(18)}`);
  assert.throws(() => keyOf(new Uint8Array(21)), /at most 20 bytes, not 21/);
});
