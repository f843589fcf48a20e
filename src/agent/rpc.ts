/**
 * What can be said to an agent, and what it says: JSON-RPC 2.0, the same over the IPC channel of a forked agent and
 * over the Unix socket of a system service.
 *
 * Over a socket each message is one line of JSON, of at most `MESSAGE_BYTES_MAX` bytes.
 */
import { NotificationType, RequestType, RequestType0 } from 'vscode-jsonrpc';
import type { HostConfig } from '../config/types.ts';
import type { CarpEvent, HostStatus } from '../engine/status.ts';
import type { Problem } from '../ports/error.ts';

/** A longer message ends the connection: nobody has that much to say. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;

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
}

export interface GroupParams {
  readonly node: string;
  readonly group: string;
}

export interface HandOverParams extends GroupParams {
  /** Release the addresses also when nobody takes over. */
  readonly force?: boolean;
}

export interface HandOverReceipt {
  /** Who took it. */
  readonly address: string;
  readonly afterMs: number;
}

/** Pulls the plug of a simulated host (transport `memory`), or plugs it in again. */
export interface SimulateParams {
  readonly node: string;
  readonly action: 'crash' | 'revive';
}

/** Failures carry this as `data` of the JSON-RPC error. */
export type RpcFailure = Problem;

export const Rpc = {
  info: new RequestType0<AgentInfo, RpcFailure>('info'),
  status: new RequestType0<AgentStatus, RpcFailure>('status'),
  /** From now on `event` notifications come; first one snapshot of each group. */
  subscribe: new RequestType0<void, RpcFailure>('subscribe'),
  configure: new RequestType<ConfigureParams, void, RpcFailure>('configure'),
  handOver: new RequestType<HandOverParams, HandOverReceipt, RpcFailure>('hand-over'),
  simulate: new RequestType<SimulateParams, void, RpcFailure>('simulate'),
  /** Bow out of everything and end; answered when that is done. Only to a forked agent. */
  stop: new RequestType0<void, RpcFailure>('stop'),
  /** Something happened to a group. */
  event: new NotificationType<CarpEvent>('event'),
  /** The problem of a group came, changed or went (`problem` missing). */
  problem: new NotificationType<GroupParams & { readonly problem?: Problem }>('problem'),
} as const;
