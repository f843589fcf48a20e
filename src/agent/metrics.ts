import {
  distinctUntilChanged,
  EMPTY,
  filter,
  merge,
  type Observable,
  ReplaySubject,
  retry,
  type SchedulerLike,
  Subscription,
  switchMap,
  tap,
  timer,
} from 'rxjs';
import type { Page, PageRequest, ServedAddress } from '../adapters/metrics/server.ts';
import type { CarpEvent, HostStatus, PublicRole } from '../engine/status.ts';
import { CarpError, problemOf } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import type { Figures, ProcessFigures } from './metrics-families.ts';
import { pageOf, type Reading } from './metrics-pages.ts';

/** How long after a failure it is tried again: a predecessor that still says farewell has the port, or an address comes later. */
export const LISTEN_RETRY_MS = 5000;
/** Whoever asks more often is told the same, unless something has happened: to look costs as much as there are groups. */
export const READING_MS_MAX = 250;

/** Answers at this address for as long as it is subscribed; see `serving` of the adapter. */
export type Serve = (where: ServedAddress, pageOf: (request: PageRequest) => Promise<Page>) => Observable<void>;

/** Somebody who wants metrics. */
export interface MetricsWish {
  /** For messages. */
  readonly from: string;
  readonly metrics: ServedAddress | undefined;
}

export interface MetricsOptions {
  readonly serve: Serve;
  readonly version: string;
  readonly hosts: () => readonly HostStatus[];
  readonly events$: Observable<CarpEvent>;
  /** Whatever else makes a page out of date at once. */
  readonly changes$: Observable<unknown>;
  readonly scheduler: SchedulerLike;
  readonly log: Log;
}

/** The pages of one agent, which all of its hosts share. */
export interface Metrics {
  /** Answers at the address that the first of these wants, from now on; nowhere if none wants one. */
  readonly run: (wishes: readonly MetricsWish[]) => void;
  /** The agent says farewell: nobody is to be sent here any more. */
  readonly leave: () => void;
  readonly close: () => void;
}

export const createMetrics = (options: MetricsOptions): Metrics => {
  const { serve, version, hosts, events$, changes$, scheduler, log } = options;
  const wanted$ = new ReplaySubject<ServedAddress | undefined>(1);
  const transitions = new Map<string, Map<PublicRole, number>>();
  const running = new Subscription();
  let known: { readonly reading: Reading; readonly until: number } | undefined;
  let stopping = false;

  const figures = (): Figures => ({
    process: processFigures(version),
    hosts: hosts(),
    transitionsTo: (node, group, role) => transitions.get(keyOf(node, group))?.get(role) ?? 0,
  });

  const read = (): Reading => {
    const now = scheduler.now();
    if (known === undefined || now >= known.until)
      known = { reading: { figures: figures(), stopping, pages: new Map() }, until: now + READING_MS_MAX };
    return known.reading;
  };

  const forget = (): void => {
    known = undefined;
  };

  /** A page that cannot be made is a defect, but not worth an address. */
  const page = async (request: PageRequest): Promise<Page> => {
    try {
      return await pageOf(request, read);
    } catch (error) {
      log('error', `defect in metrics, please report it: ${String(error)}`);
      return { status: 500, type: 'text/plain; charset=utf-8', body: 'this page could not be made; see the log\n' };
    }
  };

  /** The same failure again is no news. */
  const listening = (where: ServedAddress): Observable<void> => {
    let said: string | undefined;
    const failed = (error: unknown): Observable<unknown> => {
      const { message, remedy } = problemOf(error);
      if (message !== said)
        log('error', `no metrics: ${message}; ${remedy ?? ''} (tried again every ${LISTEN_RETRY_MS / 1000} s)`);
      said = message;
      return timer(LISTEN_RETRY_MS, scheduler);
    };
    const begun = (): void => {
      // Whoever read that it failed is to read that it does not any more.
      log(said === undefined ? 'info' : 'warn', `metrics are served on ${where.address}, port ${where.port}`);
      said = undefined;
    };
    return serve(where, page).pipe(tap(begun), retry({ delay: failed }));
  };

  running.add(
    events$.pipe(filter(({ event }) => event === 'transition')).subscribe(({ node, group, role }) => {
      const counts = transitions.get(keyOf(node, group)) ?? new Map<PublicRole, number>();
      transitions.set(keyOf(node, group), counts.set(role, (counts.get(role) ?? 0) + 1));
    }),
  );
  running.add(merge(events$, changes$).subscribe(forget));
  running.add(
    wanted$
      .pipe(
        distinctUntilChanged((a, b) => a?.address === b?.address && a?.port === b?.port),
        switchMap((where) => (where === undefined ? EMPTY : listening(where))),
      )
      .subscribe(),
  );

  return {
    run: (wishes) => {
      forget();
      const present = new Set(hosts().flatMap(({ groups }) => groups.map(({ node, group }) => keyOf(node, group))));
      for (const key of transitions.keys()) if (!present.has(key)) transitions.delete(key);
      const { first, refused } = chosen(wishes);
      for (const { message, remedy } of refused) log('error', `${message}; ${remedy ?? ''}`);
      wanted$.next(first);
    },
    leave: () => {
      stopping = true;
      forget();
    },
    close: () => running.unsubscribe(),
  };
};

const keyOf = (node: string, group: string): string => JSON.stringify([node, group]);

/** An agent has one address. Whoever comes first has it, so that what is served is not disturbed. */
const chosen = (
  wishes: readonly MetricsWish[],
): { readonly first: ServedAddress | undefined; readonly refused: readonly CarpError[] } => {
  const [first, ...others] = wishes.flatMap(({ from, metrics }) =>
    metrics === undefined ? [] : [{ from, ...metrics }],
  );
  const refused = others
    .filter(({ address, port }) => address !== first?.address || port !== first.port)
    .map(
      ({ from, address, port }) =>
        new CarpError(
          'CARP_CONFIG',
          `no metrics on ${address}, port ${port}, for ${from}: all hosts of an agent share one address, and ${first?.from} has named ${first?.address}, port ${first?.port}`,
          { remedy: 'give all of them the same `metrics`, or only one of them' },
        ),
    );
  return { first, refused };
};

const processFigures = (version: string): ProcessFigures => {
  const { user, system } = process.cpuUsage();
  const { active, idle } = performance.eventLoopUtilization();
  return {
    version,
    runtime: process.versions.node,
    startedAt: performance.timeOrigin / 1000,
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    loop: { activeSeconds: active / 1000, idleSeconds: idle / 1000 },
  };
};
