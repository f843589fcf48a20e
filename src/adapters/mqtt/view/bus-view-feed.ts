import type { IPublishPacket, MqttClient } from 'mqtt';
import {
  concat,
  defer,
  fromEventPattern,
  map,
  merge,
  type Observable,
  of,
  retry,
  Subject,
  switchMap,
  timer,
} from 'rxjs';
import { createBrokers } from '../connection/brokers.ts';
import { brokerName, mqttConnection } from '../connection/connection.ts';
import { type MqttFailure, mqttFailure } from '../connection/problem.ts';
import type { MqttSettings } from '../settings.ts';
import type { BusMessage } from './bus-view-types.ts';

/** What somebody who only listens to the bus learns. */
export type BusNews =
  /** What was heard before may have gone meanwhile: what is retained is told anew. */
  | { readonly type: 'connected'; readonly broker: string }
  | { readonly type: 'message'; readonly message: BusMessage }
  /** All filters were answered; `refused` are those that the broker does not allow. Retained messages may still follow. */
  | { readonly type: 'subscribed'; readonly refused: readonly string[] }
  /** There is no connection. Another attempt begins after `waitMs`. */
  | { readonly type: 'lost'; readonly broker: string; readonly failure: MqttFailure; readonly waitMs: number };

export interface BusFeedOptions {
  readonly settings: MqttSettings;
  readonly clientId: string;
  readonly filters: readonly string[];
}

/**
 * Listens to the bus, over connections of its own without a will. Cold; never ends and never fails: unsubscribe.
 *
 * The filters are subscribed to one after the other with QoS 0, because a broker answers each with all its retained
 * messages at once: Mosquitto drops without a word what goes beyond `max_queued_messages` (1000) of a subscription with
 * QoS 1 (measured: of 6000 arrive 1020). A message that is lost later is made up for by the next refresh.
 */
export const busFeed = (options: BusFeedOptions): Observable<BusNews> =>
  defer(() => {
    const { settings, clientId, filters } = options;
    const brokers = createBrokers(settings, Math.random);
    const lost = new Subject<BusNews>();
    let connectedAt: number | undefined;
    const afterFailure = (error: unknown): Observable<unknown> => {
      const failure = mqttFailure(error);
      const broker = brokerName(brokers.current.url);
      const lasted = connectedAt === undefined ? undefined : performance.now() - connectedAt;
      connectedAt = undefined;
      const { waitMs, otherVersion } = brokers.failed(failure, lasted);
      if (!otherVersion) lost.next({ type: 'lost', broker, failure, waitMs });
      return timer(waitMs);
    };
    const sessions$ = defer(() => mqttConnection({ settings, ...brokers.current, clientId })).pipe(
      switchMap((client) => {
        connectedAt = performance.now();
        return session(client, filters, brokerName(brokers.current.url));
      }),
      retry({ delay: afterFailure }),
    );
    return merge(lost, sessions$);
  });

const session = (client: MqttClient, filters: readonly string[], broker: string): Observable<BusNews> => {
  const messages$ = fromEventPattern<BusNews>(
    (handler) => {
      const listen = (topic: string, payload: Buffer, packet: IPublishPacket): void =>
        handler({ type: 'message', message: messageOf(topic, payload, packet) });
      client.on('message', listen);
      return listen;
    },
    (_handler, listen: () => void) => client.off('message', listen),
  );
  const subscribed$ = defer(() => subscribeAll(client, filters)).pipe(
    map((refused): BusNews => ({ type: 'subscribed', refused })),
  );
  return concat(of<BusNews>({ type: 'connected', broker }), merge(messages$, subscribed$));
};

/** @returns the filters that were refused */
const subscribeAll = async (client: MqttClient, filters: readonly string[]): Promise<readonly string[]> => {
  const refused: string[] = [];
  for (const filter of filters) if (!(await isGranted(client, filter))) refused.push(filter);
  return refused;
};

/** Never answered, if the connection ends: that is told elsewhere. */
const isGranted = (client: MqttClient, filter: string): Promise<boolean> =>
  new Promise((resolve) => {
    client.subscribe(filter, { qos: 0 }, (error, granted = []) => {
      if (!client.connected) return;
      resolve(error === null && granted.every(({ qos }) => qos < 0x80));
    });
  });

const messageOf = (topic: string, payload: Buffer, { retain, properties }: IPublishPacket): BusMessage => {
  const seconds = properties?.messageExpiryInterval;
  return { topic, payload, retain, ...(seconds === undefined ? {} : { expiresInMs: seconds * 1000 }) };
};
