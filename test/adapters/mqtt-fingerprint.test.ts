import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressFingerprint } from '../../src/adapters/mqtt/fingerprint.ts';
import { cidr } from '../support/virtual-lan.ts';

const plant = { base: 'carp', group: 'plant', vhid: 10 };
const of = (addresses: readonly string[], more: Partial<typeof plant> = {}): string =>
  addressFingerprint(
    { ...plant, ...more },
    addresses.map((text) => cidr(text).address),
  );
const ADDRESSES = ['192.0.2.100/24', '2001:db8::100/64'];

test('two hosts with the same addresses have the same fingerprint, however they write them', () => {
  const same = of(ADDRESSES);
  assert.match(same, /^[0-9a-f]{16}$/);
  assert.equal(of(['2001:0db8:0::0100/128', '192.0.2.100/32']), same, 'order, spelling and prefix do not count');
  assert.equal(of(ADDRESSES, { base: '/carp/' }), same, 'topics are the same');
});

test('another address, one more or one less is another fingerprint', () => {
  const same = of(ADDRESSES);
  assert.notEqual(of(['192.0.2.101/24', '2001:db8::100/64']), same);
  assert.notEqual(of([...ADDRESSES, '192.0.2.101/24']), same);
  assert.notEqual(of(['192.0.2.100/24']), same);
  assert.notEqual(of([]), same);
});

test('equal addresses of another group, virtual host or base cannot be told to be equal', () => {
  const all = [
    of(ADDRESSES),
    of(ADDRESSES, { group: 'other' }),
    of(ADDRESSES, { vhid: 11 }),
    of(ADDRESSES, { base: 'site/carp' }),
  ];
  assert.equal(new Set(all).size, all.length);
});

test('a fingerprint does not change with versions: hosts of different releases compare theirs', () => {
  assert.equal(of(ADDRESSES), '3466702ec79d92a2');
});
