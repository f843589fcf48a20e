import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressOf } from '../../src/protocol/address.ts';
import { type Advert, decodeAdvert, encodeAdvert, readAdvert, versionOf } from '../../src/protocol/advert.ts';
import { internetChecksum, type Path, pseudoHeaderSum } from '../../src/protocol/checksum.ts';
import { ADVERT_LENGTH } from '../../src/protocol/constants.ts';
import { advBase, advSkew, vhid } from '../../src/protocol/units.ts';
import { bytes, flipBit, hex } from './vectors.ts';

const octet = fc.integer({ min: 0, max: 255 });

const adverts: fc.Arbitrary<Advert> = fc.record(
  {
    vhid: fc.integer({ min: 1, max: 255 }).map(vhid),
    advbase: octet.map(advBase),
    advskew: octet.map(advSkew),
    demotion: octet,
    counter: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    digest: fc.uint8Array({ minLength: 20, maxLength: 20 }),
  },
  { noNullPrototype: true },
);

const paths: fc.Arbitrary<Path> = fc
  .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map(([source, destination]) => ({ source: addressOf(source), destination: addressOf(destination) }));

/** A valid packet with some bytes changed and the checksum put right again. */
const repaired = (payload: Uint8Array, changes: Readonly<Record<number, number>>): Uint8Array => {
  const changed = payload.map((value, i) => changes[i] ?? (i === 6 || i === 7 ? 0 : value));
  new DataView(changed.buffer).setUint16(6, internetChecksum(changed.subarray(0, ADVERT_LENGTH)));
  return changed;
};

const ADVERT: Advert = {
  vhid: vhid(1),
  advbase: advBase(1),
  advskew: advSkew(100),
  demotion: 0,
  counter: 0x0123456789abcdefn,
  digest: bytes('6dde1abd2d604dbb93a53897d7275ee19c3fe9a9'),
};

test('what is written can be read again', () => {
  fc.assert(
    fc.property(adverts, (advert) => assert.deepEqual(decodeAdvert(encodeAdvert(advert)), { ok: true, advert })),
  );
});

test('what is written with a pseudo-header can be read by those who know the path', () => {
  fc.assert(
    fc.property(adverts, paths, (advert, path) =>
      assert.deepEqual(decodeAdvert(encodeAdvert(advert, path), path), { ok: true, advert }),
    ),
  );
});

test('no bytes make the decoder throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.option(paths, { nil: undefined }), (payload, path) => {
      assert.equal(typeof decodeAdvert(payload, path).ok, 'boolean');
      versionOf(payload);
    }),
  );
});

test('a bit that turned over is refused by the checksum', () => {
  fc.assert(
    fc.property(adverts, fc.integer({ min: 0, max: ADVERT_LENGTH * 8 - 1 }), (advert, bit) =>
      assert.deepEqual(decodeAdvert(flipBit(encodeAdvert(advert), bit)), { ok: false, fault: 'badsum' }),
    ),
  );
});

test('a payload is read in its own bytes, not in those of the buffer it is a slice of', () => {
  const payload = encodeAdvert(ADVERT);
  const pool = Buffer.concat([Buffer.alloc(13, 0xee), payload, Buffer.alloc(7, 0xee)]);
  const decoded = decodeAdvert(pool.subarray(13, 13 + ADVERT_LENGTH));
  assert.deepEqual(decoded, { ok: true, advert: ADVERT });
  // What was read stays as it is when the buffer is used again.
  pool.fill(0);
  assert.deepEqual(decoded, { ok: true, advert: ADVERT });
});

test('type, authentication length and trailing bytes are not looked at, as in the kernels', () => {
  const payload = encodeAdvert(ADVERT);
  assert.equal(decodeAdvert(repaired(payload, { 0: 0x22 })).ok, true);
  assert.equal(decodeAdvert(repaired(payload, { 3: 0 })).ok, true);
  assert.equal(decodeAdvert(Buffer.concat([payload, Buffer.from('trailing')])).ok, true);
});

test('each fault has the name of netstat', () => {
  const payload = encodeAdvert(ADVERT);
  const faultOf = (data: Uint8Array) => decodeAdvert(data);
  assert.deepEqual(faultOf(payload.subarray(0, 35)), { ok: false, fault: 'badlen' });
  assert.deepEqual(faultOf(new Uint8Array()), { ok: false, fault: 'badlen' });
  assert.deepEqual(faultOf(payload.map((value, i) => (i === 9 ? value ^ 1 : value))), { ok: false, fault: 'badsum' });
  assert.deepEqual(faultOf(repaired(payload, { 0: 0x31 })), { ok: false, fault: 'badver' });
  assert.deepEqual(faultOf(repaired(payload, { 0: 0x11 })), { ok: false, fault: 'badver' });
  assert.deepEqual(faultOf(repaired(payload, { 1: 0 })), { ok: false, fault: 'badvhid' });
});

test('the version is known of anything that has a byte', () => {
  assert.equal(versionOf(new Uint8Array()), undefined);
  assert.equal(versionOf(bytes('31')), 3);
  assert.equal(versionOf(encodeAdvert(ADVERT)), 2);
});

test('fields are read whatever they are worth, but not from fewer than 36 bytes', () => {
  assert.equal(readAdvert(new Uint8Array(ADVERT_LENGTH)).vhid, 0);
  assert.throws(() => readAdvert(new Uint8Array(35)), RangeError);
});

test('the example of RFC 1071 has its sum', () => {
  // Section 3: the sum of these words is ddf2, with the carries added.
  assert.equal(internetChecksum(bytes('0001f203f4f5f6f7')), ~0xddf2 & 0xffff);
  assert.equal(internetChecksum(bytes('ff')), 0x00ff);
  assert.equal(hex(encodeAdvert(ADVERT)).slice(12, 16), '50ea');
});

test('a pseudo-header counts source, destination, length and next header', () => {
  const source = addressOf(bytes('fe800000000000000000000000000001'));
  const destination = addressOf(bytes('ff020000000000000000000000000012'));
  assert.equal(pseudoHeaderSum({ source, destination }), 0xfe80 + 1 + 0xff02 + 0x12 + 36 + 112);
});
