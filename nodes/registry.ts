/**
 * The groups of this Node-RED, from the first deploy to the end of the process.
 *
 * A full deploy closes every configuration node and makes it anew, with `removed` false, as a stop and a shutdown do.
 * If a group ended with its node, every unrelated deploy would move the address. So nodes only say what they want, and
 * what is wanted is compared and applied when the flows have started again:
 *
 * - closed in a deploy: the group is *leaving*; made again, it stays; `flows:started` (or, if flows do not start, the
 *   grace) drops those that were not;
 * - closed because it was deleted or disabled, or because the flows are stopping for good: the group ends at once, and
 *   the node waits for its farewell, at most `stopMs`.
 *
 * Whether the flows stop for good is told by `flows:stopping`: a deploy has a `diff` with `globalConfigChanged`, and
 * "Restart flows" has a configuration object that is not the one that was started.
 */
import type { EventEmitter } from 'node:events';
import type { NodeMessage } from 'node-red';
import {
  BehaviorSubject,
  distinctUntilChanged,
  EMPTY,
  filter,
  map,
  merge,
  type Observable,
  of,
  Subject,
  skip,
  switchMap,
} from 'rxjs';
import type { SegmentUpdate } from '../src/agent/segment-updates.ts';
import type { MetricsConfig } from '../src/config/types.ts';
import type { Finding } from '../src/engine/mismatch.ts';
import { CarpError, type Problem, problemOf } from '../src/ports/error.ts';
import type { AgentLink, Agents, OwnAgent } from './agent-link.ts';
import { type Board, createBoard, type GroupView } from './board.ts';
import { type GroupCommands, groupCommands, type Place } from './group-commands.ts';
import type { Wanted } from './group-settings.ts';
import type { HealthMemory } from './health.ts';
import { type GroupOverview, overviewOf } from './overview.ts';
import { type Plan, planFor, type Route } from './plan.ts';
import { Proof } from './proof.ts';
import type { WatchWish } from './watch-settings.ts';
import { Watches } from './watches.ts';

export interface RegistryOptions {
  readonly agents: Agents;
  /** `RED.events` */
  readonly events: EventEmitter;
  /** Folder of leases and memory; only the agent writes there. */
  readonly state: string;
  /** How long this Node-RED may be silent before its agent takes it to hang; in s, 0 = never. Default: 15. */
  readonly stallTimeout?: number | undefined;
  /** Where the agent of this Node-RED answers who asks for metrics. Missing: nowhere. */
  readonly metrics?: MetricsConfig | undefined;
  /** How long a group outlives its node when the flows do not start again. */
  readonly graceMs?: number;
  /** How long a node waits for the farewell of its group. */
  readonly stopMs?: number;
}

export interface Registry extends GroupCommands {
  readonly state: string;
  readonly want: (wanted: Wanted) => void;
  /** A carp-watch node listens from now on, until `release`. */
  readonly wantWatch: (wish: WatchWish) => void;
  /** What the segment of this carp-watch node has to tell, across deploys. Cold, never errors. */
  readonly segment$: (wish: WatchWish) => Observable<SegmentUpdate>;
  /** Resolves when Node-RED may go on; never rejects. */
  readonly release: (id: string, removed: boolean) => Promise<void>;
  /** News of the group of this carp-group node, across deploys. Empty views while nothing is known. */
  readonly view$: (id: string) => Observable<GroupView>;
  /** Why this group is not published as its carp-mqtt wishes, because of another group. The present one first; never errors. */
  readonly mqttProblem$: (id: string) => Observable<Problem | undefined>;
  readonly wantedBy: (id: string) => Wanted | undefined;
  /** What this group finds out about its peers, from now on. Never errors. */
  readonly findings$: (id: string) => Observable<Finding>;
  /** How old the news of this group may be; undefined while there is no agent to ask. The present one first. */
  readonly proof$: (id: string) => Observable<Proof | undefined>;
  /** All carp-group nodes, in the order of their making. */
  readonly overview: () => readonly GroupOverview[];
  /** Hot, never errors: something of the overview is different now. Emits often; whoever shows it, throttles. */
  readonly changes$: Observable<void>;
  /** Hot: the flows have started, and what is sent now reaches the nodes behind. */
  readonly started$: Observable<void>;
  /** What nodes remember across deploys, by node id. */
  readonly memory: Map<string, string>;
  /** Messages that wait at a gate across a deploy, by node id. */
  readonly keptMessages: Map<string, readonly NodeMessage[]>;
  /** What carp-health nodes know, by node id. */
  readonly health: Map<string, HealthMemory>;
  /** Which carp-health node has which reason on which host. */
  readonly healthReasons: Map<string, string>;
}

