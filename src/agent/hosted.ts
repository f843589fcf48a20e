import { type Observable, Subject, Subscription } from 'rxjs';
import type { GroupConfig, HostConfig, MqttConfig } from '../config/types.ts';
import type { EnvironmentOf, GroupProblem, HandOverReceipt, Host } from '../engine/host.ts';
import type { GroupSettings, HostSettings } from '../engine/settings.ts';
import type { CarpEvent, GroupStatus, HostStatus, PublicRole } from '../engine/status.ts';
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
  readonly createHost: (settings: HostSettings, environmentOf: EnvironmentOf) => Host;
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
  /** What environments the engine's groups were made with; settings alone do not say it. */
  #kinds = new Map<string, string>();
  /** Groups without an environment: the next plan tries again. */
  #refused = new Set<string>();
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

  /** Whether a group waits for an environment that it may get later. */
  get isWaiting(): boolean {
    return this.#refused.size > 0;
  }

  isRefused({ group }: Place): boolean {
    return this.#refused.has(group.name);
  }

  /** Runs this plan from now on. Groups that stay the same do not notice. The environments must be prepared. */
  async run(plan: Plan): Promise<void> {
    const before = this.#plan;
    this.#plan = plan;
    if (this.#crashed || this.#ending !== undefined) return;
    this.#tellUnfit(before, plan);
    if (this.#engine === undefined) this.#start();
    else this.#apply(this.#engine, plan);
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
      const problem = this.#plan.unfit.get(group.group);
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
    if (this.#engine === undefined || this.#plan.unfit.has(group))
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
    this.#publish();
  }

  get #crashed(): boolean {
    return this.#stopped.size > 0;
  }

  #start(): void {
    this.#kinds = new Map(this.#plan.places.map((place) => [place.group.name, kindOf(place)]));
    this.#refused.clear();
    const engine = this.#options.createHost(this.#plan.settings, (group) => this.#environment(group));
    this.#engine = engine;
    this.#engineEvents = engine.events$.subscribe((event) => this.events$.next(event));
    this.#engineEvents.add(engine.problems$.subscribe((problem) => this.problems$.next(problem)));
    // Problems of the very start came before anybody could listen.
    for (const { group, problem } of engine.status().groups)
      if (problem !== undefined) this.problems$.next({ group, problem });
  }

  #apply(engine: Host, { settings, places }: Plan): void {
    const kinds = new Map(places.map((place) => [place.group.name, kindOf(place)]));
    const moved = ({ name }: GroupSettings): boolean =>
      this.#refused.has(name) || (this.#kinds.has(name) && this.#kinds.get(name) !== kinds.get(name));
    // The engine leaves a group alone whose settings did not change. One that gets another environment has to go first.
    if (settings.groups.some(moved)) {
      const staying = settings.groups.filter((group) => !moved(group));
      this.#refused.clear();
      engine.apply({ ...settings, groups: staying });
    }
    this.#kinds = kinds;
    engine.apply(settings);
  }

  #environment(group: GroupSettings): ReturnType<EnvironmentOf> {
    const place = this.#plan.places.find((candidate) => candidate.group.name === group.name);
    if (place === undefined) throw new CarpError('CARP_NO_GROUP', `there is no group ${group.name}`);
    try {
      return this.#options.world.environment(place);
    } catch (error) {
      this.#refused.add(group.name);
      throw error;
    }
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

  #tellUnfit(before: Plan, after: Plan): void {
    for (const [group, problem] of after.unfit) this.problems$.next({ group, problem });
    for (const group of before.unfit.keys()) if (!after.unfit.has(group)) this.problems$.next({ group });
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
    const problem = this.#plan.unfit.get(group.name);
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
