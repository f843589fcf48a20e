import { type Observable, ReplaySubject, Subject } from 'rxjs';
import { ErrorCodes, type MessageConnection, ResponseError } from 'vscode-jsonrpc/node';
import type { Finding } from '../engine/mismatch.ts';
import type { CarpEvent } from '../engine/status.ts';
import { CarpError, type CarpErrorCode, type Problem } from '../ports/error.ts';
import {
  type AdvskewParams,
  type AdvskewReceipt,
  type AgentInfo,
  type AgentStatus,
  type ConfigureParams,
  type DemoteParams,
  type DemotionReceipt,
  type HandOverParams,
  type HandOverReceipt,
  type LogNotice,
  type MaintenanceParams,
  type ProblemNotice,
  type RestoreParams,
  Rpc,
  type SegmentNotice,
  type SimulateParams,
  type WatchParams,
} from './rpc.ts';

/** An agent answers within this time, unless it has to wait for the network. */
const ANSWER_MS = 5000;

/**
 * One connection to one agent. All calls reject with a CarpError: that of the agent, or CARP_NO_AGENT when the
 * connection ends or no answer comes.
 */
export interface RpcClient {
  /** Hot, all of them; complete when the connection closes. Nothing comes before `subscribe`. */
  readonly events$: Observable<CarpEvent>;
  readonly problems$: Observable<ProblemNotice>;
  readonly findings$: Observable<Finding>;
  /** Of the segments that are watched. */
  readonly segments$: Observable<SegmentNotice>;
  readonly logs$: Observable<LogNotice>;
  /** Emits once, also to late subscribers, when the connection has ended. */
  readonly closed$: Observable<void>;
  /** Waits for `waitMs`, where the agent may still be starting. */
  readonly info: (waitMs?: number) => Promise<AgentInfo>;
  readonly status: () => Promise<AgentStatus>;
  readonly subscribe: () => Promise<void>;
  readonly configure: (params: ConfigureParams) => Promise<void>;
  readonly handOver: (params: HandOverParams) => Promise<HandOverReceipt>;
  readonly demote: (params: DemoteParams) => Promise<DemotionReceipt>;
  readonly restore: (params: RestoreParams) => Promise<DemotionReceipt>;
  readonly maintenance: (params: MaintenanceParams) => Promise<DemotionReceipt>;
  readonly observe: (params: MaintenanceParams) => Promise<DemotionReceipt>;
  readonly advskew: (params: AdvskewParams) => Promise<AdvskewReceipt>;
  readonly simulate: (params: SimulateParams) => Promise<void>;
  /** Notices of it come from now on; each call makes the agent tell again how it stands. */
  readonly watch: (params: WatchParams) => Promise<void>;
  readonly unwatch: (params: WatchParams) => Promise<void>;
  /** Resolves when the channel has taken it, or has ended meanwhile. @throws (rejects) when it had ended before */
  readonly heartbeat: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly close: () => void;
}

/** Speaks to the agent at the other end, and starts listening. `end` closes what carries the connection. */
export const rpcClient = (connection: MessageConnection, end: () => void): RpcClient => {
  const events$ = new Subject<CarpEvent>();
  const problems$ = new Subject<ProblemNotice>();
  const findings$ = new Subject<Finding>();
  const segments$ = new Subject<SegmentNotice>();
  const logs$ = new Subject<LogNotice>();
  const closed$ = new ReplaySubject<void>(1);

  let open = true;
  const close = (): void => {
    if (!open) return;
    open = false;
    end();
    // The library leaves unanswered requests pending for ever unless it is disposed.
    connection.dispose();
    for (const stream$ of [events$, problems$, findings$, segments$, logs$]) stream$.complete();
    closed$.next();
    closed$.complete();
  };

  connection.onNotification(Rpc.event, (event) => events$.next(event));
  connection.onNotification(Rpc.problem, (notice) => problems$.next(notice));
  connection.onNotification(Rpc.finding, (finding) => findings$.next(finding));
  connection.onNotification(Rpc.segment, (notice) => segments$.next(notice));
  connection.onNotification(Rpc.log, (notice) => logs$.next(notice));
  connection.onClose(close);
  connection.onError(() => undefined);
  connection.listen();

  const call = async <Result>(send: () => Promise<Result>, waitMs = ANSWER_MS): Promise<Result> => {
    if (!open) throw gone();
    let timeout: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timeout = setTimeout(() => reject(silent(waitMs)), waitMs);
    });
    try {
      return await Promise.race([send(), late]);
    } catch (error) {
      throw asCarpError(error);
    } finally {
      clearTimeout(timeout);
    }
  };

  return {
    events$,
    problems$,
    findings$,
    segments$,
    logs$,
    closed$,
    info: (waitMs) => call(() => connection.sendRequest(Rpc.info), waitMs),
    status: () => call(() => connection.sendRequest(Rpc.status)),
    subscribe: () => call(() => connection.sendRequest(Rpc.subscribe)),
    configure: (params) => call(() => connection.sendRequest(Rpc.configure, params)),
    handOver: (params) => call(() => connection.sendRequest(Rpc.handOver, params)),
    demote: (params) => call(() => connection.sendRequest(Rpc.demote, params)),
    restore: (params) => call(() => connection.sendRequest(Rpc.restore, params)),
    maintenance: (params) => call(() => connection.sendRequest(Rpc.maintenance, params)),
    observe: (params) => call(() => connection.sendRequest(Rpc.observe, params)),
    advskew: (params) => call(() => connection.sendRequest(Rpc.advskew, params)),
    simulate: (params) => call(() => connection.sendRequest(Rpc.simulate, params)),
    watch: (params) => call(() => connection.sendRequest(Rpc.watch, params)),
    unwatch: (params) => call(() => connection.sendRequest(Rpc.unwatch, params)),
    // `async`: on a connection that has ended the library throws at once.
    heartbeat: async () => connection.sendNotification(Rpc.heartbeat),
    stop: () => call(() => connection.sendRequest(Rpc.stop)),
    close,
  };
};

const gone = (): CarpError => new CarpError('CARP_NO_AGENT', 'the connection to the agent has ended');
const silent = (waitMs: number): CarpError =>
  new CarpError('CARP_NO_AGENT', `the agent does not answer within ${waitMs} ms`);

const isProblem = (value: unknown): value is Problem =>
  typeof value === 'object' && value !== null && 'code' in value && 'message' in value;

const asCarpError = (error: unknown): CarpError => {
  if (error instanceof CarpError) return error;
  if (!(error instanceof ResponseError)) return gone();
  if (isProblem(error.data))
    return new CarpError(error.data.code as CarpErrorCode, error.data.message, { remedy: error.data.remedy });
  if (error.code === ErrorCodes.PendingResponseRejected || error.code === ErrorCodes.MessageWriteError) return gone();
  return new CarpError('CARP_FAILED', error.message, {
    remedy: 'use the same version of this package here and for the agent',
  });
};
