import {
  BehaviorSubject,
  concatMap,
  EMPTY,
  type Observable,
  type SchedulerLike,
  Subject,
  Subscription,
  skip,
  timer,
} from 'rxjs';
import type { HostConfig } from '../config/types.ts';
import type { Finding } from '../engine/mismatch.ts';
import type { GroupSettings, HostSettings } from '../engine/settings.ts';
import type { CarpEvent } from '../engine/status.ts';
import { CarpError, type Problem, problemOf } from '../ports/error.ts';
import { seconds } from '../protocol/units.ts';
import { stalls } from './heartbeat.ts';
import { Hosted, type HostedOptions, type Plan } from './hosted.ts';
import { digestRules } from './known-keys.ts';
import { createMaintenanceStore } from './maintenance-store.ts';
import { createMetrics, type Serve } from './metrics.ts';
import { createOperator, type Operator } from './operator.ts';
import type {
  AgentInfo,
  AgentStatus,
  ConfigureParams,
  HandOverParams,
  HandOverReceipt,
  ProblemNotice,
  SimulateParams,
  WatchParams,
} from './rpc.ts';
import type { SegmentUpdate } from './segment-updates.ts';
import { createSegments } from './segments.ts';
import type { Place } from './world.ts';

/** How often a group whose virtual host is served by another agent looks whether that one has gone. */
export const LOCK_RETRY_MS = 5000;

export interface AgentOptions extends HostedOptions {
  /** Checks the configuration of a host that came over the wire. @throws CarpError CARP_CONFIG */
  readonly parseHost: (config: object) => HostConfig;
  /** Reads passwords and turns units. @throws CarpError */
  readonly settingsOf: (config: HostConfig) => HostSettings;
  readonly scheduler: SchedulerLike;
  /** Default: there are no metrics. */
  readonly serveMetrics?: Serve;
}

/** All CARP hosts of one process: usually one; several where several are simulated. */
export interface Agent extends Operator {
  /** Hot. Complete when the agent has stopped. */
  readonly events$: Observable<CarpEvent>;
  readonly problems$: Observable<ProblemNotice>;
  /** What the groups find out about their peers. Hot; completes as `events$`. */
  readonly findings$: Observable<Finding>;
  readonly info: () => AgentInfo;
  readonly status: () => AgentStatus;
  readonly snapshots: () => readonly CarpEvent[];
  /** All problems that there are now. */
  readonly problems: () => readonly ProblemNotice[];
  /**
   * Runs these hosts and no others. A host or group that did not change is not touched; one that cannot run has a
   * problem, and what ran before goes on. Calls are worked off one after the other.
   * @throws (rejects) CarpError CARP_CONFIG, and nothing has changed
   */
  readonly configure: (params: Omit<ConfigureParams, 'hosts'> & { readonly hosts: readonly object[] }) => Promise<void>;
  readonly handOver: (params: HandOverParams) => Promise<HandOverReceipt>;
  readonly simulate: (params: SimulateParams) => Promise<void>;
  /** What is heard on a segment, by as many as like. Cold; never completes and never errors. */
  readonly watch: (params: WatchParams) => Observable<SegmentUpdate>;
  /** The owner of this agent is well; see `stallTimeout` of `configure`. */
  readonly heartbeat: () => void;
  /** Bows out of everything. Resolves within 2.5 s, and 5 s more for the last hooks; the same for each caller. */
  readonly stop: () => Promise<void>;
}

