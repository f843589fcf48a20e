/**
 * Changes of links and addresses, from one `ip monitor`.
 *
 * What it prints is only used to tell whether there is news: then the whole network is read, and all subscribers are told
 * to look again. To apply its lines one by one would mix times: they may be older than what has just been read, and an
 * interface that was made anew would seem to vanish once more. What is no news is above all the echo of renewals.
 */
import {
  BehaviorSubject,
  defer,
  distinctUntilChanged,
  filter,
  finalize,
  map,
  merge,
  NEVER,
  Observable,
  repeat,
  retry,
  type SchedulerLike,
  share,
  switchMap,
  throttleTime,
  timer,
} from 'rxjs';
import { problemOf } from '../../ports/error.ts';
import type { Log } from '../../ports/log.ts';
import { glances } from './iproute-glance.ts';
import { monitor } from './iproute-monitor.ts';
import { messageIn } from './iproute-output.ts';
import type { KernelEvent } from './kernel.ts';
import { afterMessage, EMPTY_NETWORK, type Network } from './network.ts';

export interface IprouteEventsOptions {
  readonly ip: string;
  readonly setpriv: string | undefined;
  /** Bytes of kernel memory for changes that have not been read yet. */
  readonly receiveBuffer: number;
  /** Reads the network, and shows it to whoever asks while `tell` runs. @throws CarpError */
  readonly look: (tell: (network: Network) => void) => void;
  readonly log: Log;
  readonly scheduler: SchedulerLike;
}

/** To read costs some milliseconds, for which the event loop stands still: of a flood of changes, the first and the last. */
const LOOK_GAP_MS = 25;
const LOOK_AGAIN_MS = 1000;
const RESTART_MS = { shortest: 100, longest: 10_000 } as const;
/** Runs of the monitor that end before they listen, until that is told. */
const FAILURES_TOLD = 2;

/** Whether the monitor listens now, and its news: of what `known` says is known already, there is none. */
const news = ({ ip, setpriv, receiveBuffer, log, scheduler }: IprouteEventsOptions, known: () => Network) =>
  defer(() => {
    const listening$ = new BehaviorSubject(false);
    /** Runs that ended before they listened, one after the other. */
    let failures = 0;
    const isNews = (line: string): boolean => {
      const message = messageIn(line);
      return message === undefined || afterMessage(known(), message) !== known();
    };
    const run$ = defer(() => {
      let listens = false;
      // A setpriv that is too old for us must not stand in the way.
      return monitor({ ip, setpriv: failures % 2 === 0 ? setpriv : undefined, receiveBuffer }).pipe(
        filter((signal) => {
          if (signal.type === 'listening') {
            listens = true;
            failures = 0;
            listening$.next(true);
          }
          return signal.type !== 'line' || isNews(signal.line);
        }),
        finalize(() => {
          if (!listens) failures += 1;
          listening$.next(false);
        }),
      );
    });
    const restarted$ = run$.pipe(
      repeat({
        delay: () => {
          if (failures === FAILURES_TOLD)
            log('warn', `${ip} monitor does not run; the network is looked at a few times a second instead`);
          return timer(Math.min(RESTART_MS.shortest * 2 ** failures, RESTART_MS.longest), scheduler);
        },
      }),
    );
    const otherwise$ = listening$.pipe(
      distinctUntilChanged(),
      switchMap((listens) => (listens ? NEVER : glances(scheduler))),
    );
    return merge(restarted$, otherwise$).pipe(map(() => undefined));
  });

/** Shared: one monitor, which runs as long as there are subscribers. Never completes, never fails. */
export const iprouteEvents = (options: IprouteEventsOptions): Observable<KernelEvent> =>
  new Observable<KernelEvent>((subscriber) => {
    const { look, log, scheduler } = options;
    let known = EMPTY_NETWORK;
    let fails = false;
    const tellNews = (): void =>
      look((network) => {
        known = network;
        fails = false;
        subscriber.next({ type: 'overrun' });
      });
    const looks$ = news(options, () => known).pipe(
      throttleTime(LOOK_GAP_MS, scheduler, { leading: true, trailing: true }),
      map(tellNews),
      retry({
        delay: (error: unknown) => {
          const { message, remedy } = problemOf(error);
          if (!fails) log('warn', message, { remedy });
          fails = true;
          return timer(LOOK_AGAIN_MS, scheduler);
        },
      }),
    );
    return looks$.subscribe();
  }).pipe(share());
