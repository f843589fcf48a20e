/**
 * Hosts that publish to brokers, in agents that are real processes: two simulated hosts of one agent, who have a LAN of
 * their own, and `carp run`.
 */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSupervisor, type Supervisor } from '../../src/agent/supervisor.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { configOf } from '../agent/fakes.ts';
import { carp } from '../cli/carp.ts';
import { child, scratchFolder } from './broker-children.ts';
import type { LocalBroker } from './broker-local.ts';
import type { HostView } from './broker-model.ts';
import { CARP, type JsonEvent } from './carp.ts';
import type { Child } from './child.ts';
import type { Scope } from './netns.ts';
import { monotonicMs, until } from './wait.ts';

/** A group as a user writes it, on the LAN inside the agent. */
export const memoryGroup = (name: string, more: object = {}): object => ({
  name,
  interface: 'eth0',
  vhid: 10,
  pass: 'correct horse',
  addresses: ['192.0.2.100/24'],
  transport: 'memory',
  ...more,
});

/** `mqtt:` of a configuration file, for this broker. */
export const mqttOf = ({ url, tls }: Pick<LocalBroker, 'url' | 'tls'>, more: object = {}): object => ({
  url,
  ...(tls === undefined ? {} : { tls }),
  ...more,
});

export interface TimedCarpEvent {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly event: CarpEvent;
}

export interface HostPlan {
  readonly node: string;
  readonly groups: readonly object[];
  /** More keys of its file, such as `mqtt`. */
  readonly more?: object;
}

/** Simulated hosts in one agent process. */
export class SimulatedHosts {
  readonly supervisor: Supervisor;
  readonly events: readonly TimedCarpEvent[];
  /** What the agent has logged, `warn mqtt: …`. */
  readonly logs: readonly string[];
  readonly #state: string;
  readonly #processes: readonly ChildProcess[];

  private constructor(scope: Scope) {
    const events: TimedCarpEvent[] = [];
    const logs: string[] = [];
    const processes: ChildProcess[] = [];
    this.events = events;
    this.logs = logs;
    this.#processes = processes;
    this.#state = scratchFolder('hosts');
    this.supervisor = createSupervisor({ onSpawn: (process) => processes.push(process) });
    this.supervisor.events$.subscribe((event) => events.push({ at: monotonicMs(), event }));
    this.supervisor.logs$.subscribe(({ level, message }) => logs.push(`${level} ${message}`));
    scope.after(() => this.supervisor.stop());
  }

  static async start(scope: Scope, plans: readonly HostPlan[]): Promise<SimulatedHosts> {
    const hosts = new SimulatedHosts(scope);
    // A busy machine may take longer for many groups than an answer is waited for; they are at work all the same.
    await hosts.configure(plans).catch((error: { readonly code?: string }) => {
      if (error.code !== 'CARP_NO_AGENT') throw error;
    });
    return hosts;
  }

  configure(plans: readonly HostPlan[]): Promise<void> {
    return this.supervisor.configure({
      state: this.#state,
      hosts: plans.map(({ node, groups, more }) => configOf(node, groups, more)),
    });
  }

  /** The agent itself. */
  get process(): ChildProcess {
    const process = this.#processes.at(-1);
    if (process === undefined) throw new Error('there is no agent yet');
    return process;
  }

  role(node: string, group = 'plant'): string | undefined {
    return this.events.findLast(({ event }) => event.node === node && event.group === group)?.event.role;
  }

  untilRole(node: string, role: string, withinMs = 20_000, group = 'plant'): Promise<true> {
    return until(
      `${node} to be ${role}`,
      withinMs,
      () => this.role(node, group) === role || undefined,
      () => `${this.logs.join('\n')}\n${this.events.map(({ event }) => `${event.node} ${event.role}`).join(', ')}`,
    );
  }

  /** Changes of role since then, as `a plant MASTER`. */
  changesSince(at: number): readonly string[] {
    return this.events
      .filter((one) => one.at >= at && one.event.event === 'transition')
      .map(({ event: { node, group, role } }) => `${node} ${group} ${role}`);
  }

  async views(): Promise<readonly HostView[]> {
    return (await this.supervisor.status()).hosts;
  }
}

let runs = 0;

/** `carp run` with one host, on this machine's loopback alone. */
export class LocalCarp {
  readonly child: Child;
  readonly node: string;
  readonly folder: string;
  readonly #socket: string;
  readonly #file: string;

  private constructor(plan: HostPlan, folder: string) {
    runs += 1;
    this.node = plan.node;
    this.folder = folder;
    this.#socket = join(folder, 'agent.sock');
    this.#file = join(folder, `carp-${runs}.json`);
    this.#write(plan);
    const argv = [process.execPath, CARP, 'run', '-c', this.#file, '--json'];
    this.child = child(`carp run as ${plan.node}`, argv, { cwd: folder });
  }

  /** @param folder - socket and state lie there; that of a predecessor for an agent that comes back */
  static start(scope: Scope, plan: HostPlan, folder = scratchFolder('hosts')): LocalCarp {
    const started = new LocalCarp(plan, folder);
    scope.after(async () => {
      started.child.signal('SIGKILL');
      await started.child.exited.catch(() => undefined);
    });
    return started;
  }

  #write({ node, groups, more }: HostPlan): void {
    const config = { node, socket: this.#socket, state: join(this.#file, '..', 'state'), ...more, groups };
    writeFileSync(this.#file, JSON.stringify(config));
  }

  /** Rewrites the file and sends SIGHUP. */
  reload(plan: HostPlan): void {
    this.#write(plan);
    this.child.signal('SIGHUP');
  }

  events(): readonly JsonEvent[] {
    return this.child.stdout.flatMap(({ text }) => {
      const value: unknown = text.startsWith('{') ? JSON.parse(text) : undefined;
      return typeof value === 'object' && value !== null && 'role' in value ? [value as JsonEvent] : [];
    });
  }

  untilRole(role: string, withinMs = 20_000, group = 'plant'): Promise<true> {
    return until(
      `${this.node} to be ${role}`,
      withinMs,
      () => {
        if (!this.child.running) throw new Error(`${this.node} ended early.${this.child.report()}`);
        return this.events().findLast((event) => event.group === group)?.role === role || undefined;
      },
      () => this.child.report(),
    );
  }

  /** What `carp status --json` says. */
  async views(): Promise<readonly HostView[]> {
    const { code, stdout, stderr } = await carp(['status', '--json', '--socket', this.#socket]);
    if (code !== 0) throw new Error(`carp status: ${stderr}`);
    return (JSON.parse(stdout) as { readonly hosts: readonly HostView[] }).hosts;
  }

  /** SIGTERM, and its exit code. */
  async terminate(withinMs = 8000): Promise<number | null> {
    this.child.signal('SIGTERM');
    return (await this.child.untilExit(withinMs)).code;
  }
}
