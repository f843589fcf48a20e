/** What the bus says about each group, put in order, and what is wrong with it as far as that can be seen from here. */
import type { HeardAlarm, HeardStats } from '../adapters/mqtt/view/bus-payloads.ts';
import type { BusView } from '../adapters/mqtt/view/bus-view.ts';
import type { BusGroupView, BusMember } from '../adapters/mqtt/view/bus-view-types.ts';
import { findingsOf } from './fleet-findings.ts';
import type { FleetGroup, FleetMaster, FleetMember } from './fleet-group.ts';

export interface FleetClocks {
  /** In the time of the view, in ms. */
  readonly now: number;
  /** Wall clock, in ms. */
  readonly wallNow: number;
  /** Who has said nothing for longer does not answer, in ms. */
  readonly silentMs: number;
}

/** All groups, by name. */
export const fleetGroups = (view: BusView, clocks: FleetClocks): readonly FleetGroup[] =>
  [...view.groups.values()].map((group) => fleetGroup(view, group, clocks)).sort(byText(({ group }) => group));

const fleetGroup = (view: BusView, group: BusGroupView, clocks: FleetClocks): FleetGroup => {
  const members = [...group.members.values()]
    .map((member) => fleetMember(view, member, clocks))
    .sort(byText(({ node }) => node));
  const vhid = group.master?.value.vhid ?? [...group.members.values()].find(({ state }) => state)?.state?.value.vhid;
  const master = masterOf(group, members);
  return {
    group: group.group,
    ...(vhid === undefined ? {} : { vhid }),
    ...(master === undefined ? {} : { master }),
    findings: findingsOf({ group, members, alarms: alarmsOf(view, group) }),
    members,
  };
};

const fleetMember = (view: BusView, member: BusMember, clocks: FleetClocks): FleetMember => {
  const { node, role, state, advskew, mode, stats } = member;
  const status = view.statusOf(node);
  const ageMs = ageOf(member, clocks);
  // What the broker would have dropped by now is not there any more; where it drops nothing (MQTT 3.1.1), age decides.
  const speaks = state !== undefined && (state.endsAt !== undefined || (ageMs ?? 0) <= clocks.silentMs);
  return {
    node,
    status,
    alive: status !== 'offline' && speaks,
    ...optional('role', role?.value ?? state?.value.role),
    ...optional('reason', state?.value.reason),
    ...optional('detail', state?.value.detail),
    ...optional('advskew', advskew?.value ?? state?.value.advskew),
    ...optional('demotion', state?.value.demotion),
    ...optional('mode', mode?.value),
    ...(member.vips.size === 0 ? {} : { held: addressesOf(member, 'held'), absent: addressesOf(member, 'absent') }),
    ...optional('problem', problemIn(stats?.value)),
    ...optional('ageMs', ageMs),
  };
};

/**
 * A retained message may be of any age: then the time in it counts, by the clock of its author. What was heard while
 * this command ran counts by our own.
 */
const ageOf = ({ state }: BusMember, { now, wallNow }: FleetClocks): number | undefined => {
  if (state === undefined) return undefined;
  const heardMs = now - state.heardAt;
  const saidMs = state.retained ? wallNow - Date.parse(state.value.at) : heardMs;
  return Math.round(Math.max(heardMs, saidMs, 0));
};

/**
 * Who claims to be MASTER, if that host still says so. A claim may be older than what its host says now (a queue that was
 * emptied late), or be forgotten by the broker: then a host that is MASTER by its own state.
 */
const masterOf = (group: BusGroupView, members: readonly FleetMember[]): FleetMaster | undefined => {
  const claim = group.master?.value;
  const masters = members.filter(({ alive, role }) => alive && role === 'MASTER').map(({ node }) => node);
  const [other] = masters;
  if (claim !== undefined && (other === undefined || masters.includes(claim.node)))
    return { node: claim.node, address: claim.address, since: claim.since, confirmed: other !== undefined };
  if (other === undefined) return undefined;
  const { state, stats } = group.members.get(other) ?? {};
  return {
    node: other,
    address: state?.value.master?.address ?? '',
    ...optional('since', sinceIn(stats?.value)),
    confirmed: true,
  };
};

/** Nobody has taken back the alarms of a host that has gone; another one says what is wrong by now. */
const alarmsOf = (view: BusView, { alarm }: BusGroupView): readonly (HeardAlarm & { readonly by: string })[] => {
  if (alarm === undefined || !alarm.value.active || view.statusOf(alarm.value.by) === 'offline') return [];
  return alarm.value.alarms.map((each) => ({ ...each, by: alarm.value.by }));
};

const addressesOf = ({ vips }: BusMember, state: 'held' | 'absent'): readonly string[] =>
  [...vips].flatMap(([address, { value }]) => (value === state ? [address] : [])).sort();

/** `GroupStatus.since`, as it stands in the statistics. */
const sinceIn = (stats: HeardStats | undefined): string | undefined => {
  const since = stats !== undefined && Object.hasOwn(stats, 'since') ? stats['since'] : undefined;
  return typeof since === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(since) ? since : undefined;
};

/** `GroupStatus.problem`, as it stands in the statistics. */
const problemIn = (stats: HeardStats | undefined): string | undefined => {
  const problem = stats === undefined || !Object.hasOwn(stats, 'problem') ? undefined : stats['problem'];
  if (typeof problem !== 'object' || problem === null || !('message' in problem)) return undefined;
  return typeof problem.message === 'string' ? problem.message.slice(0, PROBLEM_LENGTH_MAX) : undefined;
};

const PROBLEM_LENGTH_MAX = 500;

const optional = <Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [K in Key]?: Value };

/** rpi2 before rpi10. */
const { compare } = new Intl.Collator('en', { numeric: true });
const byText =
  <T>(textOf: (item: T) => string) =>
  (one: T, other: T): number =>
    compare(textOf(one), textOf(other));
