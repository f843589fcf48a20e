/** What the JSON topics say. Role, mode, advskew, vip and status are plain text. All times are ISO 8601, wall clock. */
import type { CarpEvent } from '../../engine/status.ts';

/** `<base>/node/<node>/info` */
export interface NodeInfo {
  readonly node: string;
  /** Of the process: two of one node name tell each other apart by it. */
  readonly instance: string;
  readonly startedAt: string;
  readonly at: string;
  readonly version: string;
  readonly hostname: string;
  /** Commands that are obeyed. */
  readonly commands: readonly string[];
  /** This host compares nothing and writes no alarms; others do. */
  readonly alarms?: false;
  readonly groups: readonly NodeInfoGroup[];
}

export interface NodeInfoGroup {
  readonly group: string;
  readonly vhid: number;
  readonly interface: string;
  readonly sync?: string;
  readonly advbase: number;
  readonly deadratio: number;
  /** The same where the addresses (without prefix lengths) are the same; see `addressFingerprint`. */
  readonly fingerprint: string;
}

/** `<base>/<group>/master`: written by the MASTER only. Of two, the later `at` is right; `seq` orders those of one node. */
export interface MasterClaim {
  readonly node: string;
  readonly address: string;
  readonly vhid: number;
  /** When it became MASTER. */
  readonly since: string;
  readonly at: string;
  readonly seq: number;
}

/** What Home Assistant calls a transition. */
export const EVENT_TYPES = ['became_master', 'became_backup', 'became_init', 'stopped'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** `<base>/<group>/node/<node>/event` */
export interface EventReport extends CarpEvent {
  readonly event_type: EventType;
}

/** `<base>/<group>/node/<node>/peers/<address>`: another speaker of the group, as this node hears it. */
export interface PeerReport {
  readonly address: string;
  /** `silent`: it said farewell, or nothing for one master-down time of its own interval. */
  readonly state: 'advertising' | 'silent';
  /** This node is MASTER, and it goes on advertising instead of giving way. */
  readonly rival?: true;
  readonly advbase: number;
  readonly advskew: number;
  /** Byte 4 of OpenBSD. */
  readonly demotion: number;
  readonly firstHeard: string;
  readonly lastHeard: string;
  /** When this was written. All three are times of this node. */
  readonly at: string;
}

export const ALARM_CODES = [
  'two-masters',
  'no-master',
  'mixed-sync',
  'one-way',
  'different-addresses',
  'different-vhid',
  'duplicate-node',
] as const;
export type AlarmCode = (typeof ALARM_CODES)[number];

export interface Alarm {
  readonly code: AlarmCode;
  /** What is wrong, with names, and what to do: one sentence for people. */
  readonly text: string;
  readonly nodes: readonly string[];
  readonly since: string;
}

/** `<base>/<group>/alarm`: written by one of the group's online hosts, the first by name. */
export interface AlarmReport {
  readonly active: boolean;
  readonly alarms: readonly Alarm[];
  readonly group: string;
  /** Who says so. */
  readonly by: string;
  readonly at: string;
}
