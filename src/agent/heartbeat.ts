import {
  concat,
  distinctUntilChanged,
  exhaustMap,
  filter,
  interval,
  map,
  NEVER,
  type Observable,
  of,
  type SchedulerLike,
  startWith,
  switchMap,
  take,
} from 'rxjs';
import type { Millis } from '../protocol/units.ts';

/** The owner of an agent that has not been heard for this long hangs; in s, `stallTimeout` of `configure`. */
export const STALL_TIMEOUT_S = 15;
/** A longer pause between two heartbeats would say less than it saves. */
const BEAT_MS_MAX = 1000;
/** Heartbeats within one `stallTimeout`: that one is late must not matter. */
const BEATS = 10;

/** How often the owner says that it is well, in ms. */
export const beatMs = (stallTimeout: Millis): number => Math.min(BEAT_MS_MAX, stallTimeout / BEATS);

/**
 * Tells when the owner of this agent begins to hang (true) and when it answers again (false), the present state first.
 * Cold; never completes by itself.
 *
 * What is counted are ticks, not time: a machine that slept, or a process that was stopped together with its owner, has
 * missed one tick and not the whole pause, and the heartbeats that wait in the channel are read before the next.
 *
 * @param beats$ - the owner's heartbeats
 * @param stallTimeout$ - 0 = never
 */
export const stalls = (
  beats$: Observable<unknown>,
  stallTimeout$: Observable<Millis>,
  scheduler: SchedulerLike,
): Observable<boolean> =>
  stallTimeout$.pipe(
    distinctUntilChanged(),
    switchMap((stallTimeout) =>
      stallTimeout === 0
        ? of(false)
        : beats$.pipe(
            startWith(undefined),
            switchMap(() => concat(of(false), silence(stallTimeout, scheduler))),
          ),
    ),
    distinctUntilChanged(),
  );

/** Emits once, when so much time has passed in ticks. */
const silence = (stallTimeout: Millis, scheduler: SchedulerLike): Observable<true> => {
  const tickMs = beatMs(stallTimeout);
  return interval(tickMs, scheduler).pipe(
    filter((missed) => (missed + 1) * tickMs >= stallTimeout),
    take(1),
    map(() => true),
  );
};

/**
 * Sends heartbeats, none before the channel has taken the one before: an agent that does not read must not fill the
 * memory of its owner. `beat` says when it has been taken, or never will be. Cold; ends with its subscription.
 */
export const heartbeats = (
  stallTimeout$: Observable<Millis>,
  beat: () => Promise<void>,
  scheduler: SchedulerLike,
): Observable<never> =>
  stallTimeout$.pipe(
    distinctUntilChanged(),
    switchMap((stallTimeout) => (stallTimeout === 0 ? NEVER : interval(beatMs(stallTimeout), scheduler))),
    exhaustMap(() => beat().catch(() => undefined)),
    filter((value): value is never => value !== undefined),
  );
