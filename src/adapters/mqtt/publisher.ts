import type { MqttClient } from 'mqtt';
import {
  concat,
  defer,
  EMPTY,
  firstValueFrom,
  fromEvent,
  ignoreElements,
  interval,
  merge,
  type Observable,
  race,
  retry,
  Subject,
  switchMap,
  takeUntil,
  tap,
  timer,
} from 'rxjs';
import type { CarpEvent } from '../../engine/status.ts';
import type { Log } from '../../ports/log.ts';
import { brokerName, type MqttVersion, mqttClientId, mqttConnection } from './connection.ts';
import { Outbox } from './outbox.ts';
import { isVersionRefused, type MqttFailure, mqttFailure } from './problem.ts';
import { pump } from './pump.ts';
import type { MqttSettings } from './settings.ts';
import { statusMessage } from './topics.ts';

export interface MqttPublisherOptions {
  readonly settings: MqttSettings;
  readonly node: string;
  /** Eight hexadecimal digits: the same after a restart, others on another machine. */
  readonly machineId: string;
  readonly events$: Observable<CarpEvent>;
  readonly snapshots: () => readonly CarpEvent[];
  readonly log: Log;
}

export interface MqttPublisher {
  /** Tells what is still to be told, then `offline`, and ends; within 1 s, whatever the broker does. Never rejects. */
  readonly close: () => Promise<void>;
  /** Cuts the connection as a power failure does: the broker publishes the will. For simulated hosts. */
  readonly kill: () => void;
}

const CLOSE_MS = 900;
const RETRY_MS = { first: 1000, longest: 30_000 } as const;
/** How often states are compared with what was published; a BACKUP that sees another MASTER changes no role. */
const REFRESH_MS = 5000;

/**
 * Publishes the roles, states and transitions of one host (see `topics.ts`) over a connection of its own, so that the
 * broker's will for it means this agent and nothing else.
 *
 * Runs from the call until `close` or `kill`. Nothing the broker does reaches the caller: a broker that is away,
 * refuses or hangs costs one log line when the reason changes, and bounded memory.
 */
export const createMqttPublisher = (options: MqttPublisherOptions): MqttPublisher => {
  const { settings, node, machineId, events$, snapshots, log } = options;
  const scope = { base: settings.base, node };
  const [url = ''] = [settings.url].flat();
  const broker = brokerName(url);
  const clientId = mqttClientId(node, machineId);
  const outbox = new Outbox(scope);
  const news$ = new Subject<void>();

  let version: MqttVersion = 5;
  let failures = 0;
  let said: string | undefined;
  /** On the monotonic clock, in ms. */
  let connectedAt: number | undefined;
  let connected = false;
  let wasConnected = false;

  const session = (client: MqttClient): Observable<never> => {
    connected = true;
    connectedAt = performance.now();
    // Whoever read that something is wrong reads as well that it is over.
    const level = said === undefined ? 'info' : 'warn';
    log(level, `mqtt: connected ${wasConnected ? 'again ' : ''}to ${broker}`, {
      broker,
      protocol: version === 5 ? '5' : '3.1.1',
      clientId,
    });
    said = undefined;
    wasConnected = true;
    outbox.begin(snapshots());
    sayDropped();
    const refused = ({ text }: MqttFailure): void => say(`${broker} refuses what is published: ${text}`);
    return merge(
      concat(
        pump({ client, outbox, news$, refused }),
        defer(() => disconnect(client)),
      ),
      refreshes$,
    ).pipe(takeUntil(fromEvent(client, 'close')));
  };

  const refreshes$ = interval(REFRESH_MS).pipe(
    tap(() => {
      outbox.refresh(snapshots());
      forgetRemoved();
      news$.next();
    }),
    ignoreElements(),
  );

  /** How long to wait before the next attempt. A broker that refuses MQTT 5 is asked in 3.1.1 at once. */
  const afterFailure = (error: unknown): Observable<unknown> => {
    const failure = isMqttFailure(error) ? error : mqttFailure(error);
    connected = false;
    if (version === 5 && isVersionRefused(failure)) {
      version = 4;
      return timer(0);
    }
    say(`${connectedAt === undefined ? 'no connection to' : 'lost the connection to'} ${broker}: ${failure.text}`);
    // Only a connection that lasted proves that the reason is gone; two agents with one client id would otherwise
    // throw each other out once a second, for ever.
    if (connectedAt !== undefined && performance.now() - connectedAt > RETRY_MS.longest) failures = 0;
    connectedAt = undefined;
    failures += 1;
    return timer(Math.min(RETRY_MS.first * 2 ** (failures - 1), RETRY_MS.longest));
  };

  const forgetRemoved = (): void => outbox.forgetOthers(snapshots().map(({ group }) => group));

  const say = (line: string): void => {
    if (line === said) return;
    said = line;
    log('warn', `mqtt: ${line}`, { broker });
  };

  const sayDropped = (): void => {
    const dropped = outbox.takeDropped();
    if (dropped > 0)
      log('warn', `mqtt: ${dropped} transitions were dropped while ${broker} was away or slow`, { dropped });
  };

  const ended = new Subject<void>();
  const sessions = defer(() =>
    mqttConnection({ settings, url, clientId, version, will: statusMessage(scope, 'offline') }),
  )
    .pipe(switchMap(session), retry({ delay: afterFailure }))
    .subscribe({ complete: () => ended.next() });
  const events = events$.subscribe((event) => {
    outbox.add(event);
    news$.next();
  });

  const kill = (): void => {
    connected = false;
    events.unsubscribe();
    sessions.unsubscribe();
  };

  const leave = async (): Promise<void> => {
    events.unsubscribe();
    if (connected) {
      const left = firstValueFrom(race(ended, timer(CLOSE_MS)));
      forgetRemoved();
      outbox.end();
      news$.next();
      await left;
    }
    sayDropped();
    kill();
  };

  let closing: Promise<void> | undefined;
  return {
    close: () => {
      closing ??= leave();
      return closing;
    },
    kill,
  };
};

/** DISCONNECT, then the end of the stream: the broker forgets the will. */
const disconnect = (client: MqttClient): Observable<never> => {
  client.end();
  return EMPTY;
};

const isMqttFailure = (error: unknown): error is MqttFailure =>
  typeof error === 'object' && error !== null && 'text' in error && 'code' in error;
