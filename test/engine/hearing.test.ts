import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FORGET_MS, Hearing, PEERS_MAX } from '../../src/engine/hearing.ts';
import type { PeerStatus } from '../../src/engine/status.ts';
import type { HeardAdvert } from '../../src/machine/events.ts';
import { parseAddress } from '../../src/protocol/address.ts';
import { keyOf } from '../../src/protocol/authentication.ts';
import { advertInterval } from '../../src/protocol/timing.ts';
import { advBase, advSkew } from '../../src/protocol/units.ts';
import { virtualLan } from '../support/virtual-lan.ts';

const MIDNIGHT = Date.UTC(2026, 0, 1);
const isoTime = (ms: number): string => new Date(MIDNIGHT + ms).toISOString();

const advert = (source: string, base = 1, skew = 0, demotion = 0): HeardAdvert => {
  const address = parseAddress(source);
  assert.ok(address !== undefined);
  const [advbase, advskew] = [advBase(base), advSkew(skew)];
  return {
    family: address.family,
    source: address,
    advbase,
    advskew,
    interval: advertInterval(advbase, advskew),
    demotion,
  };
};

const hearing = (deadratio = 3) => {
  const heard = new Hearing(deadratio);
  const peers = (now: number): readonly PeerStatus[] => heard.peers(now, MIDNIGHT + now);
  return { heard, peers, states: (now: number) => peers(now).map(({ address, state }) => `${address} ${state}`) };
};

test('whoever was heard is told with its rank, and since when and until when it was heard', () => {
  const { heard, peers } = hearing();
  heard.heard(advert('192.0.2.12', 1, 100, 3), 1000);
  heard.heard(advert('fe80::12', 1, 100), 1200);
  heard.heard(advert('192.0.2.12', 1, 120, 2), 2500);
  assert.deepEqual(peers(2700), [
    {
      address: '192.0.2.12',
      family: 4,
      state: 'advertising',
      advbase: 1,
      advskew: 120,
      demotion: 2,
      firstHeard: isoTime(1000),
      lastHeard: isoTime(2500),
      lastHeardMs: 200,
    },
    {
      address: 'fe80::12',
      family: 6,
      state: 'advertising',
      advbase: 1,
      advskew: 100,
      demotion: 0,
      firstHeard: isoTime(1200),
      lastHeard: isoTime(1200),
      lastHeardMs: 1500,
    },
  ]);
});

test('times follow the wall clock when it is set', () => {
  const { heard } = hearing();
  heard.heard(advert('192.0.2.12'), 1000);
  const [peer] = heard.peers(1500, Date.UTC(2030, 0, 1));
  assert.equal(peer?.lastHeard, '2029-12-31T23:59:59.500Z');
});

test('a speaker is silent after the dead ratio of its own interval, not of ours', () => {
  const { heard, states } = hearing(2);
  heard.heard(advert('192.0.2.12', 1, 128), 0);
  heard.heard(advert('192.0.2.13', 3), 0);
  assert.deepEqual(states(2500), ['192.0.2.12 advertising', '192.0.2.13 advertising']);
  assert.deepEqual(states(2501), ['192.0.2.12 silent', '192.0.2.13 advertising']);
  assert.deepEqual(states(6001), ['192.0.2.12 silent', '192.0.2.13 silent']);
});

test('one that says farewell is silent at once, with the rank that it had, and speaks again with its next advert', () => {
  const { heard, peers, states } = hearing();
  heard.heard(advert('192.0.2.12', 1, 7), 0);
  heard.heard(advert('192.0.2.12', 255, 255), 1000);
  assert.deepEqual(states(1001), ['192.0.2.12 silent']);
  assert.equal(peers(1001)[0]?.advskew, 7);
  assert.equal(peers(1001)[0]?.lastHeardMs, 1);
  heard.heard(advert('192.0.2.12', 1, 7), 2000);
  assert.deepEqual(states(2001), ['192.0.2.12 advertising']);
});

test('sixteen are known; the one that has been silent for longest makes room, one that speaks does not', () => {
  const { heard, peers } = hearing();
  for (let i = 0; i < PEERS_MAX; i += 1) heard.heard(advert(`192.0.2.${i + 1}`), i);
  heard.heard(advert('192.0.2.99'), 100);
  assert.equal(peers(100).length, PEERS_MAX);
  assert.ok(!peers(100).some(({ address }) => address === '192.0.2.99'), 'all others still speak');
  heard.heard(advert('192.0.2.1'), 3500);
  heard.heard(advert('192.0.2.99'), 3501);
  const known = peers(3501).map(({ address }) => address);
  assert.equal(known.length, PEERS_MAX);
  assert.ok(known.includes('192.0.2.1') && known.includes('192.0.2.99') && !known.includes('192.0.2.2'));
});

test('one that has been silent for a day is forgotten', () => {
  const { heard, states } = hearing();
  heard.heard(advert('192.0.2.12'), 0);
  assert.deepEqual(states(FORGET_MS), ['192.0.2.12 silent']);
  assert.deepEqual(states(FORGET_MS + 1), []);
});

test('a MASTER has a rival while another goes on advertising beside it, until it gives way', () => {
  const { heard, peers } = hearing();
  const rival = (now: number): boolean => peers(now)[0]?.rival === true;
  for (const at of [0, 1000, 2000, 3000]) heard.heard(advert('192.0.2.12'), at);
  assert.equal(rival(3000), false, 'a BACKUP has none');
  heard.reigns(3500);
  heard.heard(advert('192.0.2.12'), 4000);
  heard.heard(advert('192.0.2.12'), 5000);
  assert.equal(rival(5000), false, 'one advert more is what a ucarp says that is slow to give way');
  heard.heard(advert('192.0.2.12'), 6000);
  assert.equal(rival(6000), true);
  assert.equal(rival(7500), true);
  assert.equal(rival(7501), false, 'it has given way');
  assert.equal(peers(7501)[0]?.state, 'advertising', 'which is known before it counts as silent');
  heard.heard(advert('192.0.2.12'), 8100);
  assert.equal(rival(8100), true);
  heard.reigns(undefined);
  assert.equal(rival(8100), false);
});

test('of two MASTERs whose segments are joined again, one advert is no rival', () => {
  const { heard, peers } = hearing();
  heard.heard(advert('192.0.2.12'), 0);
  heard.reigns(4000);
  heard.heard(advert('192.0.2.12'), 60_000);
  assert.equal(peers(60_001)[0]?.rival, undefined);
});

test('the status of a BACKUP names the MASTER that it hears, and forged adverts nobody', async () => {
  const { start, pass } = virtualLan();
  const first = start('rpi1');
  await pass(3500);
  const second = start('rpi2', { advskew: advSkew(100) });
  assert.equal(second.host.status().groups[0]?.peers, undefined);
  start('rpi3', { name: 'other key', key: keyOf(Uint8Array.of(1)) });
  await pass(5000);
  const peers = (host: typeof first) =>
    host.host.status().groups[0]?.peers?.map(({ address, state, advskew, rival }) => [address, state, advskew, rival]);
  assert.deepEqual(peers(second), [['192.0.2.11', 'advertising', 0, undefined]]);
  assert.equal(peers(first), undefined, 'BACKUPs are silent, and what cannot be understood is nobody');
  first.host.crash();
  await pass(3500);
  assert.deepEqual(peers(second), [['192.0.2.11', 'silent', 0, undefined]]);
});
