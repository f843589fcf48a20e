import {
  auditTime,
  debounceTime,
  defer,
  EMPTY,
  filter,
  interval,
  map,
  merge,
  type Observable,
  of,
  race,
  share,
  startWith,
  switchMap,
  take,
  tap,
  throwError,
  timer,
} from 'rxjs';
import type { MqttSettings } from '../adapters/mqtt/settings.ts';
import { BusView } from '../adapters/mqtt/view/bus-view.ts';
import type { BusNews } from '../adapters/mqtt/view/bus-view-feed.ts';
import { CarpError } from '../ports/error.ts';
import type { FleetGroup } from './fleet-group.ts';
import { fleetGroups } from './fleet-report.ts';

/** What is known of the fleet at one time. */
export interface FleetPicture {
  readonly broker: string;
  /** Why there is no connection, and when (wall clock, in ms) the next attempt begins. The groups are those seen last. */
  readonly lost?: { readonly text: string; readonly retryAt: number };
  /** What the broker does not let this user read. */
  readonly refused: readonly string[];
  readonly groups: readonly FleetGroup[];
}

export interface FollowOptions {
  /** What comes from the bus: `busFeed`. Subscribed to several times, so shared here. */
  readonly news$: Observable<BusNews>;
  readonly settings: MqttSettings;
  /** In ms. */
  readonly monotonic?: () => number;
  readonly wallClock?: () => number;
}

/** The broker has told all that it keeps when no more of it has come for so long. */
const QUIET_MS = 300;
const SETTLE_MS_MAX = 3000;
/** A broker that has not answered the subscriptions by now never will. */
const SUBACK_MS_MAX = 10_000;
const REFRESH_MS = 1000;
/** Changes that come together are one picture. */
const TOGETHER_MS = 100;
/** Where no configuration tells what expires. */
const SILENT_MS_MIN = 30_000;

/**
 * Follows all groups of a bus. Cold; emits when all that the broker keeps has been told, on each change after that, and
 * each second. Never completes. Fails with a CarpError if there is no connection to begin with; one that is lost later
 * is made again, as often as it takes.
 */
export const followFleet = ({
  news$: given$,
  settings,
  monotonic = () => performance.now(),
  wallClock = Date.now,
}: FollowOptions): Observable<FleetPicture> =>
  defer(() => {
    const brokers = new Set([settings.url].flat()).size;
    const silentMs = Math.max(SILENT_MS_MIN, settings.expiry * 1000, settings.refresh * 3000);
    /** What is shown; the view that a new connection is filling takes its place once it is complete. */
    let shown: BusView | undefined;
    let coming = new BusView(settings.base);
    let connection: Omit<FleetPicture, 'groups'> = { broker: '', refused: [] };
    let groups: readonly FleetGroup[] = [];
    let failures = 0;

    const picture = (view: BusView): FleetPicture => {
      // Without a connection nothing is known, neither that somebody has fallen silent.
      if (connection.lost === undefined) {
        const now = monotonic();
        view.expire(now);
        groups = fleetGroups(view, { now, wallNow: wallClock(), silentMs });
      }
      return { ...connection, groups };
    };

    const lose = ({ broker, failure: { text }, waitMs }: BusNews & { readonly type: 'lost' }): void => {
      failures += 1;
      if (shown === undefined && failures >= brokers) throw noConnection(broker, text);
      connection = { ...connection, broker, lost: { text, retryAt: wallClock() + waitMs } };
    };

    /** @returns whether there is something new to see */
    const hear = (news: BusNews): boolean => {
      switch (news.type) {
        case 'connected':
          connection = { ...connection, broker: news.broker };
          coming = new BusView(settings.base);
          return false;
        case 'message': {
          const change = coming.apply(news.message, monotonic());
          return change !== undefined && change.type !== 'refreshed' && coming === shown;
        }
        case 'subscribed':
          connection = { ...connection, refused: news.refused };
          return false;
        case 'lost':
          lose(news);
          return true;
        default:
          return news satisfies never;
      }
    };

    const settle = (): void => {
      shown = coming;
      connection = { broker: connection.broker, refused: connection.refused };
    };

    const news$ = given$.pipe(share());
    const heard$ = news$.pipe(map(hear), filter(Boolean));
    const settled$ = settlements(news$).pipe(tap(settle));
    return merge(settled$, heard$, interval(REFRESH_MS)).pipe(
      auditTime(TOGETHER_MS),
      switchMap(() => (shown === undefined ? EMPTY : of(picture(shown)))),
    );
  });

/** Emits after each connection, when the broker has told all that it keeps. */
const settlements = (news$: Observable<BusNews>): Observable<unknown> => {
  const subscribed$ = news$.pipe(
    filter(({ type }) => type === 'subscribed'),
    take(1),
  );
  const quiet$ = news$.pipe(
    filter((news) => news.type === 'message' && news.message.retain),
    startWith(undefined),
    debounceTime(QUIET_MS),
  );
  const answer$ = race(subscribed$, timer(SUBACK_MS_MAX).pipe(switchMap(() => throwError(noAnswer))));
  return news$.pipe(
    filter(({ type }) => type === 'connected' || type === 'lost'),
    switchMap(({ type }) =>
      type === 'lost' ? EMPTY : answer$.pipe(switchMap(() => race(quiet$, timer(SETTLE_MS_MAX)).pipe(take(1)))),
    ),
  );
};

const noConnection = (broker: string, text: string): CarpError =>
  new CarpError('CARP_FAILED', `no connection to ${broker}: ${text}`, {
    remedy: '`carp fleet --help` tells how to name the broker and how to log in',
  });

const noAnswer = (): CarpError =>
  new CarpError('CARP_FAILED', `the broker has not answered the subscription for ${SUBACK_MS_MAX / 1000} s`, {
    remedy: 'is it overloaded, or no MQTT broker at all? Its log may tell',
  });
