import type { Reason, Role } from '../machine/roles.ts';
import type { Problem } from '../ports/error.ts';
import type { Family } from '../protocol/address.ts';
import type { LatenessReport } from './lateness.ts';
import type { HintEvent, MismatchEvent } from './mismatch.ts';
import type { Mode } from './mode.ts';

/** A role as others see it: STOPPED when the agent has gone. */
export type PublicRole = Role | 'STOPPED';

/** Who is MASTER, as far as this host knows. */
export interface Master {
  readonly address: string;
  readonly self: boolean;
}

/**
 * One thing that happened to a group, in the one shape of the command line, `msg.carp`, and MQTT (DESIGN 5).
 * A `snapshot` tells the present state to somebody who has just come; a `transition` is a change of role.
 */
export interface CarpEvent {
  readonly event: 'transition' | 'snapshot';
  readonly group: string;
  readonly interface: string;
  readonly vhid: number;
  readonly node: string;
  readonly role: PublicRole;
  readonly previous: PublicRole;
  readonly reason: Reason;
  /** The numbers that decided, in a sentence for people. */
  readonly detail: string;
  /** Wall-clock time, ISO 8601 with milliseconds. */
  readonly at: string;
  /** Counts the transitions of this group since the agent started. */
  readonly seq: number;
  readonly master?: Master;
  readonly advbase: number;
  /** In use; an operator may have set it at run time. */
  readonly advskew: number;
  /** That of the configuration, where another one is in use. */
  readonly configuredAdvskew?: number;
  /** Sum of the weights of all reasons that demote this group now. */
  readonly demotion: number;
  readonly addresses: readonly string[];
  /** As operators have it, where an agent runs the group. Missing: `normal`. */
  readonly mode?: Mode;
  /** Of a transition: the line of FreeBSD's devd(8), `!system=CARP subsystem=10@eth0 type=MASTER`. */
  readonly devd?: string;
}

/** Why packets were refused, how often, since the group was opened. Names of `netstat -s -p carp`. */
export interface Counters {
  readonly received: number;
  readonly sent: number;
  readonly sendErrors: number;
  readonly badttl: number;
  readonly badlen: number;
  readonly badsum: number;
  readonly badver: number;
  readonly badvhid: number;
  readonly badauth: number;
  readonly replayed: number;
  readonly reflected: number;
  /** Dropped by the kernel because this process was too slow. */
  readonly dropped: number;
}

export interface DemotionEntry {
  readonly reason: string;
  readonly weight: number;
  readonly since: string;
  readonly until?: string;
}

export type HookName = 'up' | 'down' | 'change';

/** How the run of a hook ended. */
export interface HookReport {
  readonly hook: HookName;
  /** Of the transition that it was run for. */
  readonly seq: number;
  /** When it had ended; wall-clock time, ISO 8601. */
  readonly at: string;
  /** `superseded`: a later transition made it pointless before it began; `cancelled`: while it ran. */
  readonly outcome: 'exited' | 'timeout' | 'cancelled' | 'superseded' | 'not-started';
  /** Of one that exited. */
  readonly code?: number;
  readonly ms?: number;
  /** The last line of what a hook that failed has said, or why it could not be started. */
  readonly message?: string;
}

/** Another speaker of a group, as this host hears it. */
export interface PeerStatus {
  /** Where its adverts come from. A host of both families has two. */
  readonly address: string;
  readonly family: Family;
  /** `silent`: it said farewell, or nothing for one master-down time of its own interval. */
  readonly state: 'advertising' | 'silent';
  /** This host is MASTER, and it goes on advertising instead of giving way: it does not hear us, or thinks it is better. */
  readonly rival?: true;
  readonly advbase: number;
  /** As sent: raised by what demotes it. */
  readonly advskew: number;
  /** Byte 4 of OpenBSD; 0 from all others. */
  readonly demotion: number;
  /** Wall-clock time, ISO 8601, since this agent started. */
  readonly firstHeard: string;
  readonly lastHeard: string;
  /** How long ago that is, in ms. */
  readonly lastHeardMs: number;
}

/** All that can be known about a group now. */
export interface GroupStatus extends Omit<CarpEvent, 'event' | 'at' | 'devd'> {
  /** When the present role began. */
  readonly since: string;
  /** Time between two adverts of this host with its present demotion, in ms. */
  readonly intervalMs: number;
  readonly masterDownMs: number;
  /** While MASTER: how long the kernel keeps the addresses if the agent stops renewing them. Missing: it does not hold any. */
  readonly leaseSeconds?: number;
  /** Of those: how long ago they were renewed, in ms. Missing: nothing has to be renewed. */
  readonly leaseAgeMs?: number;
  /** How long ago the MASTER (if it is another host) was last heard, in ms. */
  readonly lastAdvertMs?: number;
  /** Other speakers of the group whose adverts were accepted, at most 16. Missing: none was heard. */
  readonly peers?: readonly PeerStatus[];
  readonly counters: Counters;
  /** How late the adverts that the clock asked for have left. Missing: there were none. */
  readonly advertLateness?: LatenessReport;
  readonly ledger: readonly DemotionEntry[];
  /** The last transitions, newest first. */
  readonly history: readonly CarpEvent[];
  /** The last runs of hooks, newest first, where the group has hooks. */
  readonly hooks?: readonly HookReport[];
  /** Peers whose adverts are refused now, and why: the last 8, latest first. Missing: there are none. */
  readonly mismatches?: readonly MismatchEvent[];
  /** Peers that another `compatibility` would fit: at most 8. Missing: there are none. */
  readonly hints?: readonly HintEvent[];
  /** What keeps the group from working, and what to do about it. */
  readonly problem?: Problem;
}

/** What is wrong on the message bus, for people: `duplicate-node`, or an alarm about a group. */
export interface BusTrouble {
  readonly code: string;
  /** Missing: it is about the host. */
  readonly group?: string;
  readonly message: string;
  readonly remedy?: string;
}

/** Whom one group hears. */
export interface GroupPeers {
  readonly group: string;
  readonly peers: readonly PeerStatus[];
}

/** How a host stands with its MQTT broker. No election depends on it. */
export interface BusStatus {
  /** Its URL, without anything secret. */
  readonly broker: string;
  readonly connected: boolean;
  /** Why there is no connection. */
  readonly problem?: string;
  /** Messages that wait. */
  readonly queued: number;
  /** Events that were dropped since the start, because the broker was away or slow. */
  readonly dropped: number;
  readonly troubles: readonly BusTrouble[];
}

export interface HostStatus {
  readonly node: string;
  /** Missing: this host has no broker. */
  readonly bus?: BusStatus;
  readonly groups: readonly GroupStatus[];
}
