import { type SchedulerLike, Subject, type Subscription } from 'rxjs';
import type { GroupConfig, HostConfig } from '../config/types.ts';
import type { EnvironmentOf, GroupProblem, HandOverReceipt, Host, HostClock } from '../engine/host.ts';
import type { Finding } from '../engine/mismatch.ts';
import type { GroupSettings, HostSettings } from '../engine/settings.ts';
import type { CarpEvent, GroupPeers, GroupStatus, HostStatus, PublicRole } from '../engine/status.ts';
import { CarpError, type Problem } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import { advSkew } from '../protocol/units.ts';
import { absentGroup, eventOf } from './absent-group.ts';
import { createBusHost } from './bus-host.ts';
import { createBusOperator } from './bus-operator.ts';
import { type DemotedGroup, outcomeOf } from './demotions.ts';
import { GroupEnvironments } from './group-environments.ts';
import { HostChecks } from './host-checks.ts';
import { HostHooks } from './host-hooks.ts';
import type { MaintenanceEntry, MaintenanceStore } from './maintenance-store.ts';
import { ledgerEntry, modeOf } from './modes.ts';
import { type CreatePublisher, Publishing } from './publishing.ts';
import type { AdvskewReceipt } from './rpc.ts';
import { isSimulated, type Place, type World } from './world.ts';

export interface HostedOptions {
  readonly world: World;
  readonly createHost: (settings: HostSettings, environmentOf: EnvironmentOf, clock: HostClock) => Host;
  readonly scheduler: SchedulerLike;
  readonly createPublisher: CreatePublisher;
  readonly version: string;
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

/** What a power cut takes away at once. */
interface Running {
  readonly engine: Host;
  readonly hooks: HostHooks;
  readonly checks: HostChecks;
  readonly links: Subscription;
}

/**
 * One host inside the agent: an engine with its hooks and checks, its MQTT connection, and what is to be told about
 * groups that no engine runs. Lives from its first plan until `stop`; a crash leaves it here, so that it can be revived.
 */
export class Hosted {
  readonly events$ = new Subject<CarpEvent>();
  readonly problems$ = new Subject<GroupProblem>();
  readonly findings$ = new Subject<Finding>();
  readonly #options: HostedOptions;
  readonly #environments: GroupEnvironments;
  readonly #publishing: Publishing;
  readonly #maintained: () => readonly MaintenanceEntry[];
  #plan: Plan;
  #running: Running | undefined;
  #ending: Promise<void> | undefined;
  #lastHooks: Promise<void> = Promise.resolve();
  #stalled = false;
  #stopped = new Map<string, GroupStatus>();

  /** @param maintenance - that of the agent */
  constructor(plan: Plan, options: HostedOptions, maintenance: MaintenanceStore) {
    this.#options = options;
    this.#maintained = () => maintenance.of(this.node);
    this.#plan = plan;
    this.#environments = new GroupEnvironments(options.world);
    const { createPublisher, log, version, wallClock } = options;
    const control = createBusOperator({ host: this, maintenance, log });
    const host = createBusHost({ host: this, control, version, startedAt: wallClock() });
    this.#publishing = new Publishing({ createPublisher, host, events$: this.events$, log });
  }

  get node(): string {
    return this.#plan.config.node;
  }

  get plan(): Plan {
    return this.#plan;
  }

  /** Groups that may run as soon as another agent lets go of their virtual host. */
  get waiting(): readonly Place[] {
    const { refused } = this.#environments;
    return this.#plan.places.filter(({ group }) => refused.get(group.name)?.code === 'CARP_DUPLICATE');
  }

  /** Resolves, after `stop`, when the last hooks have ended, at most `LAST_HOOKS_MS_MAX` later. Never rejects. */
  get lastHooks(): Promise<void> {
    return this.#lastHooks;
  }

