import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigner } from '../../src/adapters/node/hmac.ts';
import { type Advert, decodeAdvert } from '../../src/protocol/advert.ts';
import { type Authenticator, authenticator, keyOf } from '../../src/protocol/authentication.ts';
import { vhid } from '../../src/protocol/units.ts';
import { address, captures, flipBit, packetsOf, utf8 } from './vectors.ts';

interface Parameters {
  readonly vhid: number;
  readonly key: string;
  readonly addresses: readonly string[];
}

const verifierOf = (parameters: Parameters): Authenticator =>
  authenticator(
    { vhid: vhid(parameters.vhid), addresses: parameters.addresses.map(address) },
    createSigner(keyOf(utf8(parameters.key))),
  );

const DIGEST_BITS = 20 * 8;
const COUNTER_BITS = 8 * 8;

/** The same advert with one bit of its digest or its counter turned over. */
const altered = function* (advert: Advert): Generator<Advert> {
  for (let bit = 0; bit < DIGEST_BITS; bit += 1) yield { ...advert, digest: flipBit(advert.digest, bit) };
  for (let bit = 0; bit < COUNTER_BITS; bit += 1) yield { ...advert, counter: advert.counter ^ (1n << BigInt(bit)) };
};

test('there are 30 captures', () => {
  assert.equal(captures.length, 30);
});

for (const capture of captures) {
  test(`every advert of ${capture.file} is genuine, and refused if anything signed differs`, async () => {
    const packets = await packetsOf(capture);
    assert.ok(packets.length > 0);
    if (capture.adverts !== undefined) assert.equal(packets.length, capture.adverts);

    const genuine = verifierOf(capture);
    const wrongPassword = verifierOf({ ...capture, key: `${capture.key.slice(0, 18)}!` });
    const wrongVhid = verifierOf({ ...capture, vhid: (capture.vhid % 255) + 1 });
    const lists = capture.addresses.map((missing) => capture.addresses.filter((text) => text !== missing));
    const missingOne = lists.map((addresses) => verifierOf({ ...capture, addresses }));
    const oneTooMany = verifierOf({ ...capture, addresses: [...capture.addresses, '198.51.100.7'] });
    const otherOrder = verifierOf({ ...capture, addresses: capture.addresses.toReversed() });

    for (const packet of packets) {
      const decoded = decodeAdvert(packet.payload, packet);
      assert.ok(decoded.ok);
      const { advert } = decoded;
      assert.equal(advert.vhid, capture.vhid);
      assert.notEqual(genuine.verify(advert), undefined);
      assert.notEqual(otherOrder.verify(advert), undefined);
      for (const wrong of [wrongPassword, wrongVhid, oneTooMany, ...missingOne])
        assert.equal(wrong.verify(advert), undefined);
    }

    const [first] = packets;
    assert.ok(first);
    const decoded = decodeAdvert(first.payload, first);
    assert.ok(decoded.ok);
    for (const forged of altered(decoded.advert)) assert.equal(genuine.verify(forged), undefined);
  });

  test(`a bit that turned over in the first advert of ${capture.file} fails the checksum`, async () => {
    const [packet] = await packetsOf(capture);
    assert.ok(packet);
    for (let bit = 0; bit < packet.payload.length * 8; bit += 1)
      assert.deepEqual(decodeAdvert(flipBit(packet.payload, bit)), { ok: false, fault: 'badsum' });
  });
}
