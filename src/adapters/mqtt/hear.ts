import type { IClientSubscribeOptions, IPublishPacket, MqttClient } from 'mqtt';
import { Observable } from 'rxjs';
import type { MqttVersion } from './connection.ts';
import { matches } from './filters.ts';
import type { Incoming, Part } from './part.ts';

export interface HearOptions {
  /** A connected client. */
  readonly client: MqttClient;
  readonly version: MqttVersion;
  readonly parts: readonly Part[];
  readonly hand: (part: Part, message: Incoming) => void;
  /** The broker does not let this host hear what these filters match (its access rules, usually). */
  readonly refused: (filters: readonly string[]) => void;
}

/** Subscribes for all parts. Cold; emits once when the broker has answered, and hands on what comes until unsubscribed. */
export const hear = ({ client, version, parts, hand, refused }: HearOptions): Observable<void> =>
  new Observable<void>((subscriber) => {
    const listen = (topic: string, payload: Buffer, packet: IPublishPacket): void => {
      const message = incoming(topic, payload, packet);
      for (const part of parts)
        if (part.heard !== undefined && part.filters.some((filter) => matches(filter, topic))) hand(part, message);
    };
    client.on('message', listen);
    const wanted = wantedBy(parts, version);
    if (Object.keys(wanted).length === 0) subscriber.next();
    else
      client.subscribe(wanted, (_error, granted = []) => {
        if (subscriber.closed || !client.connected) return;
        const denied = granted.filter(({ qos }) => qos >= 0x80).map(({ topic }) => topic);
        if (denied.length > 0) refused(denied);
        subscriber.next();
      });
    return () => client.off('message', listen);
  });

type Wanted = Record<string, Pick<IClientSubscribeOptions, 'qos' | 'nl' | 'rap'> & { readonly qos: 1 }>;

const wantedBy = (parts: readonly Part[], version: MqttVersion): Wanted => {
  const wanted: Wanted = {};
  for (const { filters, noLocal, asPublished } of parts)
    for (const filter of filters) {
      const isLocal = noLocal !== true || (wanted[filter] !== undefined && wanted[filter].nl !== true);
      const options = { ...(isLocal ? {} : { nl: true }), ...(asPublished === true ? { rap: true } : {}) };
      wanted[filter] = version === 5 ? { qos: 1, ...options } : { qos: 1 };
    }
  return wanted;
};

const incoming = (topic: string, payload: Buffer, { retain, properties = {} }: IPublishPacket): Incoming => {
  const { responseTopic, correlationData, contentType } = properties;
  return {
    topic,
    payload,
    retain,
    properties: {
      ...(responseTopic === undefined ? {} : { responseTopic }),
      ...(correlationData === undefined ? {} : { correlationData }),
      ...(contentType === undefined ? {} : { contentType }),
    },
  };
};
