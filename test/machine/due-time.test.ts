import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineEvent } from '../../src/machine/events.ts';
import { transition } from '../../src/machine/transition.ts';
import { type Bench, backup, LOWER, master } from '../support/machine-bench.ts';
import { event } from '../support/machine-words.ts';

/** Kind and due time of each advert that this event makes the machine send. */
const adverts = (bench: Bench, what: MachineEvent): readonly (readonly [kind: string, due: number | undefined])[] => {
  const [state, effects] = transition(bench.state, what, bench.settings);
  bench.state = state;
  return effects.flatMap((effect) => (effect.type === 'sendAdvert' ? [[effect.kind, effect.due] as const] : []));
};

test('an advert that the clock asked for knows when it was due, however late it is', () => {
  const bench = master();
  assert.deepEqual(adverts(bench, event.timer('advert', 11_000, 11_000.4)), [['regular', 11_000]]);
  assert.deepEqual(adverts(bench, event.timer('advert', 12_000, 12_700)), [['regular', 12_000]]);
  // So late that the rhythm starts anew.
  assert.deepEqual(adverts(bench, event.timer('advert', 13_000, 14_100)), [['regular', 13_000]]);
  assert.deepEqual(adverts(bench, event.timer('advert', 15_100)), [['regular', 15_100]]);
});

test('an advert that something else asked for was never due', () => {
  const claiming = backup();
  assert.deepEqual(adverts(claiming, event.timer('masterDown', 10_000)), []);
  assert.deepEqual(adverts(claiming, event.drained(10_000)), [['claim', undefined]]);
  const bench = master();
  assert.deepEqual(adverts(bench, event.demoted(20, 10_500)), [['regular', undefined]]);
  assert.deepEqual(adverts(bench, event.advert(LOWER, '1/100', 10_600)), [['answer', undefined]]);
  assert.deepEqual(adverts(bench, event.handOver(10_700)), [['bow-out', undefined]]);
});
