import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leftoverPart } from '../../src/adapters/mqtt/leftover-part.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { busGroup } from '../support/bus-host.ts';
import { busPart } from '../support/bus-part.ts';
import { carpEvent } from './mqtt-events.ts';

const ROLE = 'carp/plant/node/rpi1/role';
const MASTER = 'carp/plant/master';
const LAB = 'carp/lab/node/rpi1/role';

/** A host with the groups plant and lab, of which plant is MASTER, and a look around each quarter of a second. */
const stage = () => {
  let names = ['plant', 'lab'];
  const bench = busPart(leftoverPart, 'rpi1', { groups: () => names.map((name) => busGroup(name)) });
  bench.begin();
  const happen = (about: Partial<CarpEvent>): void => bench.part.event?.(carpEvent(about));
  const keep = (topic: string, payload: string): void => bench.voice.keep(topic, payload, {});
  keep(ROLE, 'MASTER');
  keep(LAB, 'BACKUP');
  happen({ group: 'plant', role: 'MASTER' });
  bench.tick(250);
  return {
    ...bench,
    happen,
    keep,
    configure: (...groups: readonly string[]): void => {
      names = [...groups];
    },
  };
};

test('a removed group that is handing over keeps its topics until it has stopped', () => {
  const { configure, happen, keep, tick, voice } = stage();
  configure('lab');
  tick(250);
  tick(750);
  assert.equal(voice.cleared.length, 0, 'it is still MASTER');
  keep(ROLE, 'STOPPED');
  happen({ group: 'plant', role: 'STOPPED' });
  tick(250);
  assert.deepEqual(voice.cleared, [ROLE]);
  assert.equal(voice.payloads.get(LAB), 'BACKUP');
  tick(3000);
  assert.deepEqual(voice.cleared, [ROLE, MASTER], 'nobody has taken over');
});

test('what a successor writes is not taken back, also when it comes after STOPPED', () => {
  const { configure, happen, hear, keep, tick, voice } = stage();
  configure('lab');
  keep(ROLE, 'STOPPED');
  happen({ group: 'plant', role: 'STOPPED' });
  tick(250);
  hear(MASTER, JSON.stringify({ node: 'rpi2' }));
  for (let i = 0; i < 60; i += 1) tick(250);
  assert.deepEqual(voice.cleared, [ROLE]);
});

test('one that never says so is taken back after three seconds, and what it says later, too', () => {
  const { configure, keep, tick, voice } = stage();
  configure('lab');
  tick(250);
  tick(2750);
  assert.equal(voice.cleared.length, 0);
  tick(250);
  assert.ok(voice.cleared.includes(ROLE));
  keep(ROLE, 'STOPPED');
  tick(250);
  assert.equal(voice.payloads.has(ROLE), false);
});

test('one that had stopped before it was removed is taken back at the next look', () => {
  const { configure, happen, tick, voice } = stage();
  happen({ group: 'plant', role: 'STOPPED' });
  tick(250);
  assert.equal(voice.cleared.length, 0);
  configure('lab');
  tick(250);
  assert.ok(voice.cleared.includes(ROLE));
});

test('one that comes back in time keeps its topics', () => {
  const { configure, happen, tick, voice } = stage();
  configure('lab');
  tick(250);
  configure('plant', 'lab');
  happen({ group: 'plant', role: 'BACKUP' });
  for (let i = 0; i < 60; i += 1) tick(250);
  assert.equal(voice.cleared.length, 0);
});

test('when the connection ends, nothing waits', () => {
  const { configure, part, tick, voice } = stage();
  configure('lab');
  tick(250);
  part.end?.();
  assert.ok(voice.cleared.includes(ROLE));
});