const GRACE_MS = 5000;
const STOP_MS = 1000;

interface Running {
  readonly plan: Plan;
  readonly own: (Source & { readonly link: OwnAgent; readonly execPath: string | undefined }) | undefined;
  readonly services: ReadonlyMap<string, Source>;
}

/** One agent, and what is known from it. */
interface Source {
  readonly link: AgentLink;
  readonly board: Board;
  readonly proof: Proof;
}

export const createRegistry = (options: RegistryOptions): Registry => {
  const { agents, events, state, graceMs = GRACE_MS, stopMs = STOP_MS } = options;
  const stalling = options.stallTimeout === undefined ? {} : { stallTimeout: options.stallTimeout };
  const measuring = options.metrics === undefined ? {} : { metrics: options.metrics };
  const wanted = new Map<string, Wanted>();
  const watches = new Watches((wish) =>
    running$.pipe(
      map((running) => listener(running, wish)),
      distinctUntilChanged(),
    ),
  );
  const leaving = new Set<string>();
  const running$ = new BehaviorSubject<Running>({ plan: planFor([]), own: undefined, services: new Map() });
  const started$ = new Subject<void>();
  let startedWith: unknown;
  let stopping = false;
  let grace: NodeJS.Timeout | undefined;
  let applying: Promise<void> = Promise.resolve();
  /** What the agent was told last, and its answer. */
  let configured = '';
  let configuring: Promise<void> = Promise.resolve();

  /** One at a time, each with what is wanted by then: an agent that ends has ended before its successor starts. */
  const apply = (): Promise<void> => {
    applying = applying.then(applyNow).catch(() => undefined);
    return applying;
  };

  const applyNow = async (): Promise<void> => {
    const before = running$.value;
    const plan = planFor(wanted.values(), watches.wishes);
    const services = new Map(before.services);
    for (const socket of plan.sockets) {
      if (services.has(socket)) continue;
      const link = agents.connect(socket);
      services.set(socket, { link, board: createBoard(link, { service: socket }), proof: new Proof(link.ping) });
    }
    const endedServices = [...services].filter(([socket]) => !plan.sockets.includes(socket));
    for (const [socket] of endedServices) services.delete(socket);

    const ends = !plan.runs || before.own?.execPath !== plan.execPath;
    if (before.own !== undefined && ends) {
      await before.own.link.stop().catch(() => undefined);
      before.own.board.close();
      configured = '';
    }
    const own = !plan.runs ? undefined : ends || before.own === undefined ? start(plan) : before.own;
    running$.next({ plan, own, services });
    watches.hold();
    for (const [, service] of endedServices) {
      service.board.close();
      await service.link.stop().catch(() => undefined);
    }
    if (own === undefined) return;
    const hosts = JSON.stringify(plan.hosts);
    if (hosts === configured) return;
    configured = hosts;
    own.board.keep(plan.hosts.flatMap(({ node, groups }) => groups.map(({ name }) => ({ node, group: name }))));
    // Not awaited here: an agent that hangs must not keep anybody from stopping it.
    configuring = own.link
      .configure({ state, hosts: plan.hosts, ...stalling, ...measuring })
      .catch((error: unknown) => {
        const problem = problemOf(error);
        // An agent that is not there is told when it has come, and says so itself.
        if (problem.code === 'CARP_NO_AGENT' || running$.value.plan !== plan) return;
        configured = '';
        running$.next({ ...running$.value, plan: refusing(plan, problem) });
      });
  };

  const start = ({ execPath }: Plan): NonNullable<Running['own']> => {
    const link = agents.fork(execPath === undefined ? {} : { execPath });
    return { link, board: createBoard(link), proof: new Proof(link.ping), execPath };
  };

  const waitForStart = (ms: number): void => {
    clearTimeout(grace);
    grace = setTimeout(dropLeaving, ms).unref();
  };

  const dropLeaving = (): void => {
    clearTimeout(grace);
    for (const id of leaving) forget(id);
    leaving.clear();
    void apply();
  };

  const forget = (id: string): void => {
    wanted.delete(id);
    watches.forget(id);
  };

  events.on('flows:stopping', (event?: { readonly config?: unknown; readonly diff?: object }) => {
    const deploy = event?.diff !== undefined && 'globalConfigChanged' in event.diff;
    stopping = !deploy && (event?.config === startedWith || startedWith === undefined);
  });
  events.on('flows:stopped', () => {
    if (leaving.size > 0) waitForStart(graceMs);
  });
  events.on('flows:starting', () => {
    stopping = false;
  });
  events.on('flows:started', (event?: { readonly config?: unknown }) => {
    stopping = false;
    startedWith = event?.config;
    dropLeaving();
    started$.next();
  });

  const placeOf = (id: string): Place => {
    const { route, from } = sourceOf(running$.value, id);
    if (route === undefined) throw new CarpError('CARP_NO_GROUP', 'this group does not run', { remedy: 'deploy it' });
    if (route.type === 'refused')
      throw new CarpError(route.problem.code, route.problem.message, { remedy: route.problem.remedy });
    if (from === undefined) throw new CarpError('CARP_NO_AGENT', 'the agent is starting', { remedy: 'try again' });
    return { link: from.link, node: route.node, group: route.group };
  };

  return {
    state,
    started$,
    memory: new Map(),
    keptMessages: new Map(),
    health: new Map(),
    healthReasons: new Map(),
    want: (one) => {
      leaving.delete(one.id);
      wanted.set(one.id, one);
    },
    wantWatch: (wish) => {
      leaving.delete(wish.id);
      watches.want(wish);
    },
    segment$: (wish) => watches.segment$(wish),
    release: (id, removed) => {
      if (!removed && !stopping) {
        leaving.add(id);
        // Other nodes may take long to close. Should `flows:stopped` never come, this ends it.
        waitForStart(4 * graceMs);
        return Promise.resolve();
      }
      leaving.delete(id);
      forget(id);
      return within(
        stopMs,
        apply().then(() => configuring),
      );
    },
    wantedBy: (id) => wanted.get(id),
    view$: (id) =>
      running$.pipe(
        map((running) => sourceOf(running, id)),
        distinctUntilChanged(sameSource),
        switchMap(({ route, from }) => {
          if (route === undefined) return EMPTY;
          if (route.type === 'refused') return of<GroupView>({ problem: route.problem });
          return from === undefined ? EMPTY : from.board.view$(route);
        }),
      ),
    mqttProblem$: (id) =>
      running$.pipe(
        map(({ plan }) => mqttProblemOf(plan.routes.get(id))),
        distinctUntilChanged((one, other) => one?.message === other?.message),
      ),
    findings$: (id) =>
      running$.pipe(
        map((running) => sourceOf(running, id)),
        distinctUntilChanged(sameSource),
        switchMap(({ route, from }) =>
          from === undefined || route?.type !== 'agent'
            ? EMPTY
            : from.link.findings$.pipe(filter(({ node, group }) => node === route.node && group === route.group)),
        ),
      ),
    proof$: (id) =>
      running$.pipe(
        map((running) => sourceOf(running, id).from?.proof),
        distinctUntilChanged(),
      ),
    overview: () =>
      [...wanted.values()].map((one) => {
        const { route, from } = sourceOf(running$.value, one.id);
        if (route?.type === 'refused') return overviewOf(one, { problem: route.problem });
        return overviewOf(one, (route && from?.board.look(route)) ?? {}, mqttProblemOf(route));
      }),
    changes$: merge(
      // What is wanted is known when the flows have started, also where nothing of it runs.
      started$,
      running$.pipe(
        switchMap(({ own, services }) =>
          merge(
            of(undefined),
            ...[own, ...services.values()].flatMap((one) =>
              one === undefined ? [] : [one.board.changed$, one.link.findings$],
            ),
          ).pipe(map(() => undefined)),
        ),
        skip(1),
      ),
    ),
    ...groupCommands(placeOf),
  };
};

