import { test } from 'node:test';
import { timerEvents } from '../../src/engine/timers.ts';
import type { Effect } from '../../src/machine/effects.ts';
import type { TimerName } from '../../src/machine/events.ts';
import { millis } from '../../src/protocol/units.ts';
import { virtually } from '../support/marbles.ts';

const arm = (timer: TimerName, due: number): Effect => ({ type: 'arm', timer, due: millis(due) });
const disarm = (timer: TimerName): Effect => ({ type: 'disarm', timer });
const expired = (timer: TimerName, due: number, at = due) => ({ type: 'timerExpired', timer, due, at });

test('a timer expires at its due time, whenever it was armed', () => {
  virtually(({ hot, expectObservable }, scheduler) => {
    const effects$ = hot('--a-----', { a: arm('advert', 5) });
    expectObservable(timerEvents(effects$, scheduler)).toBe('-----x', { x: expired('advert', 5) });
  });
});

test('arming again restarts the wait', () => {
  virtually(({ hot, expectObservable }, scheduler) => {
    const effects$ = hot('a--b-------', { a: arm('masterDown', 4), b: arm('masterDown', 7) });
    expectObservable(timerEvents(effects$, scheduler)).toBe('-------x', { x: expired('masterDown', 7) });
  });
});

test('disarming stops that timer and no other', () => {
  virtually(({ hot, expectObservable }, scheduler) => {
    const effects$ = hot('(ab)c------', { a: arm('advert', 6), b: arm('hold', 6), c: disarm('hold') });
    expectObservable(timerEvents(effects$, scheduler)).toBe('------x', { x: expired('advert', 6) });
  });
});

test('a due time that has passed expires at once, and tells how late it is', () => {
  virtually(({ hot, expectObservable }, scheduler) => {
    const effects$ = hot('-----a----', { a: arm('advert', 2) });
    expectObservable(timerEvents(effects$, scheduler)).toBe('-----x', { x: expired('advert', 2, 5) });
  });
});

test('nothing armed, nothing expires; other effects are not looked at', () => {
  virtually(({ hot, cold, expectObservable }, scheduler) => {
    expectObservable(timerEvents(cold<Effect>('---|'), scheduler)).toBe('---|');
    expectObservable(timerEvents(hot<Effect>('-d--', { d: { type: 'drain' } }), scheduler)).toBe('----');
  });
});

test('a running timer still expires after the effects have completed; an error passes', () => {
  virtually(({ hot, cold, expectObservable }, scheduler) => {
    const effects$ = hot('a-|', { a: arm('advert', 4) });
    expectObservable(timerEvents(effects$, scheduler)).toBe('----(x|)', { x: expired('advert', 4) });
    expectObservable(timerEvents(cold<Effect>('a-#', { a: arm('advert', 4) }), scheduler)).toBe('--#');
  });
});

test('unsubscribing stops every timer', () => {
  virtually(({ hot, expectObservable, expectSubscriptions }, scheduler) => {
    const effects$ = hot('a---------', { a: arm('advert', 4) });
    expectObservable(timerEvents(effects$, scheduler), '--!').toBe('---');
    expectSubscriptions(effects$.subscriptions).toBe('^-!');
  });
});
