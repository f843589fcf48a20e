/** Every phase x every event. The expected rows are in table-rows.ts; a missing or surplus one fails. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MachineEvent, TimerName } from '../../src/machine/events.ts';
import { type Phase, type Reign, roleOf, type State } from '../../src/machine/state.ts';
import { transition } from '../../src/machine/transition.ts';
import { millis } from '../../src/protocol/units.ts';
import { BOW_OUT, doings, event, heard, ip, settingsOf } from '../support/machine-words.ts';
import { ROWS } from './table-rows.ts';

const NOW = 10_000;
const OWN = '192.0.2.20';
const FOLLOWED = '192.0.2.1';
const settings = settingsOf('1/100');

const reign: Reign = { due: millis(NOW + 400), sentAt: millis(NOW - 990.625), sent: 7 };
const because = { reason: 'master-timeout', detail: '' } as const;
const farewell = { reason: 'hand-over', ending: 'stay', since: millis(NOW - 3), reign } as const;

/** Each phase, and each of its variants that matters. The type asks for every one. */
const PHASES: { readonly [Name in Phase['name']]: Readonly<Record<string, Extract<Phase, { readonly name: Name }>>> } =
  {
    init: { init: { name: 'init' } },
    listening: {
      listening: { name: 'listening', extended: false },
      'listening, extended': { name: 'listening', extended: true },
    },
    draining: {
      draining: { name: 'draining', extended: false },
      'draining, extended': { name: 'draining', extended: true },
    },
    staggering: { staggering: { name: 'staggering', detail: '' } },
    inheriting: {
      inheriting: { name: 'inheriting', stage: 'listening' },
      'inheriting, last look before the farewell': { name: 'inheriting', stage: 'looking' },
      'inheriting, farewell said': { name: 'inheriting', stage: 'offering' },
      'inheriting, last look before the claim': { name: 'inheriting', stage: 'asking' },
      'inheriting, successor heard': { name: 'inheriting', stage: 'leaving' },
    },
    claiming: {
      claiming: { name: 'claiming', ...because, reign, last: false },
      'claiming, last look': { name: 'claiming', ...because, reign, last: true },
    },
    taking: { taking: { name: 'taking', ...because, reign } },
    master: { master: { name: 'master', reign } },
    'bowing-out': {
      'bowing-out': { name: 'bowing-out', ...farewell },
      'bowing-out, successor heard': { name: 'bowing-out', ...farewell, successor: ip('192.0.2.2') },
      'bowing-out to stop': { name: 'bowing-out', ...farewell, reason: 'stop', ending: 'stop' },
      'bowing-out by force': { name: 'bowing-out', ...farewell, ending: 'release' },
    },
    recovering: { recovering: { name: 'recovering', detail: '', reign } },
    stopped: { stopped: { name: 'stopped' } },
  };

const TIMERS: Readonly<Record<TimerName, MachineEvent>> = {
  masterDown: event.timer('masterDown', NOW),
  advert: event.timer('advert', NOW + 400),
  hold: event.timer('hold', NOW),
  stagger: event.timer('stagger', NOW),
  preempt: event.timer('preempt', NOW),
  bowOut: event.timer('bowOut', NOW),
  release: event.timer('release', NOW),
};

const at = millis(NOW);
/** Each type of event, in each kind that matters. The type asks for every one. */
const EVENTS: { readonly [Type in MachineEvent['type']]: Readonly<Record<string, MachineEvent>> } = {
  becameReady: { ready: event.ready({ 4: ip(OWN) }, NOW) },
  becameUnready: {
    'link down': { type: 'becameUnready', reason: 'link-down', detail: '', at },
    disabled: { type: 'becameUnready', reason: 'forced', detail: '', at },
  },
  advertReceived: {
    better: event.advert('192.0.2.30', '1/0', NOW),
    worse: event.advert('192.0.2.30', '1/200', NOW),
    'too slow': event.advert('192.0.2.30', '10/0', NOW),
    'tie, lower': event.advert('192.0.2.10', '1/100', NOW),
    'tie, higher': event.advert('192.0.2.30', '1/100', NOW),
    'tie, own address': event.advert(OWN, '1/100', NOW),
    'bow-out of the followed': event.advert(FOLLOWED, BOW_OUT, NOW),
    'bow-out of a stranger': event.advert('192.0.2.99', BOW_OUT, NOW),
  },
  timerExpired: TIMERS,
  drained: {
    drained: event.drained(NOW),
    'drained, 3 lost': event.drained(NOW, 3),
    'drained, 2 replayed': event.drained(NOW, 0, 2),
  },
  addressesTaken: { taken: event.taken(NOW) },
  addressesFailed: { failed: { type: 'addressesFailed', detail: '', at } },
  addressesLost: { lost: { type: 'addressesLost', detail: '', at } },
  leaseLapsed: { lapsed: { type: 'leaseLapsed', detail: '', at } },
  demotionChanged: {
    'demoted by 50': event.demoted(50, NOW),
    'demoted by 240': event.demoted(240, NOW),
    'told to observe': event.observe(NOW),
  },
  advskewChanged: { 'advskew 50': event.advskew(50, NOW), 'advskew of the settings': event.advskew(undefined, NOW) },
  handOverRequested: { 'hand over': event.handOver(NOW), 'hand over by force': event.handOver(NOW, true) },
  stopRequested: { stop: event.stop(NOW) },
};