/** Where the group of this node runs, and who tells of it. */
const sourceOf = ({ plan, own, services }: Running, id: string) => {
  const route = plan.routes.get(id);
  if (route?.type !== 'agent') return { route, from: undefined };
  return { route, from: route.socket === undefined ? own : services.get(route.socket) };
};

const mqttProblemOf = (route: Route | undefined): Problem | undefined =>
  route?.type === 'agent' ? route.mqttProblem : undefined;

const listener = ({ own, services }: Running, { socket }: WatchWish): AgentLink | undefined =>
  socket === undefined ? own?.link : services.get(socket)?.link;

/** The agent has taken none of it. */
const refusing = (plan: Plan, problem: Problem): Plan => ({
  ...plan,
  routes: new Map(
    [...plan.routes].map(([id, route]): [string, Route] =>
      route.type === 'agent' && route.socket === undefined ? [id, { type: 'refused', problem }] : [id, route],
    ),
  ),
});

type RouteAndSource = ReturnType<typeof sourceOf>;

const sameSource = (one: RouteAndSource, other: RouteAndSource): boolean =>
  one.from?.board === other.from?.board && same(one.route, other.route);

const same = (one: Route | undefined, other: Route | undefined): boolean =>
  one === other || JSON.stringify(one) === JSON.stringify(other);

/** Resolves when the work is done, or then. */
export const within = (ms: number, work: Promise<void>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
};
