import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerReport } from '../../src/adapters/mqtt/payloads.ts';
import { peersPart } from '../../src/adapters/mqtt/peers-part.ts';
import type { PeerStatus } from '../../src/engine/status.ts';
import { statusOf } from '../agent/fakes.ts';
import { busPart } from '../support/bus-part.ts';

const PEER: PeerStatus = {
  address: '192.0.2.12',
  family: 4,
  state: 'advertising',
  advbase: 1,
  advskew: 100,
  demotion: 0,
  firstHeard: '2026-01-01T00:00:00.000Z',
  lastHeard: '2026-01-01T00:00:01.000Z',
  lastHeardMs: 20,
};
const TOPIC = 'carp/plant/node/rpi1/peers/192.0.2.12';

/** The part of a host rpi1 with one group, which hears these. */
const hearing = (...first: readonly PeerStatus[]) => {
  let peers = first;
  let groups = ['plant'];
  const bus = busPart(peersPart, 'rpi1', {
    status: () => ({ node: 'rpi1', groups: groups.map((group) => statusOf('rpi1', group, { peers })) }),
  });
  return {
    ...bus,
    hears: (...now: readonly PeerStatus[]): void => {
      peers = now;
    },
    configure: (...now: readonly string[]): void => {
      groups = [...now];
    },
    kept: (topic = TOPIC): PeerReport | undefined => {
      const payload = bus.voice.payloads.get(topic);
      return payload === undefined ? undefined : JSON.parse(payload);
    },
  };
};

test('each peer has a topic of its own, which expires', () => {
  const { kept, voice, tick } = hearing(PEER, { ...PEER, address: 'fe80::12', family: 6, rival: true, demotion: 3 });
  tick();
  assert.deepEqual(kept(), {
    address: '192.0.2.12',
    state: 'advertising',
    advbase: 1,
    advskew: 100,
    demotion: 0,
    firstHeard: '2026-01-01T00:00:00.000Z',
    lastHeard: '2026-01-01T00:00:01.000Z',
    at: '2026-01-01T00:00:00.000Z',
  });
  const other = kept('carp/plant/node/rpi1/peers/fe80::12');
  assert.deepEqual([other?.rival, other?.demotion], [true, 3]);
  assert.ok(voice.keepings.every(({ expires }) => expires === true));
});

test('silence, another rank and a rival are told with the next tick; that a peer is heard again waits for the refresh', () => {
  const { kept, voice, tick, hears } = hearing(PEER);
  tick();
  const said = (): number => voice.keepings.length;
  for (const [count, change] of [
    [2, { state: 'silent' }],
    [3, { advskew: 120 }],
    [4, { advbase: 2 }],
    [5, { demotion: 1 }],
    [6, { rival: true }],
  ] as const) {
    hears({ ...PEER, ...change });
    tick();
    assert.equal(said(), count, JSON.stringify(change));
  }
  const later = { ...PEER, rival: true, lastHeard: '2026-01-01T00:00:08.000Z' } as const;
  hears(later);
  tick();
  assert.equal(said(), 6, 'it was only heard again');
  tick(10_000);
  assert.equal(said(), 7);
  assert.equal(kept()?.lastHeard, later.lastHeard);
});

test('who is forgotten is taken back, with a group that was removed somebody else does that', () => {
  const { kept, voice, tick, hears, configure } = hearing(PEER, { ...PEER, address: '192.0.2.13' });
  tick();
  hears({ ...PEER, address: '192.0.2.13' });
  tick();
  assert.deepEqual(voice.cleared, [TOPIC]);
  assert.equal(kept(), undefined);
  configure();
  tick();
  assert.deepEqual(voice.cleared, [TOPIC]);
});

test('what was said before is not said again to the same broker when a connection begins', () => {
  const { voice, tick, begin } = hearing(PEER);
  tick();
  begin();
  assert.equal(voice.keepings.length, 1, 'the outbox repeats what is kept');
});
