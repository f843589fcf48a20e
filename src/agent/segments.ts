import {
  catchError,
  defer,
  finalize,
  from,
  type Observable,
  of,
  ReplaySubject,
  repeat,
  type SchedulerLike,
  share,
  switchMap,
  timer,
} from 'rxjs';
import type { SegmentRules } from '../engine/segment-rules.ts';
import { followSegment } from '../engine/segment-watch.ts';
import { problemOf } from '../ports/error.ts';
import type { Sniffer } from '../ports/sniffer.ts';
import type { WatchParams } from './rpc.ts';
import { type Hearing, type SegmentUpdate, segmentUpdates } from './segment-updates.ts';

/** How often listening is tried again that failed: an interface may come, a module be installed. */
export const LISTEN_RETRY_MS = 5000;

export interface SegmentsOptions {
  /** Of the simulated LAN, or of this machine. @throws (rejects) CarpError CARP_NO_PERMISSION, CARP_NO_TRANSPORT */
  readonly sniffer: (simulated: boolean) => Promise<Sniffer>;
  readonly rulesFor: (params: WatchParams) => SegmentRules;
  readonly scheduler: SchedulerLike;
}

/**
 * What is heard on segments. However many listen to one, there is one socket for it, which is closed with the last.
 * Cold; never completes and never errors: that nothing can be heard is an update.
 */
export const createSegments = ({ sniffer, rulesFor, scheduler }: SegmentsOptions) => {
  const heard = new Map<string, Observable<Hearing>>();

  const listening = (params: WatchParams): Observable<Hearing> =>
    defer(() => from(sniffer(params.simulated === true))).pipe(
      switchMap((ear) =>
        followSegment(ear.listen({ interface: params.interface }), { ...rulesFor(params), scheduler }),
      ),
      catchError((error: unknown) => of({ problem: problemOf(error) })),
      repeat({ delay: () => timer(LISTEN_RETRY_MS, scheduler) }),
    );

  /** Whoever comes later is told at once how things stand. */
  const shared = (params: WatchParams): Observable<Hearing> => {
    const key = segmentKey(params);
    const known = heard.get(key);
    if (known !== undefined) return known;
    const made = listening(params).pipe(
      finalize(() => heard.delete(key)),
      share({ connector: () => new ReplaySubject(1) }),
    );
    heard.set(key, made);
    return made;
  };

  return (params: WatchParams): Observable<SegmentUpdate> =>
    defer(() => segmentUpdates(shared(params), () => scheduler.now()));
};

/** One segment has one key, whoever asks for it. */
export const segmentKey = ({ interface: name, simulated = false }: WatchParams): string => `${simulated} ${name}`;
