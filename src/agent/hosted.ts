import { type Observable, type SchedulerLike, Subject, Subscription } from 'rxjs';
import type { GroupConfig, HostConfig, MqttConfig } from '../config/types.ts';
import type { EnvironmentOf, GroupProblem, HandOverReceipt, Host, HostClock } from '../engine/host.ts';
import type { GroupSettings, HostSettings } from '../engine/settings.ts';
import type { CarpEvent, GroupStatus, HostStatus, PublicRole } from '../engine/status.ts';
import type { Environment } from '../ports/environment.ts';
import { CarpError, type Problem, problemOf } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import { absentGroup } from './absent-group.ts';
import { isSimulated, type Place, type World } from './world.ts';

export interface Publisher {
  readonly close: () => Promise<void>;
  readonly kill: () => void;
}

export interface PublisherOptions {
  readonly settings: MqttConfig;
  readonly node: string;
  readonly machineId: string;
  readonly events$: Observable<CarpEvent>;
  readonly snapshots: () => readonly CarpEvent[];
  readonly log: Log;
}

export interface HostedOptions {
  readonly world: World;
  readonly createHost: (settings: HostSettings, environmentOf: EnvironmentOf, clock: HostClock) => Host;
  readonly scheduler: SchedulerLike;
  readonly createPublisher: (options: Omit<PublisherOptions, 'machineId'>) => Publisher;
  readonly wallClock: () => Date;
  readonly log: Log;
}

/** What one host is to do: its configuration, what could be made of it, and where its groups are to run. */
export interface Plan {
  readonly config: HostConfig;
  readonly settings: HostSettings;
  readonly places: readonly Place[];
  /** Groups without settings, and why. */
  readonly unfit: ReadonlyMap<string, Problem>;
}

/**
 * One host inside the agent: an engine, its MQTT connection, and what is to be told about groups that no engine runs.
 * Lives from its first plan until `stop`; a crash leaves it here, so that it can be revived.
 */
export class Hosted {
  readonly events$ = new Subject<CarpEvent>();
  readonly problems$ = new Subject<GroupProblem>();
  readonly #options: HostedOptions;
  #plan: Plan;
  #engine: Host | undefined;
  #engineEvents = new Subscription();
  #publisher: Publisher | undefined;
  #ending: Promise<void> | undefined;
  /** What the engine's groups run in. */
  #environments = new Map<string, { readonly kind: string; readonly environment: Environment }>();
  /** Groups without an environment, and why: the next `run` tries again. The engine does not know them. */
  #refused = new Map<string, Problem>();
  #stopped = new Map<string, GroupStatus>();

  constructor(plan: Plan, options: HostedOptions) {
    this.#options = options;
    this.#plan = plan;
  }

  get node(): string {
    return this.#plan.config.node;
  }

  get plan(): Plan {
    return this.#plan;
  }

  /** Groups that may run as soon as another agent lets go of their virtual host. */
  get waiting(): readonly Place[] {
    return this.#plan.places.filter(({ group }) => this.#refused.get(group.name)?.code === 'CARP_DUPLICATE');
  }

