/** What the rules of alarms share. */

import type { AlarmCode } from '../payloads.ts';
import type { GroupSight, MemberSight } from './alarm-sight.ts';

/** Something that is wrong now; an alarm if it lasts. */
export interface Suspicion {
  readonly code: AlarmCode;
  readonly nodes: readonly string[];
  /** What is wrong, without a full stop. */
  readonly what: string;
  readonly remedy: string;
  /** How long it may last without being an alarm, in ms. */
  readonly patienceMs: number;
}

/** What a rule finds in a group now. */
export type Rule = (sight: GroupSight) => readonly Suspicion[];

/** With subsecond intervals the bus is slower than the wire, and a glance of `TICK_MS` more precise than it needs to be. */
const INTERVAL_MS_MIN = 500;
/** How long a host may wait for its link after its start (spanning tree, DHCP, `startDelay`). */
const STARTING_MS = 60_000;

/** From when on a host in INIT is no longer one that has just started. */
export const isReadyBy = ({ roleSince, isStarting }: Pick<MemberSight, 'roleSince' | 'isStarting'>): number =>
  roleSince + (isStarting ? STARTING_MS : 0);

/** One interval of the group: of its slowest host, without what its skew adds, which is less than a second. In ms. */
export const groupInterval = ({ members }: GroupSight): number =>
  Math.max(INTERVAL_MS_MIN, ...members.map(({ intervalMs }) => wholeSeconds(intervalMs)));

/** Whether two hosts can understand each other at all. */
export const speakTheSame = (a: MemberSight, b: MemberSight): boolean =>
  a.vhid === b.vhid && (a.fingerprint === undefined || b.fingerprint === undefined || a.fingerprint === b.fingerprint);

type Named = { readonly node: string };

export const namesOf = (members: readonly Named[]): string => listed(sortedNames(members));

/** More are counted: alarms are read by people. */
const LISTED_MAX = 8;

/** `a`, `a and b`, `a, b and c`, or `a, b … and 9 more`. */
export const listed = (names: readonly string[]): string => {
  const shown = names.slice(0, names.length > LISTED_MAX ? LISTED_MAX : Math.max(1, names.length - 1));
  const more = names.length - shown.length;
  const last = names.length > LISTED_MAX ? `${more} more` : names.at(-1);
  return more === 0 ? shown.join(', ') : `${shown.join(', ')} and ${last}`;
};

export const sortedNames = (members: readonly Named[]): readonly string[] =>
  [...new Set(members.map(({ node }) => node))].sort();

export const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;
