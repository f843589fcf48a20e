import type { MqttClient } from 'mqtt';
import { Observable } from 'rxjs';
import type { Outbox, Outgoing } from './outbox.ts';
import { type MqttFailure, mqttFailure } from './problem.ts';

/** Unacknowledged messages at a time: enough for a distant broker, few enough that a hung one costs nothing. */
const IN_FLIGHT_MAX = 16;

export interface PumpOptions {
  /** A connected client. */
  readonly client: MqttClient;
  readonly outbox: Outbox;
  /** Something was put into the outbox. */
  readonly news$: Observable<void>;
  /** The broker does not want a message (its access rules, usually). It is not offered again. */
  readonly refused: (failure: MqttFailure) => void;
}

/**
 * Moves messages from the outbox to the broker, in order. Cold; completes when the farewell was acknowledged. When the
 * connection ends first, whoever notices unsubscribes, and what was not acknowledged returns to the outbox.
 */
export const pump = ({ client, outbox, news$, refused }: PumpOptions): Observable<never> =>
  new Observable<never>((subscriber) => {
    const limit = Math.min(IN_FLIGHT_MAX, client.serverProperties?.receiveMaximum ?? IN_FLIGHT_MAX);
    const underway = new Set<Outgoing>();

    const pour = (): void => {
      while (client.connected && underway.size < limit) {
        const outgoing = outbox.next();
        if (outgoing === undefined) return;
        underway.add(outgoing);
        send(outgoing);
      }
    };

    const send = (outgoing: Outgoing): void => {
      const { topic, payload, retain } = outgoing.message;
      client.publish(topic, payload, { qos: 1, retain }, (error) => {
        if (subscriber.closed) return;
        if (error !== undefined && error !== null) {
          const failure = mqttFailure(error);
          // Without a reason code of the broker it is the connection that failed, and its end is reported elsewhere.
          if (typeof failure.code !== 'number') return;
          refused(failure);
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
