import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigner } from '../../src/adapters/node/hmac.ts';
import { Ear } from '../../src/engine/ear.ts';
import { Tally } from '../../src/engine/tally.ts';
import type { Packet } from '../../src/ports/transport.ts';
import type { Family } from '../../src/protocol/address.ts';
import { encodeAdvert } from '../../src/protocol/advert.ts';
import { authenticator, keyOf } from '../../src/protocol/authentication.ts';
import { advBase, advSkew, vhid } from '../../src/protocol/units.ts';
import { cidr } from '../support/virtual-lan.ts';

const signed = authenticator({ vhid: vhid(1), addresses: [] }, createSigner(keyOf(new Uint8Array())));
const packet = (family: Family, dropped: number, more: Partial<Packet> = {}): Packet => ({
  family,
  payload: encodeAdvert({
    vhid: vhid(1),
    advbase: advBase(1),
    advskew: advSkew(0),
    demotion: 0,
    counter: 7n,
    digest: signed.digest(7n, 'with-link-local'),
  }),
  source: cidr(family === 4 ? '192.0.2.11/24' : 'fe80::11/64').address,
  destination: cidr(family === 4 ? '224.0.0.18/32' : 'ff02::12/128').address,
  ttl: 255,
  dropped,
  ...more,
});
const ear = (): { readonly ear: Ear; readonly tally: Tally; readonly lines: string[] } => {
  const tally = new Tally();
  const lines: string[] = [];
  const rules = {
    vhid: vhid(1),
    checkTtl: 'always' as const,
    authenticator: signed,
    isOwn: () => false,
    isFresh: () => true,
  };
  return { ear: new Ear(rules, tally, (_level, message) => lines.push(message)), tally, lines };
};

test('losses are counted by socket: an advert of one family does not hide or invent those of the other', () => {
  const { ear: listener, tally } = ear();
  listener.hear(packet(4, 23_000));
  listener.hear(packet(6, 0));
  assert.equal(listener.missed(23_000).dropped, 0);
  assert.equal(listener.missed(23_001).dropped, 1);
  listener.hear(packet(6, 0));
  listener.hear(packet(4, 23_001));
  assert.equal(listener.missed(23_001).dropped, 0);
  assert.equal(tally.counters.dropped, 23_001);
  listener.forget();
  assert.equal(listener.missed(0).dropped, 0);
});

test('what is refused is counted by its reason, and a flood is three lines, not a thousand', () => {
  const { ear: listener, tally, lines } = ear();
  for (let i = 0; i < 999; i += 1) assert.equal(listener.hear(packet(4, 0, { ttl: 64 })), undefined);
  assert.equal(tally.counters.badttl, 999);
  assert.equal(lines.length, 3);
});

test('a genuine advert is heard with its interval', () => {
  assert.equal(ear().ear.hear(packet(4, 0))?.interval, 256);
});
