import {
  concat,
  EMPTY,
  filter,
  interval,
  map,
  type Observable,
  type SchedulerLike,
  switchMap,
  take,
  timer,
} from 'rxjs';
import type { Effect } from '../machine/effects.ts';
import type { Millis } from '../protocol/units.ts';

/** Neighbours may be deaf for a moment, switches may be learning: what is announced is announced again (DESIGN 6). */
const BURST = { count: 5, gapMs: 100 } as const;
const SECOND_BURST_AFTER_MS = 5000;
/** After a rival was heard: it may speak to the neighbours again before it yields. */
const AGAIN = { count: 3, gapMs: 100 } as const;

const burst = ({ count, gapMs }: { readonly count: number; readonly gapMs: number }, scheduler: SchedulerLike) =>
  timer(0, gapMs, scheduler).pipe(take(count));

/**
 * When to announce the addresses: 5 times in quick succession at the promotion, 5 times more after 5 s, then every
 * `refresh` (0 = never); 3 times more after each rival. Cold; silent from `stopAnnouncing` on.
 */
export const announcements = (
  effects$: Observable<Effect>,
  refresh: Millis,
  scheduler: SchedulerLike,
): Observable<void> =>
  effects$.pipe(
    filter(({ type }) => type === 'startAnnouncing' || type === 'announceAgain' || type === 'stopAnnouncing'),
    switchMap(({ type }) => {
      const refreshes = refresh > 0 ? interval(refresh, scheduler) : EMPTY;
      switch (type) {
        case 'startAnnouncing':
          return concat(
            burst(BURST, scheduler),
            timer(SECOND_BURST_AFTER_MS, scheduler).pipe(switchMap(() => burst(BURST, scheduler))),
            refreshes,
          );
        case 'announceAgain':
          return concat(burst(AGAIN, scheduler), refreshes);
        default:
          return EMPTY;
      }
    }),
    map(() => undefined),
  );
