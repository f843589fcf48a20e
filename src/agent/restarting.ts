import { defer, type Observable, retry, type SchedulerLike, tap, timer } from 'rxjs';

/**
 * Waits between attempts, and how long one has to last for the next wait to be short again. The first is short because
 * an agent that is back while the lease of its predecessor lasts (at least a second) speaks that one's farewell.
 */
export const RESTART_MS = { first: 100, second: 500, longest: 30_000, healthy: 60_000 } as const;

/** @param failures - how many attempts had failed before this one */
const waitAfter = (failures: number): number =>
  failures === 0 ? RESTART_MS.first : Math.min(RESTART_MS.longest, RESTART_MS.second * 2 ** (failures - 1));

/**
 * Subscribes again whenever `attempt$` fails: after 0.1 s, 0.5 s, 1 s, 2 s … 30 s, and after 0.1 s again once an
 * attempt has lasted for a minute from its first value. Never errors. `failed` is told each failure, and how long it waits now.
 */
export const restarting = <Value>(
  attempt$: Observable<Value>,
  {
    scheduler,
    failed,
  }: { readonly scheduler: SchedulerLike; readonly failed: (error: unknown, waitMs: number) => void },
): Observable<Value> =>
  defer(() => {
    let failures = 0;
    let startedAt: number | undefined;
    const started = (): void => {
      startedAt ??= scheduler.now();
    };
    return attempt$.pipe(
      tap(started),
      retry({
        delay: (error) => {
          if (startedAt !== undefined && scheduler.now() - startedAt >= RESTART_MS.healthy) failures = 0;
          startedAt = undefined;
          const waitMs = waitAfter(failures);
          failures += 1;
          failed(error, waitMs);
          return timer(waitMs, scheduler);
        },
      }),
    );
  });
