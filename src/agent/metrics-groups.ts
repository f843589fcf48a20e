import { type Family, joined, type Labels, labels, type Sample } from '../adapters/metrics/exposition.ts';
import { LATENESS_BOUNDS_MS } from '../engine/lateness.ts';
import { MODES } from '../engine/mode.ts';
import type { Counters, GroupStatus, PublicRole } from '../engine/status.ts';
import { failureOf } from './metrics-health.ts';

/** How often a group has got this role since the agent started. */
export type TransitionsTo = (node: string, group: string, role: PublicRole) => number;

/** A group, and what all of its samples have in common. */
interface Measured {
  readonly status: GroupStatus;
  readonly names: Labels;
}

/** Labels that are the same for all groups are written once, for as long as the process lives. */
const written = <Value extends string>(label: string, values: readonly Value[]) =>
  values.map((value) => ({ value, label: labels({ [label]: value }) }));

const ROLES = ['INIT', 'BACKUP', 'MASTER', 'STOPPED'] as const satisfies readonly PublicRole[];
const ROLE_LABELS = written('role', ROLES);
const TO_LABELS = written('to', ROLES);
const MODE_LABELS = written('mode', MODES);
/** Names of `netstat -s -p carp`. */
const REASON_LABELS = written('reason', [
  'badttl',
  'badlen',
  'badsum',
  'badver',
  'badvhid',
  'badauth',
  'replayed',
  'reflected',
] as const satisfies readonly (keyof Counters)[]);

/** Each is made when it is asked for. */
export type Families = Generator<Family, void, undefined>;

/** What is measured of groups. All have the labels `node` and `group`; who wants to know more joins them with the role. */
export const groupFamilies = function* (groups: readonly GroupStatus[], transitionsTo: TransitionsTo): Families {
  const all = groups.map((status): Measured => {
    const { node, group } = status;
    return { status, names: labels({ node, group }) };
  });
  yield* roleFamilies(all, transitionsTo);
  yield* healthFamilies(all);
  yield* rankFamilies(all);
  yield* leaseFamilies(all);
  yield* advertFamilies(all);
};

/** One sample of each group that has such a value. */
const each = (all: readonly Measured[], valueIn: (group: GroupStatus) => number | undefined): Sample[] =>
  all.flatMap(({ status, names }) => {
    const value = valueIn(status);
    return value === undefined ? [] : [{ labels: names, value }];
  });

const inSeconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);

const roleFamilies = function* (all: readonly Measured[], transitionsTo: TransitionsTo): Families {
  yield {
    type: 'gauge',
    name: 'carp_group_role',
    help: 'The role of this host in a group: 1 for the one it has, 0 for the others.',
    samples: all.flatMap(({ status: { vhid, role, interface: device }, names }) => {
      const place = labels({ vhid: String(vhid), interface: device }, names);
      return ROLE_LABELS.map(({ value, label }) => ({ labels: joined(place, label), value: role === value ? 1 : 0 }));
    }),
  };
  yield {
    type: 'counter',
    name: 'carp_group_transitions',
    help: 'How often a group got this role since the agent started.',
    samples: all.flatMap(({ status: { node, group }, names }) =>
      TO_LABELS.map(({ value, label }) => ({ labels: joined(names, label), value: transitionsTo(node, group, value) })),
    ),
  };
  yield {
    type: 'gauge',
    name: 'carp_group_role_start_time_seconds',
    unit: 'seconds',
    help: 'When the present role began, in seconds since 1970.',
    samples: each(all, ({ since }) => Date.parse(since) / 1000),
  };
};

const healthFamilies = function* (all: readonly Measured[]): Families {
  yield {
    type: 'gauge',
    name: 'carp_group_healthy',
    help: 'Whether a group works, as MASTER or BACKUP: what /healthz says.',
    samples: each(all, (status) => (failureOf(status) === undefined ? 1 : 0)),
  };
  yield {
    type: 'gauge',
    name: 'carp_group_problem',
    help: 'What keeps a group from working; missing while nothing does.',
    samples: all.flatMap(({ status: { problem }, names }) =>
      problem === undefined ? [] : [{ labels: labels({ code: problem.code }, names), value: 1 }],
    ),
  };
};