  /** Runs this plan from now on. Groups that stay the same do not notice. The environments must be prepared. */
  async run(plan: Plan): Promise<void> {
    if (this.#ending !== undefined) return;
    const before = this.#plan;
    const troubled = this.#troubles();
    this.#plan = plan;
    if (this.#crashed) return;
    const moved = this.#settle(plan);
    this.#tellTroubles(troubled);
    if (this.#engine === undefined) this.#start();
    // The engine leaves a group alone whose settings did not change. One that gets another environment has to go first.
    if (moved.size > 0) this.#apply((name) => !moved.has(name));
    this.#apply(() => true);
    if (JSON.stringify(before.config.mqtt) === JSON.stringify(plan.config.mqtt) && this.#publisher !== undefined)
      return;
    const former = this.#publisher;
    this.#publisher = undefined;
    await former?.close();
    if (this.#ending === undefined) this.#publish();
  }

  status(): HostStatus {
    const running = this.#engine?.status().groups ?? [];
    const at = this.#options.wallClock().toISOString();
    const others = this.#plan.config.groups
      .filter(({ name }) => !running.some(({ group }) => group === name))
      .map((group) => this.#stopped.get(group.name) ?? this.#absent(group, at));
    const overlaid = running.map((group) => {
      const problem = this.#troubles().get(group.group);
      return problem === undefined ? group : { ...group, problem };
    });
    return { node: this.node, groups: [...overlaid, ...others] };
  }

  snapshots(): readonly CarpEvent[] {
    const running = this.#engine?.snapshots() ?? [];
    const others = this.status().groups.filter(({ group }) => !running.some((event) => event.group === group));
    return [...running, ...others.map((status) => eventOf(status, 'snapshot', status.since))];
  }

  problems(): readonly GroupProblem[] {
    return this.status().groups.flatMap(({ group, problem }) => (problem === undefined ? [] : [{ group, problem }]));
  }

  handOver(group: string, force: boolean): Promise<HandOverReceipt> {
    if (this.#engine === undefined || this.#refused.has(group))
      return Promise.reject(
        new CarpError('CARP_NOT_MASTER', `group ${group} of ${this.node} does not run`, { remedy: 'carp status' }),
      );
    return this.#engine.handOver(group, { force });
  }

  /** Bows out of everything, says goodbye to the broker, and ends. As often as one likes. */
  stop(): Promise<void> {
    this.#ending ??= this.#stop();
    return this.#ending;
  }

  async #stop(): Promise<void> {
    await this.#engine?.stop();
    this.#engineEvents.unsubscribe();
    // After the engine: the last transitions are to be told, too.
    await this.#publisher?.close();
    this.events$.complete();
    this.problems$.complete();
  }

  /** Pulls the plug. @throws CarpError unless all groups are simulated */
  crash(): void {
    this.#simulatedOnly();
    const engine = this.#engine;
    if (engine === undefined) return;
    const last = engine.status().groups;
    this.#engine = undefined;
    engine.crash();
    this.#engineEvents.unsubscribe();
    this.#publisher?.kill();
    this.#publisher = undefined;
    const at = this.#options.wallClock().toISOString();
    for (const status of last) this.#tellStopped(status, at);
  }

  /** Plugs it in again. */
  revive(): void {
    this.#simulatedOnly();
    if (!this.#crashed || this.#ending !== undefined) return;
    this.#stopped.clear();
    this.#start();
    this.#apply(() => true);
    this.#publish();
  }

  get #crashed(): boolean {
    return this.#stopped.size > 0;
  }

  #start(): void {
    const environmentOf = (group: GroupSettings): Environment => this.#environment(group);
    const engine = this.#options.createHost({ ...this.#plan.settings, groups: [] }, environmentOf, this.#options);
    this.#engine = engine;
    this.#engineEvents = engine.events$.subscribe((event) => this.events$.next(event));
    this.#engineEvents.add(engine.problems$.subscribe((problem) => this.problems$.next(problem)));
  }

  #apply(isWanted: (group: string) => boolean): void {
    const { settings } = this.#plan;
    const groups = settings.groups.filter(({ name }) => this.#environments.has(name) && isWanted(name));
    this.#engine?.apply({ ...settings, groups });
  }

  /** Finds environments for all groups of the plan. Returns those that ran in another one. */
  #settle({ places }: Plan): ReadonlySet<string> {
    const before = this.#environments;
    this.#environments = new Map();
    this.#refused = new Map();
    const moved = new Set<string>();
    for (const place of places) {
      const { name } = place.group;
      const kind = kindOf(place);
      const present = before.get(name);
      if (present?.kind === kind) {
        this.#environments.set(name, present);
        continue;
      }
      try {
        this.#environments.set(name, { kind, environment: this.#options.world.environment(place) });
        if (present !== undefined) moved.add(name);
      } catch (error) {
        this.#refused.set(name, problemOf(error));
      }
    }
    return moved;
  }

  #environment(group: GroupSettings): Environment {
    const found = this.#environments.get(group.name);
    if (found === undefined) throw new CarpError('CARP_NO_GROUP', `there is no group ${group.name}`);
    return found.environment;
  }

  #publish(): void {
    const { mqtt } = this.#plan.config;
    if (mqtt === undefined || this.#publisher !== undefined) return;
    const { log, createPublisher } = this.#options;
    try {
      const snapshots = (): readonly CarpEvent[] => this.snapshots();
      this.#publisher = createPublisher({ settings: mqtt, node: this.node, events$: this.events$, snapshots, log });
    } catch (error) {
      // Telling others is never worth more than the addresses.
      log('error', `mqtt of ${this.node} is off: ${problemOf(error).message}`);
    }
  }

  /** What is wrong with groups beyond the engine's knowledge. */
  #troubles(): ReadonlyMap<string, Problem> {
    return new Map([...this.#refused, ...this.#plan.unfit]);
  }

  #tellTroubles(before: ReadonlyMap<string, Problem>): void {
    const { log } = this.#options;
    const after = this.#troubles();
    for (const [group, problem] of after) {
      if (JSON.stringify(before.get(group)) === JSON.stringify(problem)) continue;
      log('error', problem.message, { node: this.node, group, remedy: problem.remedy });
      this.problems$.next({ group, problem });
    }
    for (const group of before.keys()) if (!after.has(group)) this.problems$.next({ group });
  }

  #tellStopped(last: GroupStatus, at: string): void {
    const group = this.#plan.config.groups.find(({ name }) => name === last.group);
    if (group === undefined) return;
    const detail = 'the simulated host was switched off';
    const gone = { node: this.node, group, previous: last.role, seq: last.seq + 1, detail, at };
    const status = absentGroup({ ...gone, role: 'STOPPED' });
    this.#stopped.set(last.group, status);
    this.events$.next(eventOf(status, 'transition', at));
  }

  #absent(group: GroupConfig, at: string): GroupStatus {
    const role: PublicRole = 'INIT';
    const problem = this.#troubles().get(group.name);
    const detail = problem?.message ?? 'the group does not run';
    const status = { node: this.node, group, role, previous: role, seq: 0, detail, at };
    return absentGroup(problem === undefined ? status : { ...status, problem });
  }

  #simulatedOnly(): void {
    if (this.#plan.places.every(isSimulated) && this.#plan.unfit.size === 0) return;
    throw new CarpError('CARP_FAILED', `${this.node} is no simulated host`, {
      remedy: 'set `transport: memory` for all of its groups',
    });
  }
}

/** Settings do not say which transport a group uses, nor which folder has its leases. */
const kindOf = ({ transport, state }: Place): string => `${transport} ${state}`;

const eventOf = (status: GroupStatus, event: CarpEvent['event'], at: string): CarpEvent => ({
  event,
  group: status.group,
  interface: status.interface,
  vhid: status.vhid,
  node: status.node,
  role: status.role,
  previous: status.previous,
  reason: status.reason,
  detail: status.detail,
  at,
  seq: status.seq,
  ...(status.master === undefined ? {} : { master: status.master }),
  advbase: status.advbase,
  advskew: status.advskew,
  demotion: status.demotion,
  addresses: status.addresses,
});
