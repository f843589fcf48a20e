/** From what `GET carp/status` says to what a card shows. Pure: no text, no DOM, no clock of its own. */
import type { MismatchEvent } from '../../src/engine/mismatch.ts';
import type { Mode } from '../../src/engine/mode.ts';
import type { CarpEvent, Counters, DemotionEntry, PublicRole } from '../../src/engine/status.ts';
import type { Problem } from '../../src/ports/error.ts';
import type { SidebarGroup } from '../admin-api.ts';

/** Something that somebody should look at. `detail` and `remedy` are the agent's words. */
export type Warning =
  | ({ readonly type: 'problem' } & Problem)
  /** Another host is MASTER as well. */
  | { readonly type: 'split-brain'; readonly others: readonly string[] }
  | { readonly type: 'mismatch'; readonly source: string; readonly detail: string; readonly remedy: string }
  | { readonly type: 'hint'; readonly source: string; readonly detail: string; readonly remedy: string }
  /** What is told over MQTT does not reach the broker. No election depends on it. */
  | { readonly type: 'mqtt'; readonly detail: string; readonly remedy?: string }
  /** What the hosts of this group found out about each other on the bus, or that two hosts have one name. */
  | { readonly type: 'alarm'; readonly code: string; readonly detail: string; readonly remedy?: string }
  /** The agent does not answer; what is shown is the last that was heard. */
  | { readonly type: 'silent' };

export interface LedgerLine extends DemotionEntry {
  /** Whether an operator may take it back; the others end when their cause does. */
  readonly restorable: boolean;
}

export interface Peer {
  readonly address: string;
  readonly state: 'master' | 'was-master' | 'refused';
  /** How long ago it was heard, in ms, when the status was made. */
  readonly heardMs?: number;
}

export interface Card {
  readonly id: string;
  readonly label: string;
  readonly node: string;
  readonly group: string;
  /** Missing: nothing is known yet. */
  readonly role?: PublicRole;
  readonly runs: 'own' | 'service' | 'refused' | 'simulated';
  readonly vhid?: number;
  readonly interface?: string;
  readonly addresses: readonly string[];
  readonly master?: { readonly address: string; readonly self: boolean; readonly heardMs?: number };
  /** When the role began; ISO 8601, by the clock of the host. */
  readonly since?: string;
  readonly times?: { readonly intervalMs: number; readonly masterDownMs: number; readonly advskew: number };
  readonly demotion: number;
  readonly ledger: readonly LedgerLine[];
  /** How it takes part, of several modes the one that keeps it from more. */
  readonly mode: Mode;
  /** Both may be on. */
  readonly inMaintenance: boolean;
  readonly observes: boolean;
  readonly peers: readonly Peer[];
  /** The last transitions, newest first. */
  readonly timeline: readonly CarpEvent[];
  readonly counters?: Counters;
  readonly broker?: { readonly url: string; readonly connected: boolean };
  readonly warnings: readonly Warning[];
}

const TIMELINE_MAX = 6;

export const cardsOf = (groups: readonly SidebarGroup[]): readonly Card[] => groups.map((one) => cardOf(one, groups));

const cardOf = (one: SidebarGroup, all: readonly SidebarGroup[]): Card => {
  const { id, label, node, group, settings, status, view } = one;
  // Of a group whose agent does not answer the last event is all there is.
  const told = status ?? view.event;
  const since = status?.since ?? view.event?.at;
  const mode = told?.mode;
  const ledger = (status?.ledger ?? []).map((entry) => ({ ...entry, restorable: isRestorable(entry.reason) }));
  const inMaintenance = mode === 'maintenance' || ledger.some(({ reason }) => reason === 'maintenance');
  return {
    id,
    label,
    node,
    group,
    ...present('role', told?.role),
    runs: settings?.transport === 'memory' ? 'simulated' : one.runs,
    ...present('vhid', told?.vhid ?? settings?.vhid),
    ...present('interface', told?.interface ?? settings?.interface),
    addresses: told?.addresses ?? settings?.addresses ?? [],
    ...present('master', masterOf(one)),
    ...present('since', since),
    ...present('times', status === undefined || !isTakingPart(status) ? undefined : timesOf(status)),
    demotion: told?.demotion ?? 0,
    ledger,
    // A service of an earlier version has a ledger, and no word for modes.
    mode: mode ?? (inMaintenance ? 'maintenance' : 'normal'),
    inMaintenance,
    observes: mode === 'observe',
    peers: peersOf(one),
    timeline: (status?.history ?? []).slice(0, TIMELINE_MAX),
    ...present('counters', status?.counters),
    ...present('broker', one.bus && { url: one.bus.broker, connected: one.bus.connected }),
    warnings: warningsOf(one, all),
  };
};

/** Others neither advertise nor take over: their times mean nothing. */
const isTakingPart = ({ role }: NonNullable<SidebarGroup['status']>): boolean => role === 'MASTER' || role === 'BACKUP';