const rankFamilies = function* (all: readonly Measured[]): Families {
  yield {
    type: 'gauge',
    name: 'carp_group_mode',
    help: 'How a group takes part: 1 for the mode it is in, 0 for the others.',
    samples: all.flatMap(({ status: { mode = 'normal' }, names }) =>
      MODE_LABELS.map(({ value, label }) => ({ labels: joined(names, label), value: mode === value ? 1 : 0 })),
    ),
  };
  yield {
    type: 'gauge',
    name: 'carp_group_advskew',
    help: 'The rank in use, without demotion: the host with the lowest becomes MASTER.',
    samples: each(all, ({ advskew }) => advskew),
  };
  yield {
    type: 'gauge',
    name: 'carp_group_demotion',
    help: 'The sum of all that demotes a group; from 240 on it hands over.',
    samples: each(all, ({ demotion }) => demotion),
  };
  yield {
    type: 'gauge',
    name: 'carp_group_demotion_weight',
    help: 'What demotes a group, reason by reason.',
    samples: all.flatMap(({ status, names }) =>
      [...weights(status)].map(([reason, value]) => ({ labels: labels({ reason }, names), value })),
    ),
  };
  yield {
    type: 'gauge',
    name: 'carp_group_interval_seconds',
    unit: 'seconds',
    help: 'Time between two adverts of this host as MASTER, with its present demotion.',
    samples: each(all, ({ intervalMs }) => inSeconds(intervalMs)),
  };
  yield {
    type: 'gauge',
    name: 'carp_group_master_down_seconds',
    unit: 'seconds',
    help: 'After this time without an advert a BACKUP takes over.',
    samples: each(all, ({ masterDownMs }) => inSeconds(masterDownMs)),
  };
  yield {
    type: 'gauge',
    name: 'carp_group_master_silence_seconds',
    unit: 'seconds',
    help: 'How long ago another host was last heard as MASTER; missing if none ever was.',
    samples: each(all, ({ lastAdvertMs }) => inSeconds(lastAdvertMs)),
  };
};

/** A group may be demoted for one reason both by itself and with its host: no two samples may have the same labels. */
const weights = ({ ledger }: GroupStatus): ReadonlyMap<string, number> => {
  const sums = new Map<string, number>();
  for (const { reason, weight } of ledger) sums.set(reason, (sums.get(reason) ?? 0) + weight);
  return sums;
};

const leaseFamilies = function* (all: readonly Measured[]): Families {
  yield {
    type: 'gauge',
    name: 'carp_group_lease_seconds',
    unit: 'seconds',
    help: 'As MASTER: how long the kernel keeps the addresses when they are not renewed.',
    samples: each(all, ({ leaseSeconds }) => leaseSeconds),
  };
  yield {
    type: 'gauge',
    name: 'carp_group_lease_age_seconds',
    unit: 'seconds',
    help: 'As MASTER: how long ago the addresses were renewed; they are renewed every quarter of the lease.',
    samples: each(all, ({ leaseAgeMs }) => inSeconds(leaseAgeMs)),
  };
};

const BOUNDS = LATENESS_BOUNDS_MS.map((ms) => ms / 1000);

const advertFamilies = function* (all: readonly Measured[]): Families {
  yield {
    type: 'counter',
    name: 'carp_adverts_sent',
    help: 'Adverts sent, in each family.',
    samples: each(all, ({ counters }) => counters.sent),
  };
  yield {
    type: 'counter',
    name: 'carp_adverts_send_errors',
    help: 'Adverts that could not be sent.',
    samples: each(all, ({ counters }) => counters.sendErrors),
  };
  yield {
    type: 'counter',
    name: 'carp_adverts_received',
    help: 'Genuine adverts of other hosts.',
    samples: each(all, ({ counters }) => counters.received),
  };
  yield {
    type: 'counter',
    name: 'carp_adverts_refused',
    help: 'Packets that were not accepted, by reason, as netstat names them.',
    samples: all.flatMap(({ status: { counters }, names }) =>
      REASON_LABELS.map(({ value, label }) => ({ labels: joined(names, label), value: counters[value] })),
    ),
  };
  yield {
    type: 'counter',
    name: 'carp_packets_dropped',
    help: 'Packets that the kernel dropped, because this process was too slow.',
    samples: each(all, ({ counters }) => counters.dropped),
  };
  yield {
    type: 'histogram',
    name: 'carp_advert_lateness_seconds',
    unit: 'seconds',
    help: 'How late adverts left, against the time at which they were due.',
    bounds: BOUNDS,
    samples: all.map(({ status: { advertLateness: late }, names }) => ({
      labels: names,
      atMost: late?.atMost ?? [],
      count: late?.count ?? 0,
      sum: (late?.sumMs ?? 0) / 1000,
    })),
  };
};
