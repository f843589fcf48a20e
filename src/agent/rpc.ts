/**
 * What can be said to an agent, and what it says: JSON-RPC 2.0, the same over the IPC channel of a forked agent and
 * over the Unix socket of a system service.
 *
 * Over a socket each message is one line of JSON, of at most `MESSAGE_BYTES_MAX` bytes.
 */
import { NotificationType, NotificationType0, RequestType, RequestType0 } from 'vscode-jsonrpc/node';
import type { HostConfig, MetricsConfig } from '../config/types.ts';
import type { HandOverReceipt } from '../engine/host.ts';
import type { Finding } from '../engine/mismatch.ts';
import type { CarpEvent, HostStatus, PublicRole } from '../engine/status.ts';
import type { Problem } from '../ports/error.ts';
import type { LogLevel } from '../ports/log.ts';
import type { DemotedGroup } from './demotions.ts';
import type { SegmentUpdate } from './segment-updates.ts';

export type { DemotedGroup, HandOverReceipt };

/** A longer request ends the connection: nobody has that much to say. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;
/** A longer answer ends the connection. The status of many groups, with their histories, is the longest. */
export const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
/** Code of the JSON-RPC error of a failure; its `data` is an `RpcFailure`. */
export const FAILURE_CODE = -32000;

export interface AgentInfo {
  readonly version: string;
  readonly pid: number;
  /** The nodes this agent speaks for. */
  readonly nodes: readonly string[];
}

export interface AgentStatus extends AgentInfo {
  readonly hosts: readonly HostStatus[];
}

/** Only to a forked agent: the hosts it is to run, whole. What did not change is left alone. */
export interface ConfigureParams {
  /** Where leases, counters and history are kept; a folder, created if missing. */
  readonly state: string;
  readonly hosts: readonly HostConfig[];
  /**
   * Demotes all hosts with the reason `stalled` when no `heartbeat` has come for this time, in s, until one comes again.
   * Missing or 0: never.
   */
  readonly stallTimeout?: number;
  /** Where metrics are answered, whatever the hosts say. Missing: where the first host wants them, if one does. */
  readonly metrics?: MetricsConfig;
}

export interface GroupParams {
  readonly node: string;
  readonly group: string;
}

/** Which host of the agent. It may be left out where the agent runs only one. */
export interface HostParams {
  readonly node?: string;
}

export interface HandOverParams extends HostParams {
  readonly group: string;
  /** Release the addresses also when nobody takes over. */
  readonly force?: boolean;
}

/** Adds an entry to the demotion ledger, or changes the one of the same reason and group (DESIGN D6). */
export interface DemoteParams extends HostParams {
  /** 1..64 printable characters, and none of the reasons that the agent itself gives. */
  readonly reason: string;
  /** 1..65535; 240 and more hand over. */
  readonly weight: number;
  /** Missing: the whole host. */
  readonly group?: string;
  /** Ends by itself after this time, in ms. Missing: by `restore`, or with the agent. */
  readonly forMs?: number;
}

export interface RestoreParams extends HostParams {
  readonly reason: string;
  readonly group?: string;
}

/**
 * A mode that is stored: it outlives the agent and the machine, until it is switched off. `maintenance` is a demotion of
 * 240; who is told to `observe` never becomes MASTER besides.
 */
export interface MaintenanceParams extends HostParams {
  readonly on: boolean;
  /** Missing: the whole host; "off" then also ends that mode of its groups. */
  readonly group?: string;
}

/** Another advskew than that of the configuration; until the agent ends or the group's settings change. */
export interface AdvskewParams extends HostParams {
  readonly group: string;
  /** 0..254, in 1/256 s; `null`: that of the configuration again. */
  readonly advskew: number | null;
}

export interface AdvskewReceipt {
  readonly node: string;
  readonly group: string;
  /** In use now. Demotion comes on top of it. */
  readonly advskew: number;
  /** That of the configuration. */
  readonly configured: number;
  /** Now: another rank alone is no change of role. A better BACKUP that preempts acts at the MASTER's next advert. */
  readonly role: PublicRole;
}

export interface DemotionReceipt {
  readonly node: string;
  /** Whether anything is different now: what was so before is no mistake. */
  readonly changed: boolean;
  /** The groups that the change is about, after all farewells that came of it. */
  readonly groups: readonly DemotedGroup[];
}

/** Pulls the plug of a simulated host (transport `memory`), or plugs it in again. */
export interface SimulateParams {
  readonly node: string;
  readonly action: 'crash' | 'revive';
}

/** A segment: of an interface of the agent's machine or, `simulated`, of the LAN of the simulated hosts in the agent. */
export interface WatchParams {
  readonly interface: string;
  readonly simulated?: boolean;
}

/** What is heard on a segment that somebody listens to. */
export type SegmentNotice = Required<WatchParams> & SegmentUpdate;

/** The problem of a group came, changed or (`problem` missing) went. */
export interface ProblemNotice extends GroupParams {
  readonly problem?: Problem;
}

export interface LogNotice {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Failures carry this as `data` of the JSON-RPC error. */
export type RpcFailure = Problem;

export const Rpc = {
  info: new RequestType0<AgentInfo, RpcFailure>('info'),
  status: new RequestType0<AgentStatus, RpcFailure>('status'),
  /** From now on `event` and `problem` come; first, before the answer, one snapshot of each group and what is wrong. */
  subscribe: new RequestType0<void, RpcFailure>('subscribe'),
  configure: new RequestType<ConfigureParams, void, RpcFailure>('configure'),
  handOver: new RequestType<HandOverParams, HandOverReceipt, RpcFailure>('hand-over'),
  demote: new RequestType<DemoteParams, DemotionReceipt, RpcFailure>('demote'),
  restore: new RequestType<RestoreParams, DemotionReceipt, RpcFailure>('restore'),
  maintenance: new RequestType<MaintenanceParams, DemotionReceipt, RpcFailure>('maintenance'),
  observe: new RequestType<MaintenanceParams, DemotionReceipt, RpcFailure>('observe'),
  advskew: new RequestType<AdvskewParams, AdvskewReceipt, RpcFailure>('advskew'),
  simulate: new RequestType<SimulateParams, void, RpcFailure>('simulate'),
  /**
   * From now on `segment` comes for this segment: how it stands, then what changes. Once more: how it stands, again. That
   * nothing can be heard there is a notice, too, and is tried again.
   */
  watch: new RequestType<WatchParams, void, RpcFailure>('watch'),
  unwatch: new RequestType<WatchParams, void, RpcFailure>('unwatch'),
  /** Bow out of everything and end; answered when that is done. Only to a forked agent. */
  stop: new RequestType0<void, RpcFailure>('stop'),
  /** The process that owns the agent is well. Only to a forked agent; ten times in each `stallTimeout`, at least once in 1 s. */
  heartbeat: new NotificationType0('heartbeat'),
  /** Something happened to a group. */
  event: new NotificationType<CarpEvent>('event'),
  problem: new NotificationType<ProblemNotice>('problem'),
  /** A group found something out about its peers; what holds now is in its status. */
  finding: new NotificationType<Finding>('finding'),
  segment: new NotificationType<SegmentNotice>('segment'),
  /** A log line. Only from a forked agent, whose parent has the log. */
  log: new NotificationType<LogNotice>('log'),
} as const;