const timesOf = ({ intervalMs, masterDownMs, advskew }: NonNullable<SidebarGroup['status']>) => ({
  intervalMs,
  masterDownMs,
  advskew,
});

const masterOf = ({ status, view }: SidebarGroup): Card['master'] => {
  const master = (status ?? view.event)?.master;
  return master === undefined ? undefined : { ...master, ...present('heardMs', status?.lastAdvertMs) };
};

/** BACKUPs are silent, so these are the hosts that have been MASTER, and those whose adverts are refused. */
const peersOf = ({ status }: SidebarGroup): readonly Peer[] => {
  if (status === undefined) return [];
  const peers = new Map<string, Peer>();
  for (const { source } of refused(status.mismatches)) peers.set(source, { address: source, state: 'refused' });
  const { master, lastAdvertMs } = status;
  if (master !== undefined && !master.self)
    peers.set(master.address, { address: master.address, state: 'master', ...present('heardMs', lastAdvertMs) });
  for (const { master: before } of status.history)
    if (before !== undefined && !before.self && !peers.has(before.address))
      peers.set(before.address, { address: before.address, state: 'was-master' });
  return [...peers.values()];
};

const refused = (mismatches: readonly MismatchEvent[] | undefined): readonly MismatchEvent[] =>
  (mismatches ?? []).filter(({ cleared }) => cleared !== true);

const warningsOf = (one: SidebarGroup, all: readonly SidebarGroup[]): readonly Warning[] => {
  const { status, view, runs } = one;
  const problem = view.problem ?? status?.problem;
  const others = rivalsOf(one, all);
  return [
    ...(problem === undefined ? [] : [{ ...problem, type: 'problem' } as const]),
    ...(others.length === 0 ? [] : [{ type: 'split-brain', others } as const]),
    ...refused(status?.mismatches).map(
      ({ source, detail, remedy }) => ({ type: 'mismatch', source, detail, remedy }) as const,
    ),
    ...(status?.hints ?? []).map(({ source, detail, remedy }) => ({ type: 'hint', source, detail, remedy }) as const),
    ...busWarnings(one),
    ...(status === undefined && problem === undefined && view.event !== undefined && runs !== 'refused'
      ? [{ type: 'silent' } as const]
      : []),
  ];
};

/** Settings that cannot be used come first: without them there is no connection that could have troubles. */
const busWarnings = ({ group, mqttProblem, bus }: SidebarGroup): readonly Warning[] => [
  ...(mqttProblem === undefined
    ? []
    : [{ type: 'mqtt', detail: mqttProblem.message, ...present('remedy', mqttProblem.remedy) } as const]),
  ...(bus?.problem === undefined || bus.connected ? [] : [{ type: 'mqtt', detail: bus.problem } as const]),
  ...(bus?.troubles ?? [])
    .filter((trouble) => trouble.group === undefined || trouble.group === group)
    .map(
      ({ code, message, remedy }) => ({ type: 'alarm', code, detail: message, ...present('remedy', remedy) }) as const,
    ),
];

/**
 * Who is MASTER beside this host: those whose signature it refuses, because whoever sends adverts believes to be MASTER
 * and a refused one cannot settle with us; and hosts of the same simulated network.
 */
const rivalsOf = (one: SidebarGroup, all: readonly SidebarGroup[]): readonly string[] => {
  if (one.status?.role !== 'MASTER') return [];
  const strangers = refused(one.status.mismatches)
    .filter(({ kind }) => kind !== 'vrrp')
    .map(({ source }) => source);
  // What signs wrongly on a simulated network are the neighbours, under another name.
  if (strangers.length > 0) return strangers;
  return all
    .filter((other) => other.id !== one.id && other.status?.role === 'MASTER' && isSameNetwork(one, other))
    .map(({ node }) => node);
};

/** Of real networks nobody here knows which hosts share one. */
const isSameNetwork = ({ settings: one }: SidebarGroup, { settings: other }: SidebarGroup): boolean =>
  one?.transport === 'memory' &&
  other?.transport === 'memory' &&
  one.interface === other.interface &&
  one.vhid === other.vhid;

/** Those that the agent makes itself, and those of a carp-health node, end with their cause. */
const isRestorable = (reason: string): boolean =>
  !/^(?:maintenance$|observe$|stalled$|send-errors$|address-failed$|link-down(?: |$)|track(?: |:|$)|health )/.test(
    reason,
  );

/** A duration as a clock shows it, and the days before it. */
export const clockOf = (ms: number): { readonly days: number; readonly clock: string } => {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [days, hours, minutes, rest] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  const two = (n: number): string => String(n).padStart(2, '0');
  return { days, clock: `${days > 0 || hours > 0 ? `${two(hours)}:` : ''}${two(minutes)}:${two(rest)}` };
};

const present = <Key extends string, Value>(key: Key, value: Value | undefined): { readonly [P in Key]?: Value } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [P in Key]?: Value };
