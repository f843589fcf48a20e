import { defer, type Observable, retry, type SchedulerLike, tap, timer } from 'rxjs';

/** Waits between attempts, and how long one has to last for the next wait to be short again. */
export const RESTART_MS = { first: 500, longest: 30_000, healthy: 60_000 } as const;

/**
 * Subscribes again whenever `attempt$` fails: after 0.5 s, 1 s, 2 s … 30 s, and after 0.5 s again once an attempt has
 * lasted for a minute from its first value. Never errors. `failed` is told each failure, and how long it waits now.
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
          const waitMs = Math.min(RESTART_MS.longest, RESTART_MS.first * 2 ** failures);
          failures += 1;
          failed(error, waitMs);
          return timer(waitMs, scheduler);
        },
      }),
    );
  });
