import { EMPTY, filter, groupBy, map, mergeMap, type Observable, type SchedulerLike, switchMap, timer } from 'rxjs';
import type { Effect } from '../machine/effects.ts';
import type { EventOf } from '../machine/events.ts';
import { millis } from '../protocol/units.ts';

type TimerEffect = Extract<Effect, { readonly type: 'arm' | 'disarm' }>;
const isTimerEffect = (effect: Effect): effect is TimerEffect => effect.type === 'arm' || effect.type === 'disarm';

/**
 * Turns `arm` and `disarm` into `timerExpired`. Cold; completes when the effects complete and no timer runs.
 *
 * `switchMap` is the whole cancellation story: arming again restarts that timer, disarming switches to nothing, and
 * unsubscribing stops them all. Due times are absolute, so that a late start of the wait does not make it longer.
 */
export const timerEvents = (
  effects$: Observable<Effect>,
  scheduler: SchedulerLike,
): Observable<EventOf<'timerExpired'>> =>
  effects$.pipe(
    filter(isTimerEffect),
    groupBy((effect) => effect.timer),
    mergeMap((perTimer$) =>
      perTimer$.pipe(
        switchMap((effect) =>
          effect.type === 'arm'
            ? timer(Math.max(0, effect.due - scheduler.now()), scheduler).pipe(map(() => effect.due))
            : EMPTY,
        ),
        map((due) => ({ type: 'timerExpired' as const, timer: perTimer$.key, due, at: millis(scheduler.now()) })),
      ),
    ),
  );
