/** The story of a segment as streams. */
import {
  connect,
  endWith,
  ignoreElements,
  interval,
  map,
  merge,
  mergeMap,
  type Observable,
  type SchedulerLike,
  scan,
  takeUntil,
} from 'rxjs';
import type { CapturedFrame } from '../ports/sniffer.ts';
import { EMPTY_SEGMENT, hearFrame, passTime, type Segment } from './segment.ts';
import type { SegmentEvent } from './segment-events.ts';
import type { SegmentRules } from './segment-rules.ts';

export interface WatchOptions extends SegmentRules {
  /**
   * Tells the time between frames, so that silences are noticed when nobody says anything. Its `now()` is the clock of
   * the frames' `time`. Without one only frames tell the time, as is right for files.
   */
  readonly scheduler?: SchedulerLike;
}

/** A frame or a moment, and what it changed; often nothing. */
export interface SegmentNews {
  readonly segment: Segment;
  readonly events: readonly SegmentEvent[];
}

const TICK_MS = 100;
/** What has arrived may still wait to be read. Silences are dated to their moment all the same. */
const GRACE_MS = 250;

/**
 * What is known after each frame, with what it changed. Cold; completes with the frames, and fails with them.
 *
 * @param frames$ - in the order of their time; what is out of order counts as just arrived
 */
export const followSegment = (
  frames$: Observable<CapturedFrame>,
  { scheduler, ...rules }: WatchOptions = {},
): Observable<SegmentNews> =>
  frames$.pipe(
    connect((shared$) =>
      scheduler === undefined
        ? shared$
        : merge(shared$, ticks(scheduler).pipe(takeUntil(shared$.pipe(ignoreElements(), endWith(undefined))))),
    ),
    scan<CapturedFrame | Tick, SegmentNews>(
      ({ segment }, input) => {
        const [next, events] = 'tick' in input ? passTime(segment, input.tick) : hearFrame(segment, input, rules);
        return { segment: next, events };
      },
      { segment: EMPTY_SEGMENT, events: [] },
    ),
  );

interface Tick {
  readonly tick: number;
}

const ticks = (scheduler: SchedulerLike): Observable<Tick> =>
  interval(TICK_MS, scheduler).pipe(map(() => ({ tick: scheduler.now() - GRACE_MS })));

/** What changes on a segment. Cold; completes with the frames, and fails with them. */
export const watchSegment = (
  frames$: Observable<CapturedFrame>,
  options: WatchOptions = {},
): Observable<SegmentEvent> => followSegment(frames$, options).pipe(mergeMap(({ events }) => events));
