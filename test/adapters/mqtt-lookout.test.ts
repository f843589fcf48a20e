import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lookout } from '../../src/adapters/mqtt/alarms/alarm-lookout.ts';

const AT = '2026-11-22T12:00:00.123Z';
const HOSTS = 250;

test('of a flood of hosts those that are not compared are not looked at any closer', (t) => {
  const lookout = new Lookout({ base: 'carp', staleMs: 30_000, isWatched: () => true });
  const say = (topic: string, payload: unknown): void => {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
    lookout.heard({ topic: `carp/${topic}`, payload: new TextEncoder().encode(text), retain: false }, 0);
  };
  const address = '192.0.2.12';
  const rank = { advbase: 1, advskew: 0, demotion: 0 };
  const peer = { address, state: 'advertising', ...rank, firstHeard: AT, lastHeard: AT, at: AT };
  for (let i = 0; i < HOSTS; i += 1) {
    const node = `x${i}`;
    const group = { event: 'snapshot', group: 'plant', interface: 'eth0', vhid: 10, node };
    const role = { role: 'MASTER', previous: 'BACKUP', reason: 'preempt', detail: '', at: AT, seq: 1 };
    say(`node/${node}/status`, 'online');
    say(`plant/node/${node}/state`, { ...group, ...role, ...rank, addresses: [] });
    say(`plant/node/${node}/peers/${address}`, peer);
  }
  const parse = t.mock.method(Date, 'parse');
  const { members } = lookout.sightOf('plant', 1000);
  assert.equal(members.length, 32);
  assert.ok(members.every(({ peers }) => peers.length === 1));
  // Two times of each peer.
  assert.equal(parse.mock.callCount(), 64);
});
