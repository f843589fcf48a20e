import type { GroupConfig } from '../config/types.ts';
import type { CarpEvent, GroupStatus, PublicRole } from '../engine/status.ts';
import { Tally } from '../engine/tally.ts';
import type { Problem } from '../ports/error.ts';

const NOTHING_COUNTED = new Tally().counters;

export interface AbsentGroup {
  readonly node: string;
  readonly group: GroupConfig;
  readonly role: PublicRole;
  readonly previous: PublicRole;
  readonly seq: number;
  readonly detail: string;
  readonly at: string;
  readonly problem?: Problem;
}

/** The status of a group that no engine runs: its settings could not be read, or its simulated host is switched off. */
export const absentGroup = ({ node, group, role, previous, seq, detail, at, problem }: AbsentGroup): GroupStatus => ({
  group: group.name,
  interface: group.interface,
  vhid: group.vhid,
  node,
  role,
  previous,
  reason: role === 'STOPPED' ? 'stop' : 'startup',
  detail,
  seq,
  advbase: group.advbase,
  advskew: group.advskew,
  demotion: 0,
  addresses: group.addresses,
  since: at,
  intervalMs: 0,
  masterDownMs: 0,
  counters: NOTHING_COUNTED,
  ledger: [],
  history: [],
  ...(problem === undefined ? {} : { problem }),
});

/** What such a group tells. */
export const eventOf = (status: GroupStatus, event: CarpEvent['event'], at: string): CarpEvent => ({
  event,
  group: status.group,
  interface: status.interface,
  vhid: status.vhid,
  node: status.node,
  role: status.role,
  previous: status.previous,
  reason: status.reason,
  detail: status.detail,
  at,
  seq: status.seq,
  ...(status.master === undefined ? {} : { master: status.master }),
  advbase: status.advbase,
  advskew: status.advskew,
  demotion: status.demotion,
  addresses: status.addresses,
});