  /** Runs this plan from now on. Groups that stay the same do not notice. The environments must be prepared. */
  async run(plan: Plan): Promise<void> {
    if (this.#ending !== undefined) return;
    const troubled = this.#troubles();
    this.#forgetAllBut(plan.config.groups);
    this.#plan = plan;
    if (this.#crashed) return;
    const moved = this.#environments.settle(plan.places);
    this.#tellTroubles(troubled);
    this.#running ??= this.#start();
    // The engine leaves a group alone whose settings did not change. One that gets another environment has to go first.
    if (moved.size > 0) this.#apply((name) => !moved.has(name));
    this.#apply(() => true);
    await this.#publish();
  }

  status(): HostStatus {
    const running = this.#running?.engine.status().groups ?? [];
    const at = this.#options.wallClock().toISOString();
    const { groups } = this.#plan.config;
    const names = new Set(running.map(({ group }) => group));
    const others = groups
      .filter(({ name }) => !names.has(name))
      .map((group) => this.#stopped.get(group.name) ?? this.#absent(group, at));
    const troubles = this.#troubles();
    const overlaid = running.map((group) => {
      const problem = troubles.get(group.group);
      const hooks = this.#running?.hooks.reportsOf(group.group);
      return {
        ...group,
        ...(hooks === undefined ? {} : { hooks }),
        ...(problem === undefined ? {} : { problem }),
      };
    });
    const entries = this.#maintained();
    const moded = [...overlaid, ...others].map((group) => ({ ...group, mode: modeOf(entries, groups, group.group) }));
    const bus = this.#publishing.status;
    return { node: this.node, ...(bus === undefined ? {} : { bus }), groups: moded };
  }

  /** Of groups that run. */
  peers(): readonly GroupPeers[] {
    return this.#running?.engine.peers() ?? [];
  }

  /** @param only - of this group; default: of all */
  snapshots(only?: string): readonly CarpEvent[] {
    const running = (this.#running?.engine.snapshots(only) ?? []).map((event) => this.#moded(event));
    if (running.length === (only === undefined ? this.#plan.config.groups.length : 1)) return running;
    const at = this.#options.wallClock().toISOString();
    const others = this.#plan.config.groups
      .filter(({ name }) => (only === undefined || name === only) && !running.some(({ group }) => group === name))
      .map((group) => this.#stopped.get(group.name) ?? this.#absent(group, at));
    return [...running, ...others.map((status) => this.#moded(eventOf(status, 'snapshot', status.since)))];
  }

  problems(): readonly GroupProblem[] {
    return this.status().groups.flatMap(({ group, problem }) => (problem === undefined ? [] : [{ group, problem }]));
  }

  handOver(group: string, force: boolean): Promise<HandOverReceipt> {
    if (this.#running === undefined || this.#environments.refused.has(group))
      return Promise.reject(
        new CarpError('CARP_NOT_MASTER', `group ${group} of ${this.node} does not run`, { remedy: 'carp status' }),
      );
    return this.#running.engine.handOver(group, { force });
  }

  /** Whether there is an engine: a simulated host that was switched off has none. */
  get isOn(): boolean {
    return this.#running !== undefined;
  }

  /** Nothing is to be stored that would be refused afterwards. @throws CarpError CARP_FAILED: this host stops */
  refuseWhenEnding(): void {
    if (this.#ending !== undefined)
      throw new CarpError('CARP_FAILED', `${this.node} is about to stop`, { remedy: 'try again when it runs' });
  }

  /**
   * Changes what demotes this host, and resolves when the farewells are over that come of it.
   * @throws (rejects) CarpError CARP_FAILED while the host is switched off, and what `change` throws
   */
  async demoting(group: string | undefined, change: (engine: Host) => void): Promise<readonly DemotedGroup[]> {
    const engine = this.#running?.engine;
    if (engine === undefined || this.#ending !== undefined)
      throw new CarpError('CARP_FAILED', `${this.node} does not run`, { remedy: '`carp status` says why' });
    return outcomeOf(engine, group, () => change(engine));
  }

  /**
   * @param advskew - 0..254; `undefined`: that of the configuration
   * @throws CarpError CARP_FAILED while the group does not run
   */
  setAdvskew(group: string, advskew: number | undefined): AdvskewReceipt {
    const engine = this.#running?.engine;
    if (engine === undefined || this.#ending !== undefined || this.#environments.refused.has(group))
      throw new CarpError('CARP_FAILED', `group ${group} of ${this.node} does not run`, {
        remedy: '`carp status` says why',
      });
    const now = engine.setAdvskew(group, advskew === undefined ? undefined : advSkew(advskew));
    return {
      node: this.node,
      group,
      advskew: now.advskew,
      configured: now.configuredAdvskew ?? now.advskew,
      role: now.role,
    };
  }

  /** Whether the process that owns this agent hangs: this host is no good choice for MASTER while it does. */
  stall(stalled: boolean): void {
    this.#stalled = stalled;
    const engine = this.#running?.engine;
    if (stalled) this.#demoteForStall(engine);
    else engine?.restore('stalled');
  }

  #demoteForStall(engine: Host | undefined): void {
    engine?.demote({ reason: 'stalled', weight: this.#plan.config.demotion.stalled });
  }

  /** Bows out of everything, says goodbye to the broker, and ends; `lastHooks` may still run. As often as one likes. */
  stop(): Promise<void> {
    this.#ending ??= this.#stop();
    return this.#ending;
  }

  async #stop(): Promise<void> {
    this.#running?.checks.stop();
    await this.#running?.engine.stop();
    this.#lastHooks = this.#running?.hooks.finish() ?? this.#lastHooks;
    this.#running?.links.unsubscribe();
    // After the engine: the last transitions are to be told, too.
    await this.#publishing.close();
    this.events$.complete();
    this.problems$.complete();
    this.findings$.complete();
  }

  /** Pulls the plug. @throws CarpError unless all groups are simulated */
  crash(): void {
    this.#simulatedOnly();
    if (this.#running === undefined) return;
    const { engine, hooks, checks, links } = this.#running;
    const last = engine.status().groups;
    this.#running = undefined;
    checks.stop();
    hooks.kill();
    engine.crash();
    links.unsubscribe();
    this.#publishing.kill();
    const at = this.#options.wallClock().toISOString();
    for (const status of last) this.#tellStopped(status, at);
  }

  /** Plugs it in again. */
  async revive(): Promise<void> {
    this.#simulatedOnly();
    if (!this.#crashed || this.#ending !== undefined) return;
    this.#stopped.clear();
    this.#running = this.#start();
    this.#apply(() => true);
    await this.#publish();
  }

  #publish(): Promise<void> {
    const { config, places } = this.#plan;
    return this.#publishing.run(config.mqtt, places[0]?.state ?? config.state);
  }

  get #crashed(): boolean {
    return this.#stopped.size > 0;
  }

  #start(): Running {
    const { scheduler, wallClock, log, createHost } = this.#options;
    const environmentOf: EnvironmentOf = (group) => this.#environments.of(group);
    const engine = createHost(this.#plan.settings, environmentOf, this.#options);
    // Before the groups start: a host in maintenance never thinks that it is as good as another.
    this.#maintain(engine, this.#plan.settings.groups);
    if (this.#stalled) this.#demoteForStall(engine);
    const links = engine.events$.subscribe((event) => this.events$.next(this.#moded(event)));
    links.add(engine.problems$.subscribe((problem) => this.problems$.next(problem)));
    links.add(engine.findings$.subscribe((finding) => this.findings$.next(finding)));
    const { node } = this;
    const hooks = new HostHooks({ node, events$: engine.events$, scheduler, wallClock, log });
    const checks = new HostChecks({
      node,
      demote: (demotion) => engine.demote(demotion),
      restore: (reason, group) => engine.restore(reason, group),
      scheduler,
      log,
    });
    return { engine, hooks, checks, links };
  }

  #apply(isWanted: (group: string) => boolean): void {
    if (this.#running === undefined) return;
    const { engine, hooks, checks } = this.#running;
    const { settings, config } = this.#plan;
    const runs = (name: string): boolean => this.#environments.has(name);
    checks.configure(config.groups.filter(({ name }) => runs(name)));
    hooks.configure(config.groups);
    const groups = settings.groups.filter(({ name }) => runs(name) && isWanted(name));
    engine.apply({ ...settings, groups });
    this.#maintain(engine, groups);
  }

  /** What demotes a group ends with it: those that moved with it would be demoted for ever, and nobody could end it. */
  #forgetAllBut(groups: readonly GroupConfig[]): void {
    const names = new Set(groups.map(({ name }) => name));
    if (this.#running === undefined || this.#plan.config.groups.every(({ name }) => names.has(name))) return;
    const { engine } = this.#running;
    for (const { group, ledger } of engine.status().groups)
      if (!names.has(group)) for (const { reason } of ledger) engine.restore(reason, group);
  }

  /** Puts into the ledger what is stored; an entry that is there already stays as it is. */
  #maintain(engine: Host, groups: readonly GroupSettings[]): void {
    for (const entry of this.#maintained())
      if (entry.group === undefined || groups.some(({ name }) => name === entry.group))
        engine.demote(ledgerEntry(entry));
  }

  /** What is wrong with groups beyond the engine's knowledge. */
  #troubles(): ReadonlyMap<string, Problem> {
    return new Map([...this.#environments.refused, ...this.#plan.unfit]);
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
    this.events$.next(this.#moded(eventOf(status, 'transition', at)));
  }

  /** With the mode, of which the engine knows nothing: who shows a group shows also that it never becomes MASTER. */
  #moded(event: CarpEvent): CarpEvent {
    const mode = modeOf(this.#maintained(), this.#plan.config.groups, event.group);
    return mode === 'normal' ? event : { ...event, mode };
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
