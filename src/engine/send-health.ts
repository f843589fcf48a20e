import { exhaustMap, filter, interval, map, type Observable, type SchedulerLike, scan, startWith, take } from 'rxjs';

/** So many adverts in a row that could not be sent make a host unfit; FreeBSD counts to three as well. */
const FAILURES_MAX = 3;
/** How often it is tried, and how many tries in a row must succeed. */
const PROBE = { everyMs: 1000, successes: 10 } as const;

/**
 * Whether a host can send: false after three failures in a row, true again when probes have succeeded for 10 s.
 *
 * The probe is not an advert: a host that is demoted and no longer MASTER sends none, and would stay unfit for ever, as
 * FreeBSD's do (DESIGN D6). Cold; completes never.
 *
 * @param outcomes$ - of each advert: whether it could be sent
 * @param probe - tries to send something harmless
 */
export const sendHealth = (
  outcomes$: Observable<boolean>,
  probe: () => boolean,
  scheduler: SchedulerLike,
): Observable<boolean> =>
  outcomes$.pipe(
    scan((failures, sent) => (sent ? 0 : failures + 1), 0),
    filter((failures) => failures >= FAILURES_MAX),
    exhaustMap(() =>
      interval(PROBE.everyMs, scheduler).pipe(
        map(probe),
        scan((successes, sent) => (sent ? successes + 1 : 0), 0),
        filter((successes) => successes >= PROBE.successes),
        take(1),
        map(() => true),
        startWith(false),
      ),
    ),
  );
