import { labels, type Sample } from '../adapters/metrics/exposition.ts';
import type { BusStatus, HostStatus } from '../engine/status.ts';
import { type Families, groupFamilies, type TransitionsTo } from './metrics-groups.ts';

/** What the process itself costs. */
export interface ProcessFigures {
  readonly version: string;
  /** Of Node.js. */
  readonly runtime: string;
  /** Seconds since 1970. */
  readonly startedAt: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** How long the event loop has worked, and how long it has waited. */
  readonly loop: { readonly activeSeconds: number; readonly idleSeconds: number };
}

export interface Figures {
  readonly process: ProcessFigures;
  readonly hosts: readonly HostStatus[];
  readonly transitionsTo: TransitionsTo;
}

/** All that is measured, in a fixed order. */
export const families = function* ({ process, hosts, transitionsTo }: Figures): Families {
  const groups = hosts.flatMap((host) => host.groups);
  yield* groupFamilies(groups, transitionsTo);
  yield* mqttFamilies(hosts);
  yield* processFamilies(process);
};

/** One sample of each host that has a broker. */
const eachBus = (hosts: readonly HostStatus[], valueIn: (bus: BusStatus) => number): Sample[] =>
  hosts.flatMap(({ node, bus }) => (bus === undefined ? [] : [{ labels: labels({ node }), value: valueIn(bus) }]));

const mqttFamilies = function* (hosts: readonly HostStatus[]): Families {
  yield {
    type: 'gauge',
    name: 'carp_mqtt_connected',
    help: 'Whether the broker is connected.',
    samples: eachBus(hosts, ({ connected }) => (connected ? 1 : 0)),
  };
  yield {
    type: 'gauge',
    name: 'carp_mqtt_queue_length',
    help: 'Messages that wait for the broker.',
    samples: eachBus(hosts, ({ queued }) => queued),
  };
  yield {
    type: 'counter',
    name: 'carp_mqtt_queue_dropped',
    help: 'Events that the broker was never told, because it was away or slow for too long.',
    samples: eachBus(hosts, ({ dropped }) => dropped),
  };
};

const single = (value: number): readonly Sample[] => [{ labels: labels({}), value }];

const processFamilies = function* (figures: ProcessFigures): Families {
  yield {
    type: 'info',
    name: 'carp_build',
    help: 'The version of this agent, and of the Node.js that runs it.',
    samples: [{ labels: labels({ version: figures.version, nodejs: figures.runtime }), value: 1 }],
  };
  yield {
    type: 'gauge',
    name: 'process_start_time_seconds',
    unit: 'seconds',
    help: 'When the agent started, in seconds since 1970.',
    samples: single(figures.startedAt),
  };
  yield {
    type: 'counter',
    name: 'process_cpu_seconds',
    unit: 'seconds',
    help: 'Processor time of the agent.',
    samples: single(figures.cpuSeconds),
  };
  yield {
    type: 'gauge',
    name: 'process_resident_memory_bytes',
    unit: 'bytes',
    help: 'Memory of the agent.',
    samples: single(figures.residentBytes),
  };
  yield {
    type: 'counter',
    name: 'carp_event_loop_active_seconds',
    unit: 'seconds',
    help: 'How long the event loop has worked. Its rate is the part of the time in which an advert would have to wait.',
    samples: single(figures.loop.activeSeconds),
  };
  yield {
    type: 'counter',
    name: 'carp_event_loop_idle_seconds',
    unit: 'seconds',
    help: 'How long the event loop has waited for something to do.',
    samples: single(figures.loop.idleSeconds),
  };
};
