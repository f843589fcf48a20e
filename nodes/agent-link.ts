/**
 * What the nodes need from an agent: the forked one of this Node-RED, or a system service behind a socket.
 * `src/agent` has the real ones; tests bring their own.
 */
import type { Observable } from 'rxjs';
import type { LinkState } from '../src/agent/link.ts';
import type {
  AdvskewParams,
  AdvskewReceipt,
  AgentStatus,
  ConfigureParams,
  DemoteParams,
  DemotionReceipt,
  GroupParams,
  HandOverParams,
  HandOverReceipt,
  MaintenanceParams,
  RestoreParams,
  SimulateParams,
  WatchParams,
} from '../src/agent/rpc.ts';
import type { SegmentUpdate } from '../src/agent/segment-updates.ts';
import type { Finding } from '../src/engine/mismatch.ts';
import type { CarpEvent } from '../src/engine/status.ts';
import type { Problem } from '../src/ports/error.ts';

/** The problem of one group came, changed, or (without `problem`) went. */
export type GroupProblem = GroupParams & { readonly problem?: Problem };

export interface AgentLink {
  /** Hot. After every (re)connection first a snapshot of each group. Never errors. */
  readonly events$: Observable<CarpEvent>;
  /** Hot. Never errors. */
  readonly problems$: Observable<GroupProblem>;
  /** What groups find out about their peers. Hot, never errors. */
  readonly findings$: Observable<Finding>;
  /** The present state first. `running` comes after the snapshots. */
  readonly state$: Observable<LinkState>;
  /** The agent has answered, and all that it had told before has arrived. @throws (rejects) CarpError CARP_NO_AGENT */
  readonly ping: () => Promise<void>;
  /** @throws (rejects) CarpError CARP_NO_AGENT */
  readonly status: () => Promise<AgentStatus>;
  /** @throws (rejects) CarpError CARP_NO_AGENT, CARP_NO_GROUP, CARP_NOT_MASTER, CARP_NOBODY */
  readonly handOver: (params: HandOverParams) => Promise<HandOverReceipt>;
  /** These four: @throws (rejects) CarpError CARP_NO_AGENT, CARP_NO_GROUP, CARP_CONFIG, CARP_FAILED */
  readonly demote: (params: DemoteParams) => Promise<DemotionReceipt>;
  readonly restore: (params: RestoreParams) => Promise<DemotionReceipt>;
  readonly maintenance: (params: MaintenanceParams) => Promise<DemotionReceipt>;
  readonly observe: (params: MaintenanceParams) => Promise<DemotionReceipt>;
  /** @throws (rejects) CarpError CARP_NO_AGENT, CARP_NO_GROUP, CARP_CONFIG */
  readonly advskew: (params: AdvskewParams) => Promise<AdvskewReceipt>;
  readonly simulate: (params: SimulateParams) => Promise<void>;
  /** What is heard on a segment. Cold, never errors; goes on with the next agent. */
  readonly watch: (params: WatchParams) => Observable<SegmentUpdate>;
  /** The forked agent bows out and ends; of a service only the connection is closed. */
  readonly stop: () => Promise<void>;
}

export interface OwnAgent extends AgentLink {
  /** Runs these hosts from now on; what did not change is left alone. Resolves when that has happened. */
  readonly configure: (params: ConfigureParams) => Promise<void>;
}

export interface Agents {
  /** Starts the agent of this process. Its end is never an exception: it is started again, and the groups say so. */
  readonly fork: (options: { readonly execPath?: string }) => OwnAgent;
  /** Connects to a system service, and again whenever the connection is lost. */
  readonly connect: (socket: string) => AgentLink;
}
