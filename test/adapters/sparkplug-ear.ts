/** Reads what an edge node of Sparkplug says, from bytes or from a broker. */
import { createRequire } from 'node:module';
import mqtt, { type MqttClient } from 'mqtt';
import type { BusGroup, BusHost, Mode } from '../../src/adapters/mqtt/part.ts';
import { loadPayloadCodec, type Metric } from '../../src/adapters/sparkplug/payload.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { busGroup, busHost } from '../support/bus-host.ts';
import { carpEvent } from './mqtt-events.ts';

const resolves = (name: string): boolean => {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
};

export const needsSparkplug = resolves('sparkplug-payload') ? false : 'needs sparkplug-payload: npm install';

export interface SparkplugHeard {
  readonly topic: string;
  /** NBIRTH, DDATA … */
  readonly type: string;
  readonly device: string | undefined;
  readonly seq: number | undefined;
  readonly timestamp: number;
  readonly metrics: Readonly<Record<string, { readonly type: string; readonly value: unknown; readonly at: number }>>;
  readonly qos: number;
  readonly retain: boolean;
}

/** Numbers of 64 bits come as objects. */
const plain = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'toNumber' in value ? Number(String(value)) : value;

const isDefined = (value: unknown): boolean => value !== undefined && value !== null;

export const decoded = (
  topic: string,
  bytes: Uint8Array,
  { qos = 0, retain = false }: { readonly qos?: number; readonly retain?: boolean } = {},
): SparkplugHeard => {
  const payload = loadPayloadCodec().decodePayload(bytes) as {
    readonly seq?: unknown;
    readonly timestamp?: unknown;
    readonly metrics?: readonly { readonly [key: string]: unknown }[];
  };
  const [, , type = '', , device] = topic.split('/');
  const metrics = (payload.metrics ?? []).map(
    ({ name, type: of, value, timestamp }) =>
      [String(name), { type: String(of), value: plain(value), at: Number(plain(timestamp)) }] as const,
  );
  return {
    topic,
    type,
    device,
    seq: isDefined(payload.seq) ? Number(plain(payload.seq)) : undefined,
    timestamp: Number(plain(payload.timestamp)),
    metrics: Object.fromEntries(metrics),
    qos,
    retain,
  };
};

export const valuesOf = ({ metrics }: SparkplugHeard): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(metrics).map(([name, { value }]) => [name, value]));

/** As a host application encodes a command. */
export const command = (name: string, value: Metric['value']): Buffer =>
  Buffer.from(
    loadPayloadCodec().encodePayload({
      timestamp: Date.now(),
      metrics: [{ name, type: typeof value === 'string' ? 'String' : 'Boolean', value, timestamp: Date.now() }],
    }),
  );

export interface SparkplugEar {
  readonly heard: readonly SparkplugHeard[];
  readonly of: (type: string) => readonly SparkplugHeard[];
  /** `NBIRTH 0`, `DBIRTH plant 1`: type, device and seq of everything, in order. */
  readonly story: () => readonly string[];
  readonly client: MqttClient;
  readonly close: () => Promise<void>;
}

/** Hears everything of Sparkplug, as a host application would. */
export const sparkplugEar = async (url: string): Promise<SparkplugEar> => {
  const client = mqtt.connect(url, { protocolVersion: 4, reconnectPeriod: 50 });
  client.on('error', () => undefined);
  const heard: SparkplugHeard[] = [];
  client.on('message', (topic, payload, { qos, retain }) => {
    if (!topic.includes('/STATE/') && !topic.includes('CMD/')) heard.push(decoded(topic, payload, { qos, retain }));
  });
  await client.subscribeAsync('spBv1.0/#', { qos: 1 });
  return {
    heard,
    of: (type) => heard.filter((one) => one.type === type),
    story: () =>
      heard.map(({ type, device, seq }) => [type, device, seq].filter((part) => part !== undefined).join(' ')),
    client,
    close: () => client.endAsync(true),
  };
};

/** A host whose groups, states and modes are set by the test. */
export class Plant {
  groups: readonly BusGroup[];
  states: readonly CarpEvent[];
  readonly modes = new Map<string, Mode>();
  readonly orders: string[] = [];

  constructor(...groups: readonly string[]) {
    this.groups = groups.map((group) => busGroup(group));
    this.states = groups.map((group) => carpEvent({ event: 'snapshot', group, role: 'BACKUP', previous: 'INIT' }));
  }

  readonly host: BusHost = busHost({
    groups: () => this.groups,
    snapshots: () => this.states,
    modeOf: (group) => this.modes.get(group) ?? 'normal',
    operator: {
      ...busHost().operator,
      setMode: async (group, mode) => {
        this.orders.push(`${group} ${mode}`);
        this.modes.set(group, mode);
      },
    },
  });

  /** The group is like this from now on. */
  change(about: Partial<CarpEvent> & Pick<CarpEvent, 'group'>): CarpEvent {
    const before = this.states.find(({ group }) => group === about.group) ?? carpEvent();
    const state: CarpEvent = { ...before, ...about, event: 'snapshot' };
    const isKnown = this.states.includes(before);
    this.states = isKnown ? this.states.map((one) => (one === before ? state : one)) : [...this.states, state];
    return { ...state, event: 'transition' };
  }

  remove(group: string): void {
    this.groups = this.groups.filter((one) => one.group !== group);
    this.states = this.states.filter((one) => one.group !== group);
  }
}
