import type { IClientSubscribeOptions, IPublishPacket, MqttClient } from 'mqtt';
import { from, interval, map, Observable, race, timer } from 'rxjs';
import type { MqttVersion } from './connection/connection.ts';
import { matchesLevels } from './filters.ts';
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

/** How soon a part hears what it began to want within a connection: a group was added, or removed. */
const FOLLOW_MS = 1000;

/** A broker that does not answer for so long gives no answer. Nobody is to be silent because he hears nothing. */
const ANSWER_MS = 5000;

/**
 * Everything is heard with QoS 1, also what comes again anyway: a message that is not acknowledged is answered by TCP alone,
 * 40 ms later, and a broker with Nagle's algorithm (Mosquitto as it comes) holds its own acknowledgements back until then.
 * 255 groups at once took 1.4 s instead of 0.4 s.
 */
const QOS = 1;

/** Filters in one SUBSCRIBE: some brokers of clouds take no more. */
const BATCH = 8;

/**
 * Subscribes for all parts. Cold; emits once when the broker has answered, or will not, and tells what it has refused
 * then; hands on what comes until unsubscribed, and subscribes to what a part wants to hear besides, and from what it no
 * longer does.
 */
export const hear = ({ client, version, parts, hand, refused }: HearOptions): Observable<void> =>
  new Observable<void>((subscriber) => {
    const listen = (topic: string, payload: Buffer, packet: IPublishPacket): void => {
      const message = incoming(topic, payload, packet);
      const levels = topic.split('/');
      for (const part of parts)
        if (part.heard !== undefined && part.filters.some((filter) => matchesLevels(filter, levels)))
          hand(part, message);
    };
    client.on('message', listen);

    let heard: ReadonlySet<string> = new Set();
    const follow = async (): Promise<readonly string[]> => {
      const wanted = wantedBy(parts, version);
      const filters = Object.keys(wanted);
      const more = filters.filter((filter) => !heard.has(filter));
      const less = [...heard].filter((filter) => wanted[filter] === undefined);
      heard = new Set(filters);
      if (less.length > 0) client.unsubscribe(less);
      const denied = await Promise.all(batchesOf(more).map((batch) => subscribing(client, wanted, batch)));
      return denied.flat();
    };
    const tell = (denied: readonly string[]): void => {
      if (!subscriber.closed && denied.length > 0) refused(denied);
    };
    const begun = race(from(follow()), timer(ANSWER_MS).pipe(map(() => [...heard]))).subscribe((denied) => {
      subscriber.next();
      tell(denied);
    });
    const later = interval(FOLLOW_MS).subscribe(() => void follow().then(tell));
    return () => {
      begun.unsubscribe();
      later.unsubscribe();
      client.off('message', listen);
    };
  });

const batchesOf = (filters: readonly string[]): readonly (readonly string[])[] =>
  Array.from({ length: Math.ceil(filters.length / BATCH) }, (_, i) => filters.slice(i * BATCH, (i + 1) * BATCH));

/** Resolves, when the broker has answered, with the filters that it refuses. A connection that ends meanwhile never does. */
const subscribing = (client: MqttClient, wanted: Wanted, filters: readonly string[]): Promise<readonly string[]> =>
  new Promise((resolve) => {
    const map = Object.fromEntries(filters.flatMap((filter) => (wanted[filter] ? [[filter, wanted[filter]]] : [])));
    client.subscribe(map, (_error, _asked, packet) => {
      if (!client.connected) return;
      const codes = packet?.granted ?? [];
      resolve(filters.filter((_, i) => Number(codes[i] ?? 0) >= 0x80));
    });
  });

type Wanted = Record<string, Pick<IClientSubscribeOptions, 'qos' | 'nl' | 'rap'> & { readonly qos: 1 }>;

const wantedBy = (parts: readonly Part[], version: MqttVersion): Wanted => {
  const wanted: Wanted = {};
  for (const { filters, noLocal, asPublished } of parts)
    for (const filter of filters) {
      const other = wanted[filter];
      const isLocal = noLocal !== true || (other !== undefined && other.nl !== true);
      const options = { ...(isLocal ? {} : { nl: true }), ...(asPublished === true ? { rap: true } : {}) };
      wanted[filter] = { qos: QOS, ...(version === 5 ? options : {}) };
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