const isOut = ({ name }: Phase): boolean => name === 'init' || name === 'stopped';
const isHeir = ({ name }: Phase): boolean => name === 'inheriting';
const isBackup = ({ name }: Phase): boolean =>
  !isOut({ name } as Phase) && roleOf({ phase: { name } } as State) === 'BACKUP';

/** A BACKUP follows a MASTER that is worse than itself and was heard half a second ago; an heir has heard nobody yet. */
const stateIn = (phase: Phase): State => ({
  phase,
  demotion: 0,
  sources: isOut(phase) ? {} : { 4: ip(OWN) },
  ...(isHeir(phase) ? { inherited: true } : {}),
  ...(isBackup(phase) && !isHeir(phase)
    ? { master: { ...heard(FOLLOWED, '1/150'), sources: { 4: ip(FOLLOWED) }, heardAt: millis(NOW - 500) } }
    : {}),
});

const phases = Object.values(PHASES).flatMap((variants) => Object.entries<Phase>(variants));
const events = Object.values(EVENTS).flatMap((kinds) =>
  Object.entries<MachineEvent>(kinds).map(
    ([name, what]) => [what.type === 'timerExpired' ? `timer ${name}` : name, what] as const,
  ),
);

const outcome = (phase: Phase, what: MachineEvent): string => {
  const [after, effects] = transition(stateIn(phase), what, settings);
  const done = doings(effects, what.at, true);
  return `${after.phase.name === 'stopped' ? 'STOPPED' : roleOf(after)}: ${done === '' ? 'nothing' : done}`;
};

/** What somebody who observes does of all that he could do. */
const CLAIMS = new Set(['claiming', 'taking', 'master']);

describe('a phase and an event', () => {
  for (const [name, phase] of phases)
    test(`${name}: every event has the expected role and effects, and no row is missing`, () => {
      const rows: Readonly<Record<string, string>> = ROWS[name] ?? {};
      const expected = Object.entries(rows).flatMap(([words, names]) =>
        names.split('; ').map((one): readonly [string, string] => [one, words]),
      );
      assert.equal(new Set(expected.map(([one]) => one)).size, expected.length, 'an event has two rows');
      const actual = events.map(([one, what]) => [one, outcome(phase, what)] as const);
      assert.deepEqual(Object.fromEntries(actual), Object.fromEntries(expected));
    });

  test('whatever the phase, nothing makes a host that observes claim, take addresses, or stay MASTER', () => {
    for (const [name, phase] of phases)
      for (const [said, what] of events) {
        // This is how it would no longer observe.
        if (what.type === 'demotionChanged') continue;
        const [observing] = transition(stateIn(phase), event.observe(NOW), settings);
        const [after, effects] = transition(observing, what, settings);
        const where = `${name}, ${said}`;
        assert.ok(!CLAIMS.has(after.phase.name), where);
        for (const { type } of effects) assert.ok(type !== 'takeAddresses' && type !== 'startAnnouncing', where);
        if (after.phase.name === 'bowing-out') assert.notEqual(after.phase.ending, 'stay', where);
        for (const effect of effects)
          if (effect.type === 'sendAdvert') assert.ok(effect.kind === 'bow-out' || effect.kind === 'yield', where);
      }
  });

  test('no row is about a phase that does not exist', () => {
    assert.deepEqual(
      Object.keys(ROWS).filter((name) => !phases.some(([known]) => known === name)),
      [],
    );
  });
});
