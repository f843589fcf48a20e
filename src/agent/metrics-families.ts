import type { Family, HistogramSample, Labels, Sample } from '../adapters/metrics/exposition.ts';
import { LATENESS_BOUNDS_MS, type LatenessReport } from '../engine/lateness.ts';
import type { BusStatus, Counters, GroupStatus, HostStatus, PublicRole } from '../engine/status.ts';
import { failureOf } from './metrics-health.ts';

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
  /** How often a group has got this role since the agent started. */
  readonly transitionsTo: (node: string, group: string, role: PublicRole) => number;
}

const ROLES: readonly PublicRole[] = ['INIT', 'BACKUP', 'MASTER', 'STOPPED'];

/** Names of `netstat -s -p carp`. */
const REFUSALS = [
  'badttl',
  'badlen',
  'badsum',
  'badver',
  'badvhid',
  'badauth',
  'replayed',
  'reflected',
] as const satisfies readonly (keyof Counters)[];

/** All that is measured, in a fixed order. */
export const families = ({ process, hosts, transitionsTo }: Figures): readonly Family[] => {
  const groups = hosts.flatMap((host) => host.groups);
  return [
    ...groupFamilies(groups, transitionsTo),
    ...advertFamilies(groups),
    ...mqttFamilies(hosts),
    ...processFamilies(process),
  ];
};

const namesOf = ({ node, group }: GroupStatus): Labels => ({ node, group });

/** One sample of each group that has such a value. */
const each = (groups: readonly GroupStatus[], valueIn: (group: GroupStatus) => number | undefined): Sample[] =>
  groups.flatMap((group) => {
    const value = valueIn(group);
    return value === undefined ? [] : [{ labels: namesOf(group), value }];
  });

const groupFamilies = (groups: readonly GroupStatus[], transitionsTo: Figures['transitionsTo']): readonly Family[] => [
  {
    type: 'gauge',
    name: 'carp_group_role',
    help: 'The role of this host in a group: 1 for the one it has, 0 for the others.',
    samples: groups.flatMap((status) => {
      const { vhid, interface: device } = status;
      return ROLES.map((role) => ({
        labels: { ...namesOf(status), vhid: String(vhid), interface: device, role },
        value: status.role === role ? 1 : 0,
      }));
    }),
  },
  {
    type: 'counter',
    name: 'carp_group_transitions',
    help: 'How often a group got this role since the agent started.',
    samples: groups.flatMap((status) =>
      ROLES.map((role) => ({
        labels: { ...namesOf(status), to: role },
        value: transitionsTo(status.node, status.group, role),
      })),
    ),
  },
  {
    type: 'gauge',
    name: 'carp_group_role_start_time_seconds',
    unit: 'seconds',
    help: 'When the present role began, in seconds since 1970.',
    samples: each(groups, ({ since }) => Date.parse(since) / 1000),
  },
  {
    type: 'gauge',
    name: 'carp_group_healthy',
    help: 'Whether a group works, as MASTER or BACKUP: what /healthz says.',
    samples: each(groups, (status) => (failureOf(status) === undefined ? 1 : 0)),
  },
  {
    type: 'gauge',
    name: 'carp_group_problem',
    help: 'What keeps a group from working; missing while nothing does.',
    samples: groups.flatMap((status) =>
      status.problem === undefined ? [] : [{ labels: { ...namesOf(status), code: status.problem.code }, value: 1 }],
    ),
  },
  {
    type: 'gauge',
    name: 'carp_group_advskew',
    help: 'The rank in use, without demotion: the host with the lowest becomes MASTER.',
    samples: each(groups, ({ advskew }) => advskew),
  },
  {
    type: 'gauge',
    name: 'carp_group_demotion',
    help: 'The sum of all that demotes a group; from 240 on it hands over.',
    samples: each(groups, ({ demotion }) => demotion),
  },
  {
    type: 'gauge',
    name: 'carp_group_demotion_weight',
    help: 'What demotes a group, reason by reason.',
    samples: groups.flatMap((status) =>
      [...weights(status)].map(([reason, value]) => ({ labels: { ...namesOf(status), reason }, value })),
    ),
  },
  {
    type: 'gauge',
    name: 'carp_group_interval_seconds',
    unit: 'seconds',
    help: 'Time between two adverts of this host as MASTER, with its present demotion.',
    samples: each(groups, ({ intervalMs }) => intervalMs / 1000),
  },
  {
    type: 'gauge',
    name: 'carp_group_master_down_seconds',
    unit: 'seconds',
    help: 'After this time without an advert a BACKUP takes over.',
    samples: each(groups, ({ masterDownMs }) => masterDownMs / 1000),
  },
  {
    type: 'gauge',
    name: 'carp_group_master_silence_seconds',
    unit: 'seconds',
    help: 'How long ago another host was last heard as MASTER; missing if none ever was.',
    samples: each(groups, ({ lastAdvertMs }) => (lastAdvertMs === undefined ? undefined : lastAdvertMs / 1000)),
  },
  {
    type: 'gauge',
    name: 'carp_group_lease_seconds',
    unit: 'seconds',
    help: 'As MASTER: how long the kernel keeps the addresses when they are not renewed.',
    samples: each(groups, ({ leaseSeconds }) => leaseSeconds),
  },
  {
    type: 'gauge',
    name: 'carp_group_lease_age_seconds',
    unit: 'seconds',
    help: 'As MASTER: how long ago the addresses were renewed; they are renewed every quarter of the lease.',
    samples: each(groups, ({ leaseAgeMs }) => (leaseAgeMs === undefined ? undefined : leaseAgeMs / 1000)),
  },
];

