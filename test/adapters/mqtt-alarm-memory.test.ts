import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AlarmMemory } from '../../src/adapters/mqtt/alarms/alarm-memory.ts';
import { listed, type Suspicion } from '../../src/adapters/mqtt/alarms/alarm-suspicion.ts';
import type { AlarmReport } from '../../src/adapters/mqtt/payloads.ts';
import { readAlarm } from '../../src/adapters/mqtt/view/bus-payloads.ts';

const suspicion = (more: Partial<Suspicion> = {}): Suspicion => ({
  code: 'two-masters',
  nodes: ['a', 'b'],
  what: 'a and b are MASTER',
  remedy: 'look',
  patienceMs: 1000,
  ...more,
});

const memory = () => {
  const alarms = new AlarmMemory();
  const at = (now: number, ...found: readonly Suspicion[]): readonly string[] =>
    alarms.update(found, { now, wallClock: new Date(now), holdMs: 1000 }).map(({ type, code }) => `${type} ${code}`);
  return { alarms, at };
};

test('an alarm is raised after its patience and cleared after the hold, each once', () => {
  const { alarms, at } = memory();
  assert.deepEqual(at(0, suspicion()), []);
  assert.deepEqual(at(999, suspicion()), []);
  assert.equal(alarms.alarms.length, 0);
  assert.deepEqual(at(1000, suspicion()), ['raised two-masters']);
  assert.deepEqual(alarms.alarms, [
    { code: 'two-masters', text: 'a and b are MASTER: look', nodes: ['a', 'b'], since: '1970-01-01T00:00:01.000Z' },
  ]);
  assert.deepEqual(at(5000, suspicion({ nodes: ['a', 'c'] })), []);
  assert.deepEqual(alarms.alarms[0]?.nodes, ['a', 'c'], 'what it says is what is wrong now');
  assert.equal(alarms.alarms[0]?.since, '1970-01-01T00:00:01.000Z');
  assert.deepEqual(at(5999), []);
  assert.deepEqual(at(6000), ['cleared two-masters']);
  assert.deepEqual([at(7000), alarms.alarms, alarms.isIdle], [[], [], true]);
});

test('what was only suspected ends without a word, and begins anew', () => {
  const { at } = memory();
  at(0, suspicion());
  assert.deepEqual(at(1000), []);
  assert.deepEqual(at(1100, suspicion()), []);
  assert.deepEqual(at(2099, suspicion()), []);
  assert.deepEqual(at(2100, suspicion()), ['raised two-masters']);
});

test('what comes and goes within the hold counts as having been there all the time', () => {
  const { at } = memory();
  const news = [0, 400, 800, 1200, 1600].flatMap((now, i) => (i % 2 === 0 ? at(now, suspicion()) : at(now)));
  assert.deepEqual(news, ['raised two-masters']);
});

test('two alarms of one group do not hinder each other; without patience one is raised at once', () => {
  const { alarms, at } = memory();
  const other = suspicion({ code: 'duplicate-node', patienceMs: 0 });
  assert.deepEqual(at(0, suspicion(), other), ['raised duplicate-node']);
  assert.deepEqual(at(1000, suspicion(), other), ['raised two-masters']);
  assert.deepEqual(at(2000, suspicion()), ['cleared duplicate-node']);
  assert.deepEqual(
    alarms.alarms.map(({ code }) => code),
    ['two-masters'],
  );
});

test('however many hosts and long names there are, other hosts read the alarm', () => {
  const { alarms, at } = memory();
  const nodes = Array.from({ length: 300 }, (_, i) => `${i}${'x'.repeat(120)}`);
  at(0, suspicion({ nodes, what: listed(nodes), patienceMs: 0 }));
  const report: AlarmReport = {
    active: true,
    alarms: alarms.alarms,
    group: 'g',
    by: 'a',
    at: new Date(0).toISOString(),
  };
  const read = readAlarm(new TextEncoder().encode(JSON.stringify(report)));
  assert.deepEqual(read, report);
  assert.equal(read?.alarms[0]?.nodes.length, 64);
});

test('names are listed as people list them', () => {
  assert.equal(listed([]), '');
  assert.equal(listed(['a']), 'a');
  assert.equal(listed(['a', 'b']), 'a and b');
  assert.equal(listed(['a', 'b', 'c']), 'a, b and c');
  assert.equal(listed([...'abcdefgh']), 'a, b, c, d, e, f, g and h');
  assert.equal(listed([...'abcdefghi']), 'a, b, c, d, e, f, g, h and 1 more');
});
