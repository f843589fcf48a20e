import { test } from 'node:test';
import { announcements } from '../../src/engine/announcements.ts';
import type { Effect } from '../../src/machine/effects.ts';
import { millis } from '../../src/protocol/units.ts';
import { virtually } from '../support/marbles.ts';

const effects = {
  s: { type: 'startAnnouncing' },
  a: { type: 'announceAgain' },
  e: { type: 'stopAnnouncing' },
} as const satisfies Record<string, Effect>;
const spoken = { x: undefined };
const never = millis(0);

const BURST = 'x 99ms x 99ms x 99ms x 99ms x';

test('a new master announces five times at once and five times after five seconds', () => {
  virtually(({ hot, expectObservable }, scheduler) => {
    const out$ = announcements(hot<Effect>('s', effects), never, scheduler);
    expectObservable(out$).toBe(`${BURST} 4999ms ${BURST}`, spoken);
  });
});

test('a sitting master announces itself again in every refresh', () => {
  virtually(({ hot, expectObservable }, scheduler) => {
    const out$ = announcements(hot<Effect>('s', effects), millis(10_000), scheduler);
    expectObservable(out$, '26s !').toBe(`${BURST} 4999ms ${BURST} 9999ms x 9999ms x`, spoken);
  });
});

test('a rival makes it announce three times more, and refreshes go on', () => {
  virtually(({ hot, expectObservable }, scheduler) => {
    const out$ = announcements(hot<Effect>('a', effects), millis(1000), scheduler);
    expectObservable(out$, '2201ms !').toBe('x 99ms x 99ms x 999ms x 999ms x', spoken);
  });
});

test('nothing is announced after the end of the reign', () => {
  virtually(({ hot, expectObservable }, scheduler) => {
    const out$ = announcements(hot<Effect>('s 149ms e', effects), millis(10_000), scheduler);
    expectObservable(out$, '30s !').toBe('x 99ms x', spoken);
  });
});