/** A group may be demoted for one reason both by itself and with its host: no two samples may have the same labels. */
const weights = ({ ledger }: GroupStatus): ReadonlyMap<string, number> => {
  const sums = new Map<string, number>();
  for (const { reason, weight } of ledger) sums.set(reason, (sums.get(reason) ?? 0) + weight);
  return sums;
};

const advertFamilies = (groups: readonly GroupStatus[]): readonly Family[] => [
  {
    type: 'counter',
    name: 'carp_adverts_sent',
    help: 'Adverts sent, in each family.',
    samples: each(groups, ({ counters }) => counters.sent),
  },
  {
    type: 'counter',
    name: 'carp_adverts_send_errors',
    help: 'Adverts that could not be sent.',
    samples: each(groups, ({ counters }) => counters.sendErrors),
  },
  {
    type: 'counter',
    name: 'carp_adverts_received',
    help: 'Genuine adverts of other hosts.',
    samples: each(groups, ({ counters }) => counters.received),
  },
  {
    type: 'counter',
    name: 'carp_adverts_refused',
    help: 'Packets that were not accepted, by reason, as netstat names them.',
    samples: groups.flatMap((status) =>
      REFUSALS.map((reason) => ({ labels: { ...namesOf(status), reason }, value: status.counters[reason] })),
    ),
  },
  {
    type: 'counter',
    name: 'carp_packets_dropped',
    help: 'Packets that the kernel dropped, because this process was too slow.',
    samples: each(groups, ({ counters }) => counters.dropped),
  },
  {
    type: 'histogram',
    name: 'carp_advert_lateness_seconds',
    unit: 'seconds',
    help: 'How late adverts left, against the time at which they were due.',
    samples: groups.map((status) => latenessSample(namesOf(status), status.advertLateness)),
  },
];

const BOUNDS = LATENESS_BOUNDS_MS.map((ms) => ms / 1000);
const NONE: LatenessReport = { count: 0, sumMs: 0, atMost: BOUNDS.map(() => 0) };

const latenessSample = (labels: Labels, { count, sumMs, atMost }: LatenessReport = NONE): HistogramSample => ({
  labels,
  bounds: BOUNDS,
  atMost,
  count,
  sum: sumMs / 1000,
});

/** One sample of each host that has a broker. */
const eachBus = (hosts: readonly HostStatus[], valueIn: (bus: BusStatus) => number): Sample[] =>
  hosts.flatMap(({ node, bus }) => (bus === undefined ? [] : [{ labels: { node }, value: valueIn(bus) }]));

const mqttFamilies = (hosts: readonly HostStatus[]): readonly Family[] => [
  {
    type: 'gauge',
    name: 'carp_mqtt_connected',
    help: 'Whether the broker is connected.',
    samples: eachBus(hosts, ({ connected }) => (connected ? 1 : 0)),
  },
  {
    type: 'gauge',
    name: 'carp_mqtt_queue_length',
    help: 'Messages that wait for the broker.',
    samples: eachBus(hosts, ({ queued }) => queued),
  },
  {
    type: 'counter',
    name: 'carp_mqtt_queue_dropped',
    help: 'Events that the broker was never told, because it was away or slow for too long.',
    samples: eachBus(hosts, ({ dropped }) => dropped),
  },
];

const single = (value: number): readonly Sample[] => [{ labels: {}, value }];

const processFamilies = (figures: ProcessFigures): readonly Family[] => [
  {
    type: 'info',
    name: 'carp_build',
    help: 'The version of this agent, and of the Node.js that runs it.',
    samples: [{ labels: { version: figures.version, nodejs: figures.runtime }, value: 1 }],
  },
  {
    type: 'gauge',
    name: 'process_start_time_seconds',
    unit: 'seconds',
    help: 'When the agent started, in seconds since 1970.',
    samples: single(figures.startedAt),
  },
  {
    type: 'counter',
    name: 'process_cpu_seconds',
    unit: 'seconds',
    help: 'Processor time of the agent.',
    samples: single(figures.cpuSeconds),
  },
  {
    type: 'gauge',
    name: 'process_resident_memory_bytes',
    unit: 'bytes',
    help: 'Memory of the agent.',
    samples: single(figures.residentBytes),
  },
  {
    type: 'counter',
    name: 'carp_event_loop_active_seconds',
    unit: 'seconds',
    help: 'How long the event loop has worked. Its rate is the part of the time in which an advert would have to wait.',
    samples: single(figures.loop.activeSeconds),
  },
  {
    type: 'counter',
    name: 'carp_event_loop_idle_seconds',
    unit: 'seconds',
    help: 'How long the event loop has waited for something to do.',
    samples: single(figures.loop.idleSeconds),
  },
];
