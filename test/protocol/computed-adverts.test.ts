import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigner } from '../../src/adapters/node/hmac.ts';
import { decodeAdvert, encodeAdvert } from '../../src/protocol/advert.ts';
import { authenticator, keyOf, type SignedList, signedMessage } from '../../src/protocol/authentication.ts';
import type { Path } from '../../src/protocol/checksum.ts';
import { KEY_LENGTH, PASSWORD_LENGTH_MAX } from '../../src/protocol/constants.ts';
import { effectiveSkew } from '../../src/protocol/timing.ts';
import { advBase, advSkew, vhid } from '../../src/protocol/units.ts';
import { address, bytes, type ComputedAdvert, computedAdverts, hex, utf8 } from './vectors.ts';

const keyOfVector = ({ pass, keySource }: ComputedAdvert): Uint8Array =>
  keyOf(utf8(pass).subarray(0, keySource === 'ifconfig' ? PASSWORD_LENGTH_MAX : KEY_LENGTH));

const listOf = (vector: ComputedAdvert): SignedList => ({
  vhid: vhid(vector.vhid),
  addresses: [...vector.ipv4Addresses, ...vector.ipv6Addresses].map(address),
  form: vector.os === 'openbsd' ? 'without-link-local' : 'with-link-local',
});

const pathOf = ({ ip6Src, ip6Dst }: ComputedAdvert): Path | undefined =>
  ip6Src === undefined || ip6Dst === undefined ? undefined : { source: address(ip6Src), destination: address(ip6Dst) };

const advertOf = (vector: ComputedAdvert) => ({
  vhid: vhid(vector.vhid),
  advbase: advBase(vector.advbaseOnWire),
  advskew: advSkew(vector.advskewOnWire),
  demotion: vector.byte4OnWire,
  counter: BigInt(`0x${vector.counter}`),
  digest: bytes(vector.hmacHex),
});

test('there are 94 computed adverts', () => {
  assert.equal(computedAdverts.length, 94);
});

for (const vector of computedAdverts) {
  test(`${vector.id} is signed, written, read and accepted as the kernel does it`, () => {
    const key = keyOfVector(vector);
    assert.equal(hex(key), vector.keyHex);

    const list = listOf(vector);
    const message = signedMessage(list);
    assert.equal(hex(message.subarray(0, -8)) + vector.counter, vector.hmacInputHex);

    const advert = advertOf(vector);
    const { digest, verify } = authenticator(list, createSigner(key));
    assert.equal(hex(digest(advert.counter, list.form)), vector.hmacHex);

    const path = pathOf(vector);
    assert.equal(hex(encodeAdvert(advert, path)), vector.carpPacketHex);
    assert.deepEqual(decodeAdvert(bytes(vector.carpPacketHex), path), { ok: true, advert });

    assert.notEqual(verify(advert), undefined);
    const other = createSigner(keyOf(utf8('another password')));
    assert.equal(authenticator(list, other).verify(advert), undefined);
  });
}

for (const vector of computedAdverts.filter(({ hmacOrigHex }) => hmacOrigHex !== undefined)) {
  test(`${vector.id} is accepted in OpenBSD's original form, too`, () => {
    const { verify } = authenticator(listOf(vector), createSigner(bytes(vector.keyHex)));
    const digest = bytes(vector.hmacOrigHex ?? '');
    assert.equal(verify({ counter: BigInt(`0x${vector.counter}`), digest }), 'with-link-local');
  });
}

const withPath = computedAdverts.filter(({ ip6Src }) => ip6Src !== undefined);

test('some vectors have the checksum of NetBSD, and some sign without link-local addresses', () => {
  assert.equal(withPath.length, 7);
  assert.ok(computedAdverts.some(({ hmacHex, hmacOrigHex }) => hmacOrigHex !== undefined && hmacOrigHex !== hmacHex));
});

for (const vector of withPath) {
  test(`${vector.id} is accepted with and without the pseudo-header, but not with that of another path`, () => {
    const path = pathOf(vector);
    const plain = bytes(vector.carpPacketHexNoPseudoHeader ?? '');
    assert.equal(hex(encodeAdvert(advertOf(vector))), hex(plain));
    assert.equal(decodeAdvert(plain, path).ok, true);
    assert.equal(decodeAdvert(plain).ok, true);

    const withPseudoHeader = bytes(vector.carpPacketHex);
    const elsewhere: Path = { source: address('2001:db8::bad'), destination: address('ff02::12') };
    assert.deepEqual(decodeAdvert(withPseudoHeader, elsewhere), { ok: false, fault: 'badsum' });
    assert.deepEqual(decodeAdvert(withPseudoHeader), { ok: false, fault: 'badsum' });
  });
}

for (const { id, advskew, demote, advskewOnWire } of computedAdverts.filter(
  // A negative sum lowers the skew of FreeBSD alone; ours counts it as none (DESIGN D2).
  ({ os, demote }) => os === 'freebsd' && demote > 0,
)) {
  test(`${id}: the effective skew is what FreeBSD sends`, () => {
    assert.equal(effectiveSkew(advSkew(advskew), demote), advskewOnWire);
  });
}

test('the MAC of an OpenBSD interface is signed between type and vhid', () => {
  const list = { vhid: vhid(7), addresses: [address('192.0.2.1')], form: 'without-link-local' } as const;
  assert.equal(hex(signedMessage(list)), '020107c00002010000000000000000');
  const mac = bytes('021122334455');
  assert.equal(hex(signedMessage({ ...list, mac })), '020102112233445507c00002010000000000000000');

  const sign = createSigner(keyOf(utf8('secret')));
  const advert = { counter: 1n, digest: authenticator({ ...list, mac }, sign).digest(1n, 'without-link-local') };
  assert.notEqual(authenticator({ ...list, mac }, sign).verify(advert), undefined);
  assert.equal(authenticator(list, sign).verify(advert), undefined);
});