/** An agent that runs nothing yet. It must be stopped. */
export const createAgent = (options: AgentOptions): Agent => {
  const { world, scheduler, version } = options;
  const maintenance = createMaintenanceStore(options);
  const events$ = new Subject<CarpEvent>();
  const problems$ = new Subject<ProblemNotice>();
  const findings$ = new Subject<Finding>();
  const hosts = new Map<string, Hosted>();
  const jobs$ = new Subject<() => Promise<void>>();
  const jobs = jobs$.pipe(concatMap((job) => job())).subscribe();
  const retries = new Subscription();
  const heartbeats$ = new Subject<void>();
  const stallTimeout$ = new BehaviorSubject(seconds(0));
  let stalled = false;
  const metrics = createMetrics({
    serve: options.serveMetrics ?? (() => EMPTY),
    version,
    hosts: () => [...hosts.values()].map((host) => host.status()),
    events$,
    changes$: problems$,
    scheduler,
    log: options.log,
  });
  /** Of hosts that have left. */
  const lastHooks = new Set<Promise<void>>();
  let stopping: Promise<void> | undefined;

  /** One at a time. A job that fails rejects here and stops no other. */
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> =>
    new Promise((resolve, reject) => jobs$.next(() => work().then(resolve, reject)));

  const refuseWhenStopping = (): void => {
    if (stopping !== undefined) throw new CarpError('CARP_FAILED', 'the agent is about to stop');
  };

  /** @param node - may be left out where there is one host only */
  const hostOf = (node: string | undefined): Hosted => {
    refuseWhenStopping();
    const known = [...hosts.keys()].join(', ') || 'none';
    if (node === undefined) {
      const [only, ...others] = hosts.values();
      if (only !== undefined && others.length === 0) return only;
      throw new CarpError('CARP_NO_GROUP', `this agent runs ${hosts.size} hosts, and none is named`, {
        remedy: `name one of: ${known}`,
      });
    }
    const host = hosts.get(node);
    if (host !== undefined) return host;
    throw new CarpError('CARP_NO_GROUP', `there is no host ${node} here`, { remedy: `hosts here: ${known}` });
  };

  const welcome = (plan: Plan): Hosted => {
    const { node } = plan.config;
    const host = new Hosted(plan, options, maintenance);
    hosts.set(node, host);
    if (stalled) host.stall(true);
    host.events$.subscribe((event) => events$.next(event));
    host.problems$.subscribe((problem) => problems$.next({ node, ...problem }));
    host.findings$.subscribe((finding) => findings$.next(finding));
    return host;
  };

  const dismiss = async (host: Hosted): Promise<void> => {
    await host.stop();
    hosts.delete(host.node);
    const hooks = host.lastHooks.then(() => void lastHooks.delete(hooks));
    lastHooks.add(hooks);
  };

  const configure = async (params: Parameters<Agent['configure']>[0]): Promise<void> => {
    const { state, hosts: wanted, stallTimeout = 0 } = params;
    refuseWhenStopping();
    const configs = wanted.map(options.parseHost);
    requireDistinct(configs);
    stallTimeout$.next(seconds(stallTimeout));
    const plans = configs.map((config) =>
      planOf(config, { state, settingsOf: options.settingsOf, before: hosts.get(config.node)?.plan }),
    );
    const nodes = new Set(configs.map(({ node }) => node));
    await maintenance.open(state, [...nodes]);
    await Promise.all([...hosts.values()].filter(({ node }) => !nodes.has(node)).map(dismiss));
    const places = plans.flatMap((plan) => plan.places);
    world.keepOnly(places);
    await world.prepare(places);
    refuseWhenStopping();
    await Promise.all(plans.map((plan) => (hosts.get(plan.config.node) ?? welcome(plan)).run(plan)));
    // Last: an answer that comes before the groups run would be wrong.
    metrics.run([
      { from: 'the process that owns this agent', metrics: params.metrics },
      ...configs.map((config) => ({ from: `node ${config.node}`, metrics: config.metrics })),
    ]);
  };

  const retryRefused = async (): Promise<void> => {
    for (const host of hosts.values()) {
      const { waiting } = host;
      if (waiting.length === 0) continue;
      await world.prepare(host.plan.places);
      if (waiting.some(world.isReady)) await host.run(host.plan);
    }
  };
  retries.add(
    timer(LOCK_RETRY_MS, LOCK_RETRY_MS, scheduler)
      .pipe(concatMap(() => (stopping === undefined ? inTurn(retryRefused) : EMPTY)))
      .subscribe(),
  );

  retries.add(
    stalls(heartbeats$, stallTimeout$, scheduler)
      .pipe(skip(1))
      .subscribe((isStalled) => {
        stalled = isStalled;
        const timeout = `${stallTimeout$.value / 1000} s`;
        if (stalled) options.log('warn', `no heartbeat of the process that owns this agent for ${timeout}: it hangs`);
        else options.log('warn', 'the process that owns this agent answers again');
        for (const host of hosts.values()) host.stall(stalled);
      }),
  );

  const stop = async (): Promise<void> => {
    retries.unsubscribe();
    metrics.leave();
    // Not in turn: a job that waits for the network must not hold up the bow-out.
    await Promise.all([...hosts.values()].map((host) => host.stop()));
    world.keepOnly([]);
    metrics.close();
    await Promise.all([...[...hosts.values()].map((host) => host.lastHooks), ...lastHooks]);
    jobs.unsubscribe();
    events$.complete();
    problems$.complete();
    findings$.complete();
  };

  const rulesFor = (params: WatchParams) =>
    digestRules(params, () => [...hosts.values()].flatMap(({ plan }) => plan.places));

  const info = (): AgentInfo => ({ version, pid: process.pid, nodes: [...hosts.keys()] });

  return {
    events$,
    problems$,
    findings$,
    info,
    status: () => ({ ...info(), hosts: [...hosts.values()].map((host) => host.status()) }),
    snapshots: () => [...hosts.values()].flatMap((host) => host.snapshots()),
    problems: () =>
      [...hosts.values()].flatMap((host) => host.problems().map((problem) => ({ node: host.node, ...problem }))),
    configure: (params) => inTurn(() => configure(params)),
    handOver: async ({ node, group, force = false }) => hostOf(node).handOver(group, force),
    ...createOperator({ hostOf, maintenance, log: options.log }),
    simulate: ({ node, action }) =>
      inTurn(async () => {
        if (action === 'crash') hostOf(node).crash();
        else await hostOf(node).revive();
      }),
    watch: createSegments({ sniffer: world.sniffer, rulesFor, scheduler }),
    heartbeat: () => heartbeats$.next(),
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
};

const requireDistinct = (configs: readonly HostConfig[]): void => {
  const nodes = configs.map(({ node }) => node);
  const twice = nodes.find((node, i) => nodes.indexOf(node) !== i);
  if (twice !== undefined)
    throw new CarpError('CARP_CONFIG', `two hosts are called ${twice}`, {
      remedy: 'give each host a `node` of its own',
    });
};

interface PlanOptions {
  readonly state: string;
  readonly settingsOf: (config: HostConfig) => HostSettings;
  /** What the host runs already. */
  readonly before: Plan | undefined;
}

/**
 * Turns groups into settings one by one: a password file that is missing costs its own group alone. A group that ran
 * before goes on as it was.
 */
const planOf = (config: HostConfig, { state, settingsOf, before }: PlanOptions): Plan => {
  const unfit = new Map<string, Problem>();
  const groups: GroupSettings[] = [];
  for (const group of config.groups) {
    try {
      groups.push(...settingsOf({ ...config, groups: [group] }).groups);
    } catch (error) {
      unfit.set(group.name, problemOf(error));
      const former = before?.settings.groups.find(({ name }) => name === group.name);
      if (former !== undefined) groups.push(former);
    }
  }
  const transports = new Map(config.groups.map(({ name, transport }) => [name, transport]));
  const places = groups.map(
    (group): Place => ({ node: config.node, group, transport: transports.get(group.name) ?? 'auto', state }),
  );
  return { config, settings: { ...settingsOf({ ...config, groups: [] }), groups }, places, unfit };
};
