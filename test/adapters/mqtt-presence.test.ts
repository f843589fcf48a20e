import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BusHost } from '../../src/adapters/mqtt/part.ts';
import { presencePart } from '../../src/adapters/mqtt/presence-part.ts';
import { busGroup } from '../support/bus-host.ts';
import { busPart } from '../support/bus-part.ts';

const STATUS = 'carp/node/rpi1/status';
const INFO = 'carp/node/rpi1/info';
const EARLY = { instance: 'aaaaaaaaaaaaaaaa', startedAt: '2026-01-01T00:00:00.000Z' };
const LATE = { instance: 'bbbbbbbbbbbbbbbb', startedAt: '2026-01-02T00:00:00.000Z' };

const stage = (host: typeof EARLY, more: object = {}, rest: Partial<BusHost> = {}) => {
  const asides: boolean[] = [];
  let repeats = 0;
  const create = presencePart({ standAside: (aside) => void asides.push(aside), repeat: () => (repeats += 1) });
  const bench = busPart(create, 'rpi1', { ...host, ...rest }, more);
  return { ...bench, asides, repeats: () => repeats };
};

const infoOf = (twin: typeof EARLY, hostname = 'twin'): string => JSON.stringify({ ...twin, hostname });

test('a connection begins with the status and with who this is', () => {
  const { begin, voice } = stage(EARLY, { commands: ['mode'] });
  begin();
  assert.deepEqual([...voice.payloads.keys()], [STATUS, INFO]);
  begin();
  assert.ok(!voice.keepings.some(({ again }) => again), 'each keeps its turn in later connections');
  const info = JSON.parse(voice.payloads.get(INFO) ?? '{}');
  assert.equal(voice.payloads.get(STATUS), 'online');
  assert.deepEqual([info.instance, info.node, info.commands], [EARLY.instance, 'rpi1', ['mode']]);
});

test('groups that did not change are described with each refresh, and not with each look around', () => {
  let described = 0;
  const plant = {
    ...busGroup('plant'),
    get group() {
      described += 1;
      return 'plant';
    },
  };
  let groups = [plant];
  const { begin, tick, voice } = stage(EARLY, {}, { groups: () => groups });
  begin();
  described = 0;
  for (let i = 0; i < 39; i += 1) tick(250);
  assert.equal(described, 0);
  tick(250);
  assert.ok(described > 0);
  groups = [];
  tick();
  assert.deepEqual(JSON.parse(voice.payloads.get(INFO) ?? '{}').groups, []);
});

test('what a former self has left on the broker is no twin', () => {
  const { begin, hear, troubles, asides } = stage(LATE);
  hear(INFO, infoOf(EARLY), true);
  begin();
  assert.deepEqual([troubles(), asides], [[], []]);
});

test('of two hosts with one name, both say so, and the one that started later is silent', () => {
  for (const [self, twin, yields] of [
    [EARLY, LATE, false],
    [LATE, EARLY, true],
  ] as const) {
    const { begin, hear, troubles, asides, lines, repeats } = stage(self);
    begin();
    hear(INFO, infoOf(twin));
    hear(INFO, infoOf(twin));
    assert.deepEqual(asides, yields ? [true] : []);
    assert.equal(lines.length, 1, 'said once');
    assert.match(lines[0] ?? '', /^error mqtt of rpi1: twin calls itself rpi1, too/);
    assert.deepEqual(
      troubles().map(({ code }) => code),
      ['duplicate-node'],
    );
    assert.equal(repeats(), yields ? 0 : 1, 'what the twin has written over is put right');
  }
});

test('equal times are settled by the instance, in the same way on both sides', () => {
  const twins = [EARLY, { ...LATE, startedAt: EARLY.startedAt }] as const;
  const silent = twins.map((self, i) => {
    const { begin, hear, asides } = stage(self);
    begin();
    hear(INFO, infoOf(twins[1 - i] ?? EARLY));
    return asides.at(-1) ?? false;
  });
  assert.deepEqual(silent, [false, true]);
});

test('two twins answer each other a bounded number of times', () => {
  const hosts = [stage(EARLY), stage(LATE)] as const;
  const said = (of: (typeof hosts)[number]): readonly string[] => [
    ...of.voice.keepings.filter(({ topic }) => topic === INFO).map(({ payload }) => payload),
    ...of.voice.told.map(({ payload }) => payload),
  ];
  for (const host of hosts) host.begin();
  const delivered = [0, 0];
  let rounds = 0;
  for (let moved = true; moved; rounds += 1) {
    assert.ok(rounds < 10, 'they do not stop');
    moved = false;
    for (const [i, host] of hosts.entries()) {
      const other = hosts[1 - i];
      if (other === undefined) continue;
      const news = said(other).slice(delivered[i]);
      delivered[i] = said(other).length;
      moved ||= news.length > 0;
      for (const payload of news) host.hear(INFO, payload);
    }
  }
  assert.deepEqual(
    hosts.map(({ asides }) => asides),
    [[], [true]],
  );
});

test('while it is silent, a host gives a sign of life that the broker does not keep', () => {
  const { begin, hear, tick, voice } = stage(LATE);
  begin();
  hear(INFO, infoOf(EARLY));
  const before = voice.keepings.length;
  begin();
  tick(10_000);
  assert.equal(voice.keepings.length, before);
  assert.ok(voice.told.length > 0);
  assert.ok(voice.told.every(({ topic, qos }) => topic === INFO && qos === 0));
});

test('a host speaks again when its twin says farewell, or has not been heard for three refreshes', () => {
  const leaves = stage(LATE);
  leaves.begin();
  leaves.hear(INFO, infoOf(EARLY));
  leaves.hear(STATUS, 'offline');
  assert.deepEqual(leaves.asides, [true, false]);
  assert.deepEqual(leaves.troubles(), []);

  const falls = stage(LATE);
  falls.begin();
  falls.hear(INFO, infoOf(EARLY));
  falls.tick(29_000);
  assert.deepEqual(falls.asides, [true]);
  falls.tick(2000);
  assert.deepEqual(falls.asides, [true, false]);
});

test('a host that is heard to be offline while it is not says online again', () => {
  const { begin, hear, voice } = stage(EARLY);
  begin();
  hear(STATUS, 'offline', true);
  const before = voice.keepings.length;
  hear(STATUS, 'offline');
  assert.deepEqual(
    voice.keepings.slice(before).map(({ topic, payload, again }) => [topic, payload, again]),
    [[STATUS, 'online', true]],
  );
});

test('what is no information about a node makes no twin, and a hostname cannot forge a log line', () => {
  const { begin, hear, troubles, lines } = stage(EARLY);
  begin();
  for (const text of ['', '{', 'null', '[]', '{"instance":1}', infoOf({ instance: 'x', startedAt: 'y' })])
    hear(INFO, text);
  hear(INFO, infoOf(EARLY));
  assert.deepEqual(troubles(), []);
  hear(INFO, infoOf(LATE, 'a\nerror all is lost'));
  assert.doesNotMatch(lines.join(''), /\n/);
});
