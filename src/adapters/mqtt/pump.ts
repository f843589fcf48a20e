import type { IClientPublishOptions, MqttClient } from 'mqtt';
import { Observable } from 'rxjs';
import type { MqttVersion } from './connection/connection.ts';
import { type MqttFailure, mqttFailure } from './connection/problem.ts';
import type { Outbox, Outgoing } from './outbox.ts';

/** Unacknowledged messages at a time: enough for a distant broker, few enough that a hung one costs nothing. */
const IN_FLIGHT_MAX = 64;

/** Head and properties of a PUBLISH: more than any of ours has besides topic, payload and correlation data. */
const PACKET_OVERHEAD = 128;

/** CONNACK, MQTT 5, 3.2.2.3. */
interface ServerProperties {
  readonly receiveMaximum?: number;
  readonly maximumPacketSize?: number;
}

export interface PumpOptions {
  /** A connected client. */
  readonly client: MqttClient;
  readonly version: MqttVersion;
  readonly outbox: Outbox;
  /** Something was put into the outbox. */
  readonly news$: Observable<void>;
  /** The broker does not want a message (its access rules, usually). It is not offered again. */
  readonly refused: (failure: MqttFailure, topic: string) => void;
}

/**
 * Moves messages from the outbox to the broker, in order. Cold; completes when the farewell was acknowledged. When the
 * connection ends first, whoever notices unsubscribes, and what was not acknowledged returns to the outbox.
 */
export const pump = ({ client, version, outbox, news$, refused }: PumpOptions): Observable<never> =>
  new Observable<never>((subscriber) => {
    const { receiveMaximum = IN_FLIGHT_MAX, maximumPacketSize = Number.POSITIVE_INFINITY } =
      (client as { readonly serverProperties?: ServerProperties }).serverProperties ?? {};
    const limit = Math.min(IN_FLIGHT_MAX, receiveMaximum);
    const largest = maximumPacketSize;
    const underway = new Set<Outgoing>();

    const pour = (): void => {
      while (client.connected && underway.size < limit) {
        const outgoing = outbox.next();
        if (outgoing === undefined) return;
        send(outgoing);
      }
    };

    const send = (outgoing: Outgoing): void => {
      const { topic, payload, retain, qos } = outgoing;
      const properties = propertiesOf(outgoing);
      if (sizeOf(outgoing) > largest) {
        refused({ code: 'too-large', text: `${payload.length} characters are more than it takes` }, topic);
        return;
      }
      underway.add(outgoing);
      client.publish(topic, payload, { qos, retain, ...(version === 5 ? { properties } : {}) }, (error) => {
        if (subscriber.closed) return;
        if (error !== undefined && error !== null) {
          const failure = mqttFailure(error);
          // Without a reason code of the broker it is the connection that failed, and its end is reported elsewhere.
          if (typeof failure.code !== 'number') return;
          refused(failure, topic);
        }
        underway.delete(outgoing);
        if (outgoing.last === true) subscriber.complete();
        else pour();
      });
    };

    const news = news$.subscribe(pour);
    pour();
    return () => {
      news.unsubscribe();
      outbox.putBack([...underway]);
    };
  });

/** In bytes, rather too many: a broker ends the connection of who sends it more than it takes. */
const sizeOf = ({ topic, payload, properties }: Outgoing): number =>
  PACKET_OVERHEAD + Buffer.byteLength(topic) + Buffer.byteLength(payload) + (properties?.correlationData?.length ?? 0);

const propertiesOf = ({
  expirySeconds,
  properties = {},
}: Outgoing): NonNullable<IClientPublishOptions['properties']> => {
  const { responseTopic, correlationData, contentType } = properties;
  return {
    ...(expirySeconds === undefined ? {} : { messageExpiryInterval: expirySeconds }),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlationData === undefined ? {} : { correlationData: Buffer.from(correlationData) }),
    ...(contentType === undefined ? {} : { contentType }),
  };
};
