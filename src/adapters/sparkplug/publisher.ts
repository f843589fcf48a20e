import type { MqttClient } from 'mqtt';
import {
  defer,
  EMPTY,
  firstValueFrom,
  fromEvent,
  type Observable,
  race,
  repeat,
  retry,
  Subject,
  switchMap,
  takeUntil,
  timer,
} from 'rxjs';
import type { CarpEvent } from '../../engine/status.ts';
import { problemOf } from '../../ports/error.ts';
import type { Log } from '../../ports/log.ts';
import { createBrokers } from '../mqtt/connection/brokers.ts';
import { brokerName, type MqttVersion, mqttClientId, mqttConnection } from '../mqtt/connection/connection.ts';
import { isUnreachable, type MqttFailure, mqttFailure } from '../mqtt/connection/problem.ts';
import type { BusHost } from '../mqtt/part.ts';
import { commandsOf, type MqttSettings, type SparkplugSettings } from '../mqtt/settings.ts';
import { createBirthNumbers } from './birth-number.ts';
import { deathCertificate, type EdgeNodeOptions } from './edge-node.ts';
import { loadPayloadCodec, type PayloadCodec } from './payload.ts';
import { sparkplugSession } from './session.ts';
import { edgeTopic } from './topics.ts';

export interface SparkplugPublisherOptions {
  readonly settings: MqttSettings & { readonly sparkplug: SparkplugSettings };
  readonly host: BusHost;
  /** Eight hexadecimal digits: the same after a restart, others on another machine. */
  readonly machineId: string;
  readonly events$: Observable<CarpEvent>;
  readonly log: Log;
  /** A folder in which the number of the last birth is kept. */
  readonly state?: string;
  /** Default: that of the module sparkplug-payload. */
  readonly loadCodec?: () => PayloadCodec;
}

export interface SparkplugPublisher {
  /** Dies in an orderly way: within 1 s, whatever the broker does. Never rejects. */
  readonly close: () => Promise<void>;
  /** Cuts the connection as a power failure does: the broker publishes the death. For simulated hosts. */
  readonly kill: () => void;
}

const CLOSE_MS = 900;

/**
 * This host as an edge node of Sparkplug B 3.0, and its groups as devices, over a connection of its own: the will of a
 * connection is one, and here it is the death certificate.
 *
 * Runs from the call until `close` or `kill`. Never throws: without the module sparkplug-payload it says so, and does
 * nothing. The broker costs the caller no more than that of `createMqttPublisher` does.
 */
export const createSparkplugPublisher = (options: SparkplugPublisherOptions): SparkplugPublisher => {
  const { host, log, loadCodec = loadPayloadCodec } = options;
  try {
    return publisherWith(loadCodec(), options);
  } catch (error) {
    const { message, remedy } = problemOf(error);
    log('error', `sparkplug of ${host.node} is off: ${message}`, { node: host.node, remedy });
    return { close: () => Promise.resolve(), kill: () => undefined };
  }
};

const publisherWith = (codec: PayloadCodec, options: SparkplugPublisherOptions): SparkplugPublisher => {
  const { settings, host, machineId, events$, log, state } = options;
  const { group, edgeNode = host.node, primaryHost } = settings.sparkplug;
  const edge: EdgeNodeOptions = {
    ids: { group, edgeNode },
    host,
    codec,
    mayOrder: commandsOf(settings).includes('mode'),
    wallClock: () => Date.now(),
  };
  const clientId = `${settings.clientId ?? mqttClientId(host.node, machineId)}-sparkplug`;
  const numbers = createBirthNumbers(edge.ids, state, log);
  const brokers = createBrokers(settings, Math.random);
  const closing$ = new Subject<void>();
  const ended$ = new Subject<void>();

  let connectedAt: number | undefined;
  let said: string | undefined;
  let isClosing = false;

  const fields = (more: object = {}): Record<string, unknown> => ({
    node: host.node,
    broker: brokerName(brokers.current.url),
    ...more,
  });
  const say = (line: string, remedy?: string): void => {
    if (line === said) return;
    said = line;
    log('warn', `sparkplug of ${host.node}: ${line}`, fields(remedy === undefined ? {} : { remedy }));
  };

  const session = (client: MqttClient, version: MqttVersion, bdSeq: number): Observable<never> => {
    connectedAt = performance.now();
    const born = (): void => {
      log(
        said === undefined ? 'info' : 'warn',
        `sparkplug of ${host.node}: ${group}/${edgeNode} is born`,
        fields({ bdSeq }),
      );
      said = undefined;
    };
    return sparkplugSession({
      ...{ client, version, bdSeq, edge, host, events$, closing$, say, born },
      ...(primaryHost === undefined ? {} : { primaryHost }),
      hasOtherBrokers: [settings.url].flat().length > 1,
    }).pipe(takeUntil(fromEvent(client, 'close')));
  };

  const connect = async (): Promise<Observable<never>> => {
    const bdSeq = await numbers.next();
    const { url, version } = brokers.current;
    const will = { topic: edgeTopic(edge.ids, 'NDEATH'), payload: deathCertificate(edge, bdSeq), retain: false };
    return mqttConnection({ settings, url, version, clientId, will }).pipe(
      switchMap((client) => session(client, version, bdSeq)),
    );
  };

  const afterFailure = (error: unknown): Observable<unknown> => {
    const failure = mqttFailure(error);
    const name = brokerName(brokers.current.url);
    const lasted = connectedAt === undefined ? undefined : performance.now() - connectedAt;
    connectedAt = undefined;
    if (lasted === undefined && isUnreachable(failure)) numbers.unused();
    const { waitMs, otherVersion } = brokers.failed(failure, lasted);
    if (!otherVersion)
      say(`${lasted === undefined ? 'no connection to' : 'lost the connection to'} ${name}: ${failure.text}`);
    return timer(waitMs);
  };

  /** The session has ended in an orderly way: the primary host is not there, and another broker may know better. */
  const afterEnd = (): Observable<unknown> => {
    connectedAt = undefined;
    return isClosing ? EMPTY : timer(brokers.failed(PRIMARY_HOST_AWAY, 0).waitMs);
  };

  const sessions = defer(connect)
    .pipe(
      switchMap((connection$) => connection$),
      retry({ delay: afterFailure }),
      repeat({ delay: afterEnd }),
    )
    .subscribe({ complete: () => ended$.next() });

  const kill = (): void => {
    isClosing = true;
    sessions.unsubscribe();
  };

  const leave = async (): Promise<void> => {
    isClosing = true;
    if (connectedAt !== undefined) {
      const left = firstValueFrom(race(ended$, timer(CLOSE_MS)));
      closing$.next();
      await left;
    }
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

const PRIMARY_HOST_AWAY: MqttFailure = { code: 'PRIMARY_HOST', text: 'the primary host is not there' };
