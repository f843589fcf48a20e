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
import { BusView } from '../adapters/mqtt/bus-view.ts';
import { type BusNews, busFeed } from '../adapters/mqtt/bus-view-feed.ts';
import { busFilters } from '../adapters/mqtt/bus-view-filters.ts';
import type { MqttSettings } from '../adapters/mqtt/settings.ts';
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
  readonly settings: MqttSettings;
  readonly clientId: string;
  /** Only these groups; empty: all. */
  readonly names: readonly string[];
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
export const followFleet = ({ settings, clientId, names }: FollowOptions): Observable<FleetPicture> =>
  defer(() => {
    const brokers = new Set([settings.url].flat()).size;
    const filters = busFilters(settings.base, names);
    const silentMs = Math.max(SILENT_MS_MIN, settings.expiry * 1000, settings.refresh * 3000);
    let shown: BusView | undefined;
    let coming = new BusView(settings.base);
    let state: Pick<FleetPicture, 'broker' | 'lost' | 'refused'> = { broker: '', refused: [] };
    let failures = 0;

    const picture = (view: BusView): FleetPicture => {
      const now = performance.now();
      view.expire(now);
      return { ...state, groups: fleetGroups(view, { now, wallNow: Date.now(), silentMs }) };
    };

    /** @returns whether there is something new to see */
    const hear = (news: BusNews): boolean => {
      switch (news.type) {
        case 'connected':
          state = { ...state, broker: news.broker };
          coming = new BusView(settings.base);
          return false;
        case 'message': {
          const change = coming.apply(news.message, performance.now());
          return change !== undefined && change.type !== 'refreshed' && coming === shown;
        }
        case 'subscribed':
          state = { ...state, refused: news.refused };
          return false;
        case 'lost':
          failures += 1;
          state = {
            ...state,
            lost: { text: news.failure.text, retryAt: Date.now() + news.waitMs },
            broker: news.broker,
          };
          if (shown === undefined && failures >= brokers) throw noConnection(news.broker, news.failure.text);
          return true;
        default:
          return news satisfies never;
      }
    };

    const settle = (): void => {
      shown = coming;
      const { lost: _, ...rest } = state;
      state = rest;
    };

    const news$ = busFeed({ settings, clientId, filters }).pipe(share());
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
