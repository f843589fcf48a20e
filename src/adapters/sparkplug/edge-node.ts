import type { CarpEvent } from '../../engine/status.ts';
import type { BusHost } from '../mqtt/part.ts';
import { bdSeqMetric, deviceMetrics, nodeMetrics } from './metrics.ts';
import type { Metric, PayloadCodec } from './payload.ts';
import { type DeviceMessage, deviceTopic, type EdgeIds, edgeTopic } from './topics.ts';

/** All are QoS 0 and not retained (specification, 6.4.17 and following); the will is made elsewhere. */
export interface SparkplugMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
}

export interface EdgeNodeOptions {
  readonly ids: EdgeIds;
  readonly host: Pick<BusHost, 'version' | 'groups' | 'snapshots' | 'modeOf'>;
  readonly codec: PayloadCodec;
  /** Whether the mode of a group may be ordered, and is therefore a metric. */
  readonly mayOrder: boolean;
  /** Ms since 1970, UTC. */
  readonly wallClock: () => number;
}

const SEQ_END = 256;

/** The will, and what is said in its place where the broker does not publish it. It has no `seq`. */
export const deathCertificate = ({ codec, wallClock }: EdgeNodeOptions, bdSeq: number): Uint8Array => {
  const at = wallClock();
  return codec.encodePayload({ timestamp: at, metrics: [bdSeqMetric(bdSeq, at)] });
};

/**
 * One session of an edge node, from its birth: what is to be said, in order. Each group is a device; only what has changed
 * is reported (specification, 5.9 "report by exception"). Nothing is sent here, but what is taken from here has to be
 * sent, in this order: it is counted.
 */
export class EdgeNode {
  readonly #options: EdgeNodeOptions;
  readonly #bdSeq: number;
  /** What each device has reported, by metric. */
  readonly #reported = new Map<string, ReadonlyMap<string, Metric['value']>>();
  /** Groups that had an event since a comparison began: what it knows of them is older. */
  readonly #newer = new Set<string>();
  #seq = 0;

  /** @param bdSeq - that of the will of this connection */
  constructor(options: EdgeNodeOptions, bdSeq: number) {
    this.#options = options;
    this.#bdSeq = bdSeq;
  }

  /** At the beginning, and whenever a host application asks for it. The groups are born by the comparison that follows. */
  birth(): SparkplugMessage {
    const { ids, host, codec, wallClock } = this.#options;
    const at = wallClock();
    this.#reported.clear();
    this.#seq = 0;
    const metrics = nodeMetrics(this.#bdSeq, host.version, at);
    return { topic: edgeTopic(ids, 'NBIRTH'), payload: codec.encodePayload({ timestamp: at, metrics, seq: 0 }) };
  }

  /** What there is to say of this event. */
  tell(event: CarpEvent): readonly SparkplugMessage[] {
    this.#newer.add(event.group);
    return this.#report(event);
  }

  /**
   * What there is to say of everything: births, what changes without an event, groups that have come or gone. Bit by bit: a
   * birth of 255 groups takes longer than an advert may be late.
   */
  *compare(): Generator<SparkplugMessage, void> {
    const { host } = this.#options;
    this.#newer.clear();
    const configured = new Set(host.groups().map(({ group }) => group));
    for (const group of [...this.#reported.keys()]) if (!configured.has(group)) yield* this.#bury(group);
    for (const event of host.snapshots()) if (!this.#newer.has(event.group)) yield* this.#report(event);
  }

  #report(event: CarpEvent): readonly SparkplugMessage[] {
    const { host, mayOrder } = this.#options;
    const { group } = event;
    const before = this.#reported.get(group);
    if (event.role === 'STOPPED' || !host.groups().some((one) => one.group === group)) return this.#bury(group);
    const metrics = deviceMetrics(event, mayOrder ? host.modeOf(group) : undefined);
    this.#reported.set(group, new Map(metrics.map(({ name, value }) => [name, value])));
    if (before === undefined) return [this.#message('DBIRTH', group, metrics)];
    const changed = metrics.filter(({ name, value }) => before.get(name) !== value);
    return changed.length === 0 ? [] : [this.#message('DDATA', group, changed)];
  }

  #bury(group: string): readonly SparkplugMessage[] {
    return this.#reported.delete(group) ? [this.#message('DDEATH', group)] : [];
  }

  #message(type: DeviceMessage, group: string, metrics: readonly Metric[] = []): SparkplugMessage {
    const { ids, codec, wallClock } = this.#options;
    this.#seq = (this.#seq + 1) % SEQ_END;
    const payload = codec.encodePayload({
      timestamp: wallClock(),
      ...(metrics.length === 0 ? {} : { metrics }),
      seq: this.#seq,
    });
    return { topic: deviceTopic(ids, type, group), payload };
  }
}
