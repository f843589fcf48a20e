import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asyncScheduler, defer, NEVER, type Observable, throwError, timer } from 'rxjs';
import { map, mergeMap, startWith, take } from 'rxjs/operators';
import { restarting } from '../../src/agent/restarting.ts';
import { virtually } from '../support/marbles.ts';

const attempts = (attempt: (n: number) => Observable<string>): { waits: number[]; starts: number[] } => {
  const waits: number[] = [];
  const starts: number[] = [];
  virtually((_helpers, scheduler) => {
    let n = 0;
    const attempt$ = defer(() => {
      starts.push(scheduler.now());
      n += 1;
      return attempt(n);
    });
    const failed = (_error: unknown, waitMs: number): void => void waits.push(waitMs);
    const subscription = restarting(attempt$, { scheduler: asyncScheduler, failed }).subscribe();
    timer(10 * 60_000)
      .pipe(take(1))
      .subscribe(() => subscription.unsubscribe());
    scheduler.flush();
  });
  return { waits, starts };
};

test('an agent that cannot start is tried after 0.1 s, 0.5 s, 1 s and so on, and at last every 30 s', () => {
  const { waits, starts } = attempts(() => throwError(() => new Error('no')));
  assert.deepEqual(waits.slice(0, 9), [100, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  assert.deepEqual(starts.slice(0, 4), [0, 100, 600, 1600]);
});

/** Starts, and dies after this time. */
const livingFor = (ms: number): Observable<string> =>
  timer(ms).pipe(
    mergeMap(() => throwError(() => new Error('died'))),
    map(() => ''),
    startWith('ready'),
  );

test('an agent that was well for a minute is restarted after a tenth of a second', () => {
  const { waits } = attempts((n) => (n < 4 ? throwError(() => new Error('no')) : n < 6 ? livingFor(60_000) : NEVER));
  assert.deepEqual(waits, [100, 500, 1000, 100, 100]);
});

test('an agent that dies within a minute is waited for longer and longer', () => {
  const { waits } = attempts((n) => (n < 4 ? livingFor(59_000) : NEVER));
  assert.deepEqual(waits, [100, 500, 1000]);
});
