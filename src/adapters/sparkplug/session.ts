import type { IPublishPacket, MqttClient } from 'mqtt';
import { interval, Observable } from 'rxjs';
import type { CarpEvent } from '../../engine/status.ts';
import { problemOf } from '../../ports/error.ts';
import type { MqttVersion } from '../mqtt/connection/connection.ts';
import { type BusHost, TICK_MS } from '../mqtt/part.ts';
import { createMaintenanceDesk, readOrder } from './commands.ts';
import { deathCertificate, EdgeNode, type EdgeNodeOptions, type SparkplugMessage } from './edge-node.ts';
import { createPrimaryHost } from './primary-host.ts';
import { deviceCommands, deviceTopic, edgeTopic, stateTopic } from './topics.ts';

export interface SessionOptions {
  /** A connected client, whose will is the death certificate with this number. */
  readonly client: MqttClient;
  readonly version: MqttVersion;
  readonly bdSeq: number;
  readonly edge: EdgeNodeOptions;
  readonly host: Pick<BusHost, 'operator' | 'modeOf'>;
  readonly events$: Observable<CarpEvent>;
  /** The host stops: the session dies. */
  readonly closing$: Observable<void>;
  readonly primaryHost?: string;
  /** Where the primary host may be, if it is not here. */
  readonly hasOtherBrokers: boolean;
  readonly say: (line: string, remedy?: string) => void;
  /** The birth was told. */
  readonly born: () => void;
}

/** A host application that asks for a rebirth is answered this often; 255 groups are 255 messages. */
const REBIRTH_MS = 1000;
/** How long this process may be busy with messages at a time. */
const SLICE_MS = 4;
/** How often is looked for what changes without an event. */
const COMPARE_MS = 1000;
/** How long a primary host may say nothing before it is looked for at another broker. */
const PRIMARY_MS = 5000;
/** What the broker has not taken from the socket: with more, nothing but the newest values is kept for it. */
const UNSENT_BYTES_MAX = 1024 * 1024;
/** MQTT 5, 3.14.2.1: Disconnect with Will Message. */
const WITH_WILL = 0x04;

/**
 * One connection, from its subscriptions to its death. Cold; never emits; ends with the connection, and ends the connection
 * when the host stops or when the primary host goes: by DISCONNECT, after which the broker publishes the death (MQTT 5),
 * or after the death (3.1.1).
 */
export const sparkplugSession = (options: SessionOptions): Observable<never> =>
  new Observable<never>(() => {
    const { client, version, bdSeq, edge, events$, closing$, primaryHost, say } = options;
    const { ids, host } = edge;
    const node = new EdgeNode(edge, bdSeq);
    const primary = createPrimaryHost();
    const begunAt = performance.now();
    const commandTopic = edgeTopic(ids, 'NCMD');
    const state = primaryHost === undefined ? undefined : stateTopic(primaryHost);

    let isSubscribed = false;
    let isDead = false;
    let bornAt: number | undefined;
    let rebirthAsked = false;
    let comparedAt = 0;

    const desk = createMaintenanceDesk(options.host, (group, error) => {
      const { message, remedy } = problemOf(error);
      say(`maintenance of ${group} was refused: ${message}`, remedy);
    });

    const send = (messages: readonly SparkplugMessage[]): void => {
      for (const { topic, payload } of messages) client.publish(topic, Buffer.from(payload), { qos: 0, retain: false });
    };
    const mayTell = (): boolean =>
      bornAt !== undefined && !isDead && client.connected && client.stream.writableLength < UNSENT_BYTES_MAX;

    /** A comparison that is under way. Each of its messages is sent as it is made. */
    let round: ReturnType<EdgeNode['compare']> | undefined;
    let next: NodeJS.Immediate | undefined;

    const proceed = (): void => {
      clearImmediate(next);
      const end = performance.now() + SLICE_MS;
      while (round !== undefined && mayTell() && performance.now() < end) {
        const { done, value } = round.next();
        if (done === true) round = undefined;
        else send([value]);
      }
      // What the broker does not take now goes on at the next tick.
      if (round !== undefined && mayTell()) next = setImmediate(proceed);
    };
    const compare = (): void => {
      round = node.compare();
      comparedAt = performance.now();
      proceed();
    };

    const bear = (): void => {
      const isFirst = bornAt === undefined;
      bornAt = performance.now();
      rebirthAsked = false;
      send([node.birth()]);
      compare();
      if (isFirst) options.born();
    };

    const die = (): void => {
      if (isDead) return;
      isDead = true;
      if (version === 5) client.end(false, { reasonCode: WITH_WILL });
      else
        client.publish(edgeTopic(ids, 'NDEATH'), Buffer.from(deathCertificate(edge, bdSeq)), { qos: 1 }, () =>
          client.end(),
        );
    };

    /** Whether there is somebody to be born for; if not, how it goes on. */
    const consider = (): void => {
      if (!isSubscribed || isDead || !client.connected) return;
      const isOnline = primaryHost === undefined ? true : primary.isOnline();
      if (isOnline === true) {
        if (bornAt === undefined) bear();
        return;
      }
      if (bornAt !== undefined) {
        if (isOnline === false) {
          say(`the primary host ${primaryHost} is offline`);
          die();
        }
        return;
      }
      say(
        `the primary host ${primaryHost} is not online; nothing is published before`,
        'start it, or remove primaryHost',
      );
      const isLate = isOnline === false || performance.now() - begunAt > PRIMARY_MS;
      if (isLate && options.hasOtherBrokers) die();
    };

    const obey = (topic: string, payload: Uint8Array): void => {
      const order = readOrder(edge.codec, payload);
      if (topic === commandTopic) {
        if (order.type === 'rebirth') rebirthAsked = true;
        return;
      }
      const group = host.groups().find((one) => deviceTopic(ids, 'DCMD', one.group) === topic)?.group;
      if (group === undefined || order.type !== 'maintenance') return;
      if (edge.mayOrder) desk.wish(group, order.on);
      else say('a command was refused: the mode of a group may not be ordered', 'add mode to mqtt.commands');
    };

    const hear = (topic: string, payload: Buffer, { retain }: IPublishPacket): void => {
      if (topic === state) {
        primary.hear(payload);
        consider();
      } else if (!retain) {
        obey(topic, payload);
        work();
      }
    };

    const work = (): void => {
      const now = performance.now();
      desk.work(now);
      consider();
      if (!mayTell()) return;
      if (rebirthAsked && bornAt !== undefined && now - bornAt >= REBIRTH_MS) bear();
    };

    const tick = (): void => {
      work();
      if (!mayTell()) return;
      if (round !== undefined) proceed();
      else if (performance.now() - comparedAt >= COMPARE_MS) compare();
    };

    const subscribe = (): void => {
      const filters = [commandTopic, deviceCommands(ids), ...(state === undefined ? [] : [state])];
      client.subscribe(filters, { qos: 1 }, (_error, granted = []) => {
        if (isDead || !client.connected) return;
        const denied = granted.filter(({ qos }) => qos >= 0x80).map(({ topic }) => topic);
        if (denied.length > 0)
          say(`the broker does not let this host hear ${denied.join(', ')}`, 'check its access rules');
        isSubscribed = true;
        consider();
      });
    };

    client.on('message', hear);
    const following = events$.subscribe((event) => {
      if (mayTell()) send(node.tell(event));
    });
    following.add(interval(TICK_MS).subscribe(tick));
    following.add(closing$.subscribe(die));
    subscribe();
    return () => {
      following.unsubscribe();
      clearImmediate(next);
      client.off('message', hear);
    };
  });
