import type { ChildProcess } from 'node:child_process';
import { asyncScheduler, BehaviorSubject, type Observable, type SchedulerLike, Subject, switchMap, timer } from 'rxjs';
import { CarpError, type CarpErrorCode, type Problem, problemOf } from '../ports/error.ts';
import { seconds } from '../protocol/units.ts';
import { forkedAgent } from './fork-agent.ts';
import { heartbeats, STALL_TIMEOUT_S } from './heartbeat.ts';
import { type AgentLink, createLink } from './link.ts';
import type { ConfigureParams, GroupParams } from './rpc.ts';
import type { RpcClient } from './rpc-client.ts';

/** Settings that come one after the other, as in a deploy, are sent together. */
const SETTLE_MS = 50;
/** An orderly stop may take this long. */
export const STOP_MS_MAX = 2000;

export interface SupervisorOptions {
  /** The node that runs the agent: a copy with capabilities, `agentExecPath`. Default: the node of this process. */
  readonly execPath?: string | undefined;
  /** The agent's module. */
  readonly entry?: string;
  readonly scheduler?: SchedulerLike;
  readonly wallClock?: () => Date;
  readonly onSpawn?: (child: ChildProcess) => void;
  /**
   * How long this process may be silent before its agent takes it to hang, and demotes its hosts; in s, 0 = never.
   * `configure` may say otherwise. Default: 15.
   */
  readonly stallTimeout?: number;
  /** Starts agents; default: in processes of their own. */
  readonly attempt$?: Observable<RpcClient>;
}

/** The agent of this process: one child, started again with the same settings whenever it ends. */
export interface Supervisor extends AgentLink {
  /**
   * Runs these hosts from now on, also after a restart. Resolves when the agent does; of calls in quick succession
   * the last one counts, and all are answered alike.
   * @throws (rejects) CarpError CARP_CONFIG; CARP_NO_AGENT when there is none at present: it is told when it has started
   */
  readonly configure: (params: ConfigureParams) => Promise<void>;
  /**
   * The agent bows out and ends. Resolves within 2 s; last hooks may run for 5 s more, and an agent that then is still
   * there is killed.
   */
  readonly stop: () => Promise<void>;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: CarpError) => void;
}

/** Starts an agent now, and keeps it running until `stop`. */
export const createSupervisor = (options: SupervisorOptions = {}): Supervisor => {
  const { execPath, entry, onSpawn, scheduler = asyncScheduler, wallClock = () => new Date() } = options;
  const { stallTimeout: usualStallTimeout = STALL_TIMEOUT_S } = options;
  const stallTimeout$ = new BehaviorSubject(seconds(usualStallTimeout));
  const changed$ = new Subject<void>();
  let wanted: ConfigureParams | undefined;
  let waiting: Waiting[] = [];
  let stopping: Promise<void> | undefined;

  const settle = (answer: (one: Waiting) => void): void => {
    const all = waiting;
    waiting = [];
    for (const one of all) answer(one);
  };

  const configure = async (client: RpcClient): Promise<void> => {
    const params = wanted;
    if (params === undefined) return;
    const asked = waiting;
    waiting = [];
    link.forgive();
    try {
      await client.configure(params);
      for (const { resolve } of asked) resolve();
    } catch (error) {
      const problem = problemOf(error);
      const failure = carpError(problem);
      // Nothing of it runs: that is news of each group, for those who listen but did not ask.
      if (problem.code !== 'CARP_NO_AGENT') link.blame(groupsOf(params), problem);
      for (const { reject } of asked) reject(failure);
    }
  };

  const link = createLink({
    attempt$: options.attempt$ ?? forkedAgent({ execPath, ...(entry === undefined ? {} : { entry }), onSpawn }),
    scheduler,
    wallClock,
    expected: () => groupsOf(wanted),
    welcome: configure,
  });
  const states = link.state$.subscribe((state) => {
    if (state.state === 'failed') settle(({ reject }) => reject(carpError(state.problem)));
  });
  const changes = changed$.pipe(switchMap(() => timer(SETTLE_MS, scheduler))).subscribe(() => {
    const client = link.client();
    if (client !== undefined) void configure(client);
  });

  const beating = heartbeats(stallTimeout$, async () => link.client()?.heartbeat(), scheduler).subscribe();

  const stop = async (): Promise<void> => {
    changes.unsubscribe();
    const client = link.client();
    if (client !== undefined) await Promise.race([client.stop().catch(() => undefined), wait(STOP_MS_MAX)]);
    states.unsubscribe();
    beating.unsubscribe();
    link.end();
    settle(({ reject }) => reject(new CarpError('CARP_NO_AGENT', 'the agent was stopped')));
  };

  const { client: _client, end: _end, ...visible } = link;
  return {
    ...visible,
    configure: (params) =>
      new Promise((resolve, reject) => {
        if (stopping !== undefined) return reject(new CarpError('CARP_NO_AGENT', 'the agent was stopped'));
        wanted = { stallTimeout: usualStallTimeout, ...params };
        stallTimeout$.next(seconds(wanted.stallTimeout ?? usualStallTimeout));
        waiting.push({ resolve, reject });
        changed$.next();
      }),
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
};

const groupsOf = (params: ConfigureParams | undefined): readonly GroupParams[] =>
  params?.hosts.flatMap(({ node, groups }) => groups.map(({ name }) => ({ node, group: name }))) ?? [];

const carpError = ({ code, message, remedy }: Problem): CarpError =>
  new CarpError(code as CarpErrorCode, message, { remedy });

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
