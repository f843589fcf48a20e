/** One part of the connection to a bus, with a voice that notes what it says, and a clock that is moved by hand. */
import type {
  Announcement,
  BusHost,
  CreatePart,
  Keeping,
  Part,
  PartContext,
  Voice,
} from '../../src/adapters/mqtt/part.ts';
import type { MqttSettings } from '../../src/adapters/mqtt/settings.ts';
import type { BusTrouble } from '../../src/engine/status.ts';
import { mqttSettings } from './mqtt-settings.ts';

export interface NotedVoice extends Voice {
  /** What is on the broker, by topic. */
  readonly payloads: ReadonlyMap<string, string>;
  /** Of each `keep`, in order. */
  readonly keepings: readonly (Keeping & { readonly topic: string; readonly payload: string })[];
  readonly cleared: readonly string[];
  readonly left: readonly string[];
  readonly repeated: readonly string[];
  readonly told: readonly Announcement[];
}

export interface PartOnBus {
  readonly part: Part;
  readonly voice: NotedVoice;
  readonly lines: readonly string[];
  readonly troubles: () => readonly BusTrouble[];
  /** Lets this much time pass, in ms, and looks around. */
  readonly tick: (ms?: number) => void;
  readonly begin: () => void;
  readonly hear: (topic: string, payload: string, retain?: boolean) => void;
  readonly connect: (connected: boolean) => void;
  readonly now: () => number;
}

const notImplemented = (): never => {
  throw new Error('no test of a part uses that');
};

/** @param host - what this part asks its host for */
export const busPart = (
  create: CreatePart,
  node: string,
  host: Partial<BusHost> = {},
  settings: Partial<MqttSettings> = {},
): PartOnBus => {
  let time = 0;
  let connected = true;
  let troubles: readonly BusTrouble[] = [];
  const lines: string[] = [];
  const payloads = new Map<string, string>();
  const keepings: (Keeping & { readonly topic: string; readonly payload: string })[] = [];
  const cleared: string[] = [];
  const left: string[] = [];
  const repeated: string[] = [];
  const told: Announcement[] = [];
  const voice: NotedVoice = {
    payloads,
    keepings,
    cleared,
    left,
    repeated,
    told,
    keep: (topic, payload, keeping = {}) => {
      payloads.set(topic, payload);
      keepings.push({ ...keeping, topic, payload });
    },
    clear: (topic) => {
      payloads.delete(topic);
      cleared.push(topic);
    },
    leave: (topic) => {
      payloads.delete(topic);
      left.push(topic);
    },
    repeat: (isMeant) => {
      const meant = [...payloads].filter(([topic]) => isMeant(topic));
      repeated.push(...meant.map(([topic]) => topic));
      return meant.length;
    },
    kept: () => [...payloads.keys()],
    tell: (announcement) => void told.push(announcement),
    dropped: () => 0,
    connected: () => connected,
  };
  const context: PartContext = {
    settings: mqttSettings({ url: 'mqtt://127.0.0.1', ...settings }),
    scope: { base: settings.base ?? 'carp', node },
    host: {
      node,
      instance: '0123456789abcdef',
      startedAt: '2026-01-01T00:00:00.000Z',
      version: '1.0.0',
      groups: () => [],
      snapshots: () => [],
      status: () => ({ node, groups: [] }),
      peers: () => host.status?.().groups.map(({ group, peers = [] }) => ({ group, peers })) ?? [],
      modeOf: () => 'normal',
      operator: { handOver: notImplemented, setMode: notImplemented, setAdvskew: notImplemented },
      ...host,
    },
    voice,
    now: () => time,
    wallClock: () => new Date(Date.UTC(2026, 0, 1) + time),
    log: (level, message) => lines.push(`${level} ${message}`),
    report: (now) => {
      troubles = now;
    },
  };
  const part = create(context);
  return {
    part,
    voice,
    lines,
    troubles: () => troubles,
    tick: (ms = 0) => {
      time += ms;
      part.tick?.();
    },
    begin: () => part.begin?.(),
    hear: (topic, payload, retain = false) =>
      part.heard?.({ topic, payload: new TextEncoder().encode(payload), retain }),
    connect: (now) => {
      connected = now;
    },
    now: () => time,
  };
};
