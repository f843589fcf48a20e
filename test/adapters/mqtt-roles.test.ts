import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rolePart } from '../../src/adapters/mqtt/role-part.ts';
import type { Mode } from '../../src/engine/mode.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { busGroup } from '../support/bus-host.ts';
import { busPart } from '../support/bus-part.ts';
import { carpEvent } from './mqtt-events.ts';

const MASTER = 'carp/plant/master';
const NODE = 'carp/plant/node/rpi1';
const master = { address: '192.0.2.11', self: true };

const stage = (addressing: 'interface' | 'manual' = 'interface') => {
  let now: readonly CarpEvent[] = [];
  let mode: Mode = 'normal';
  const bench = busPart(rolePart, 'rpi1', {
    groups: () => [busGroup('plant', { addressing, addresses: ['192.0.2.100', '2001:db8::100'] })],
    snapshots: () => now,
    modeOf: () => mode,
  });
  const topics = (from = 0): readonly string[] =>
    bench.voice.keepings.slice(from).map(({ topic }) => topic.replace(`${NODE}/`, ''));
  return {
    ...bench,
    topics,
    count: () => bench.voice.keepings.length,
    happen: (about: Partial<CarpEvent>): void => {
      const event = carpEvent(about);
      now = [{ ...event, event: 'snapshot' }];
      bench.part.event?.(event);
    },
    is: (event: CarpEvent): void => {
      now = [event];
    },
    set: (next: Mode): void => {
      mode = next;
    },
  };
};

test('a host that becomes MASTER tells role, state and master first, holds the addresses, and then tells the event', () => {
  const { happen, topics, voice } = stage();
  happen({ role: 'MASTER', seq: 2, master });
  assert.deepEqual(topics(), ['role', 'state', MASTER, 'mode', 'advskew', 'vip/192.0.2.100', 'vip/2001:db8::100']);
  assert.equal(voice.payloads.get(`${NODE}/vip/2001:db8::100`), 'held');
  assert.deepEqual(
    voice.told.map(({ topic, payload }) => [topic, JSON.parse(payload).event_type]),
    [[`${NODE}/event`, 'became_master']],
  );
});

test('a host that is no longer MASTER says no more on the topic of the master, and takes nothing back there', () => {
  const { happen, voice } = stage();
  happen({ role: 'MASTER', seq: 2, master });
  happen({ role: 'BACKUP', seq: 3 });
  assert.ok(voice.left.includes(MASTER));
  assert.ok(!voice.cleared.includes(MASTER));
  assert.equal(voice.payloads.get(`${NODE}/vip/192.0.2.100`), 'absent');
});

test('a BACKUP never writes who is MASTER', () => {
  const { happen, topics, begin, tick } = stage();
  happen({ role: 'BACKUP', seq: 1, master: { address: '192.0.2.12', self: false } });
  begin();
  tick(60_000);
  assert.ok(!topics().includes(MASTER));
});

test('the claim of a MASTER is told again with a later time, and says since when', () => {
  const { happen, tick, voice, is } = stage();
  happen({ role: 'MASTER', seq: 2, master, at: '2026-11-22T12:00:00.000Z' });
  is(carpEvent({ event: 'snapshot', role: 'MASTER', seq: 2, master, at: '2026-11-22T12:00:10.000Z' }));
  tick(10_000);
  const { since, at, seq } = JSON.parse(voice.payloads.get(MASTER) ?? '{}');
  assert.deepEqual([since, at, seq], ['2026-11-22T12:00:00.000Z', '2026-11-22T12:00:10.000Z', 2]);
});

test('the state is told again every refresh, and the role is not', () => {
  const { happen, tick, count, topics } = stage();
  happen({ role: 'BACKUP', seq: 1 });
  tick();
  const before = count();
  tick(10_000);
  assert.ok(topics(before).includes('state'));
  const again = (from: number): readonly string[] => topics(from).filter((topic) => topic === 'role');
  assert.deepEqual(again(before).length, 1, 'kept, which is not told unless it is news');
});

test('what expires is the state and the claim, nothing that has to outlive its author', () => {
  const { happen, voice } = stage();
  happen({ role: 'MASTER', seq: 2, master });
  const expiring = voice.keepings.filter(({ expires }) => expires === true).map(({ topic }) => topic);
  assert.deepEqual(expiring, [`${NODE}/state`, MASTER]);
});

test('a change of the mode is told within a tick', () => {
  const { happen, tick, set, voice } = stage();
  happen({ role: 'BACKUP', seq: 1 });
  assert.equal(voice.payloads.get(`${NODE}/mode`), 'normal');
  set('maintenance');
  tick(250);
  assert.equal(voice.payloads.get(`${NODE}/mode`), 'maintenance');
});

test('where somebody else sets the addresses, nothing is said about them', () => {
  const { happen, topics } = stage('manual');
  happen({ role: 'MASTER', seq: 2, master });
  assert.deepEqual(topics(), ['role', 'state', MASTER, 'mode', 'advskew']);
});

test('a snapshot is no event', () => {
  const { part, voice } = stage();
  part.event?.(carpEvent({ event: 'snapshot', role: 'BACKUP' }));
  assert.deepEqual(voice.told, []);
});
