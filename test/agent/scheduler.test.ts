import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstValueFrom, interval, take, timer, toArray } from 'rxjs';
import { monotonicScheduler as scheduler } from '../../src/adapters/node/scheduler.ts';

test('work never starts before its delay has passed, also when the event loop was busy when it was asked for', async () => {
  const early: number[] = [];
  for (const delay of [0, 0.2, 1.9, 3.4, 10.9]) {
    const begun = performance.now();
    // The loop's own clock now lags behind; a bare setTimeout would count from there.
    while (performance.now() - begun < 5);
    const asked = scheduler.now();
    await firstValueFrom(timer(delay, scheduler));
    const waited = scheduler.now() - asked;
    if (waited < delay) early.push(delay - waited);
  }
  assert.deepEqual(early, []);
});

test('repeated work keeps its distance, and stops when it is unsubscribed', async () => {
  const ticks = await firstValueFrom(interval(4.5, scheduler).pipe(take(4), toArray()));
  assert.deepEqual(ticks, [0, 1, 2, 3]);
  let ran = false;
  scheduler
    .schedule(() => {
      ran = true;
    }, 1)
    .unsubscribe();
  await firstValueFrom(timer(20, scheduler));
  assert.equal(ran, false);
});

test('a wait longer than Node can count is not cut to nothing', async () => {
  let ran = false;
  const month = scheduler.schedule(() => {
    ran = true;
  }, 31 * 86_400_000);
  await firstValueFrom(timer(20, scheduler));
  month.unsubscribe();
  assert.equal(ran, false);
});
