import { BehaviorSubject, type Observable, type SchedulerLike, Subject, Subscription } from 'rxjs';
import type { Finding } from '../engine/mismatch.ts';
import type { CarpEvent } from '../engine/status.ts';
import { CarpError, type Problem, problemOf } from '../ports/error.ts';
import { LastKnown } from './last-known.ts';
import { LinkSegments } from './link-segments.ts';
import { restarting } from './restarting.ts';
import type {
  AdvskewParams,
  AdvskewReceipt,
  AgentStatus,
  DemoteParams,
  DemotionReceipt,
  GroupParams,
  HandOverParams,
  HandOverReceipt,
  LogNotice,
  MaintenanceParams,
  ProblemNotice,
  RestoreParams,
  SimulateParams,
  WatchParams,
} from './rpc.ts';
import type { RpcClient } from './rpc-client.ts';
import type { SegmentUpdate } from './segment-updates.ts';

export type LinkState =
  | { readonly state: 'starting' }
  | { readonly state: 'running' }
  /** There is no agent now; it is tried again in `retryMs`. */
  | { readonly state: 'failed'; readonly problem: Problem; readonly retryMs: number }
  | { readonly state: 'stopped' };

/** An agent that may come and go. */
export interface AgentLink {
  /**
   * Hot, never errors. After each (re)connection a snapshot of each group; when the agent has gone, a transition to
   * STOPPED of each group that it had spoken of.
   */
  readonly events$: Observable<CarpEvent>;
  /** Hot, never errors. */
  readonly problems$: Observable<ProblemNotice>;
  /** Hot, never errors. */
  readonly findings$: Observable<Finding>;
  readonly logs$: Observable<LogNotice>;
  /** The present state first. */
  readonly state$: Observable<LinkState>;
  /**
   * Resolves when the agent has answered: it is alive, and all that it had told before has arrived.
   * @throws (rejects) CarpError CARP_NO_AGENT
   */
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
  /** @throws (rejects) CarpError CARP_NO_AGENT, CARP_NO_GROUP, CARP_CONFIG, CARP_FAILED */
  readonly advskew: (params: AdvskewParams) => Promise<AdvskewReceipt>;
  readonly simulate: (params: SimulateParams) => Promise<void>;
  /**
   * What is heard on a segment: how it stands, then what changes; a problem while nothing can be heard, or while there is
   * no agent, and a report when that is over. Cold; goes on with the next agent; completes with the link, never errors.
   */
  readonly watch: (params: WatchParams) => Observable<SegmentUpdate>;
}

export interface LinkOptions {
  /** Emits an agent that answers; fails when there is none, or when it has gone. Unsubscribing ends it. */
  readonly attempt$: Observable<RpcClient>;
  readonly scheduler: SchedulerLike;
  readonly wallClock: () => Date;
  /** Groups that are to be told of a failure although no agent has spoken of them. */
  readonly expected: () => readonly GroupParams[];
  /** After an agent has been subscribed to, before it counts as running. */
  readonly welcome: (client: RpcClient) => Promise<void>;
}

export interface Link extends AgentLink {
  /** The agent that answers now. */
  readonly client: () => RpcClient | undefined;
  /** Reports a problem of groups that the agent itself does not report. */
  readonly blame: (groups: readonly GroupParams[], problem: Problem) => void;
  /** Takes back what was blamed. */
  readonly forgive: () => void;
  /** Stops trying; what is connected is let go. The streams complete. */
  readonly end: () => void;
}

/** Keeps a connection to an agent: starts now, and again after each failure. */
export const createLink = ({ attempt$, scheduler, wallClock, expected, welcome }: LinkOptions): Link => {
  const events$ = new Subject<CarpEvent>();
  const problems$ = new Subject<ProblemNotice>();
  const findings$ = new Subject<Finding>();
  const logs$ = new Subject<LogNotice>();
  const state$ = new BehaviorSubject<LinkState>({ state: 'starting' });
  const known = new LastKnown();
  const attempts = new Subscription();
  let blamed: readonly GroupParams[] = [];
  let current: RpcClient | undefined;
  const segments = new LinkSegments(
    () => current ?? (state$.value.state === 'failed' ? state$.value.problem : undefined),
  );

  const report = (notice: ProblemNotice): void => {
    known.problem(notice);
    problems$.next(notice);
  };

  const lost = (problem: Problem): void => {
    current = undefined;
    const { events, problems } = known.lost(problem, wallClock(), expected());
    for (const event of events) events$.next(event);
    for (const notice of problems) problems$.next(notice);
    segments.lost(problem);
  };

  const failed = (error: unknown, retryMs: number): void => {
    const problem = problemOf(error);
    lost(problem);
    state$.next({ state: 'failed', problem, retryMs });
  };

  const connected = (client: RpcClient): void => {
    current = client;
    known.found();
    client.events$.subscribe((event) => {
      known.event(event);
      events$.next(event);
    });
    client.problems$.subscribe(report);
    client.findings$.subscribe((finding) => findings$.next(finding));
    client.logs$.subscribe((line) => logs$.next(line));
    segments.found(client);
    client
      .subscribe()
      .then(() => welcome(client))
      .then(
        () => {
          if (current !== client) return;
          for (const notice of known.settled()) problems$.next(notice);
          state$.next({ state: 'running' });
        },
        // An agent that does not answer is let go of, which fails the attempt; there is nothing else to undo.
        () => client.close(),
      );
  };

  attempts.add(restarting(attempt$, { scheduler, failed }).subscribe(connected));

  const required = (): RpcClient => {
    if (current !== undefined) return current;
    const state = state$.value;
    if (state.state === 'failed')
      throw new CarpError(state.problem.code, state.problem.message, { remedy: state.problem.remedy });
    throw new CarpError('CARP_NO_AGENT', state.state === 'stopped' ? 'the agent was stopped' : 'the agent starts');
  };

  return {
    events$,
    problems$,
    findings$,
    logs$,
    state$,
    client: () => current,
    blame: (groups, problem) => {
      blamed = groups;
      for (const { node, group } of groups) report({ node, group, problem });
    },
    forgive: () => {
      for (const { node, group } of blamed) report({ node, group });
      blamed = [];
    },
    ping: async () => void (await required().info()),
    status: async () => required().status(),
    handOver: async (params) => required().handOver(params),
    demote: async (params) => required().demote(params),
    restore: async (params) => required().restore(params),
    maintenance: async (params) => required().maintenance(params),
    observe: async (params) => required().observe(params),
    advskew: async (params) => required().advskew(params),
    watch: (params) => segments.watch(params),
    simulate: async (params) => required().simulate(params),
    end: () => {
      if (state$.value.state === 'stopped') return;
      attempts.unsubscribe();
      current = undefined;
      // Wanted, so no problem; but what was not heard of any more is not known any more.
      const { events } = known.lost(
        { code: 'CARP_NO_AGENT', message: 'the connection to the agent was closed' },
        wallClock(),
      );
      for (const event of events) events$.next(event);
      segments.end();
      state$.next({ state: 'stopped' });
      for (const stream$ of [events$, problems$, findings$, logs$, state$]) stream$.complete();
    },
  };
};
