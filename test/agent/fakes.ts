/** An agent's neighbours, as far as it can see them. */
import { NEVER, type Observable, Subject, VirtualTimeScheduler } from 'rxjs';
import { absentGroup } from '../../src/agent/absent-group.ts';
import { type Agent, type AgentOptions, createAgent } from '../../src/agent/agent.ts';
import type { Place, World } from '../../src/agent/world.ts';
import { configFailure, parseConfig } from '../../src/config/parse.ts';
import { hostSettings } from '../../src/config/settings.ts';
import type { HostConfig } from '../../src/config/types.ts';
import type { EnvironmentOf, GroupProblem, Host } from '../../src/engine/host.ts';
import type { Finding } from '../../src/engine/mismatch.ts';
import type { HostSettings } from '../../src/engine/settings.ts';
import type { CarpEvent, GroupStatus } from '../../src/engine/status.ts';
import type { Environment } from '../../src/ports/environment.ts';
import { CarpError } from '../../src/ports/error.ts';
import type { Sniffer } from '../../src/ports/sniffer.ts';

export const SECRET = 'correct-horse-19';

/** A configuration with defaults, as a user's file gives it. */
export const configOf = (node: string, groups: readonly object[], more: object = {}): HostConfig => {
  const parsed = parseConfig({ node, groups, ...more });
  if (!parsed.ok) throw configFailure(parsed.errors);
  return parsed.config;
};

export const groupText = (name: string, more: object = {}): object => ({
  name,
  interface: 'lan',
  vhid: 10,
  pass: SECRET,
  addresses: ['192.0.2.100/24'],
  transport: 'memory',
  ...more,
});

/** A host that writes down what it is told to do. */
export class FakeHost implements Host {
  readonly node: string;
  readonly events$ = new Subject<CarpEvent>();
  readonly problems$ = new Subject<GroupProblem>();
  readonly findings$ = new Subject<Finding>();
  /** Names of the groups of each `apply`. */
  readonly applied: string[][] = [];
  readonly done: string[] = [];
  readonly environments = new Map<string, Environment>();
  readonly #environmentOf: EnvironmentOf;
  settings: HostSettings;

  constructor(settings: HostSettings, environmentOf: EnvironmentOf) {
    this.node = settings.node;
    this.settings = settings;
    this.#environmentOf = environmentOf;
  }

  apply(settings: HostSettings): void {
    this.settings = settings;
    this.applied.push(settings.groups.map(({ name }) => name));
    for (const group of settings.groups) this.environments.set(group.name, this.#environmentOf(group));
  }

  demote(): void {
    this.done.push('demote');
  }

  restore(): boolean {
    this.done.push('restore');
    return true;
  }

  peers() {
    return [];
  }

  status() {
    return { node: this.node, groups: this.settings.groups.map(({ name }) => statusOf(this.node, name)) };
  }

  snapshots(only?: string): readonly CarpEvent[] {
    const groups = this.status().groups.filter(({ group }) => only === undefined || group === only);
    return groups.map(({ group }) => eventOf(this.node, group));
  }

  handOver(group: string, { force }: { readonly force: boolean }) {
    this.done.push(`handOver ${group} ${force}`);
    return Promise.resolve({ address: '192.0.2.12', afterMs: 7 });
  }

  setAdvskew(group: string, advskew?: number): CarpEvent {
    this.done.push(`advskew ${group} ${advskew}`);
    return { ...eventOf(this.node, group), advskew: advskew ?? 0 };
  }

  farewell(): undefined {
    return undefined;
  }

  async stop(): Promise<void> {
    this.done.push('stop');
    this.events$.next({ ...eventOf(this.node, 'plant'), event: 'transition', role: 'STOPPED', reason: 'stop' });
    this.events$.complete();
  }

  crash(): void {
    this.done.push('crash');
  }
}

export const statusOf = (node: string, group: string, more: Partial<GroupStatus> = {}): GroupStatus => {
  const config = configOf(node, [groupText(group)]).groups[0];
  if (config === undefined) throw new Error('no group');
  const at = '2026-11-22T12:00:00.123Z';
  return {
    ...absentGroup({ node, group: config, role: 'BACKUP', previous: 'INIT', seq: 1, detail: 'for a test', at }),
    ...more,
  };
};

export const eventOf = (node: string, group: string, more: Partial<CarpEvent> = {}): CarpEvent => ({
  event: 'snapshot',
  group,
  interface: 'lan',
  vhid: 10,
  node,
  role: 'BACKUP',
  previous: 'INIT',
  reason: 'startup',
  detail: 'for a test',
  at: '2026-11-22T12:00:00.123Z',
  seq: 1,
  advbase: 1,
  advskew: 0,
  demotion: 0,
  addresses: ['192.0.2.100/24'],
  ...more,
});

/** A world in which groups are refused by name. */
export class FakeWorld implements World {
  readonly refused = new Map<string, CarpError>();
  readonly prepared: string[] = [];
  kept: readonly string[] = [];

  async prepare(places: readonly Place[]): Promise<void> {
    this.prepared.push(...places.map(({ group }) => group.name));
  }

  isReady = ({ group }: Place): boolean => !this.refused.has(group.name);

  environment({ group }: Place): Environment {
    const problem = this.refused.get(group.name);
    if (problem !== undefined) throw problem;
    return { name: group.name } as unknown as Environment;
  }

  sniffer = (): Promise<Sniffer> => Promise.resolve({ listen: () => NEVER });

  keepOnly(places: readonly Place[]): void {
    this.kept = places.map(({ group }) => group.name);
  }
}

export interface Stage {
  readonly agent: Agent;
  readonly world: FakeWorld;
  readonly hosts: FakeHost[];
  readonly scheduler: VirtualTimeScheduler;
  readonly logged: string[];
  /** What publishers were told. */
  readonly published: string[];
}

/** An agent among fakes. */
export const stage = (more: Partial<AgentOptions> = {}): Stage => {
  const hosts: FakeHost[] = [];
  const world = new FakeWorld();
  const scheduler = new VirtualTimeScheduler();
  const logged: string[] = [];
  const published: string[] = [];
  const agent = createAgent({
    version: '0.0.0',
    scheduler,
    world,
    wallClock: () => new Date('2026-11-22T12:00:00.123Z'),
    log: (level, message, fields) => logged.push(JSON.stringify([level, message, fields])),
    settingsOf: hostSettings,
    parseHost: (value) => {
      const parsed = parseConfig(value);
      if (parsed.ok) return parsed.config;
      throw configFailure(parsed.errors);
    },
    createHost: (settings, environmentOf) => {
      const host = new FakeHost(settings, environmentOf);
      hosts.push(host);
      return host;
    },
    createPublisher: ({ settings }) => ({
      close: async (how) =>
        void published.push(`close ${settings.url}${how?.takeBack === true ? ' and take back' : ''}`),
      kill: () => void published.push(`kill ${settings.url}`),
    }),
    ...more,
  });
  return { agent, world, hosts, scheduler, logged, published };
};

/** An agent that answers, and does nothing. */
export const idleAgent = (more: Partial<Agent> = {}): Agent => ({
  events$: NEVER as Observable<CarpEvent>,
  problems$: NEVER,
  findings$: NEVER,
  info: () => ({ version: '0.0.0', pid: process.pid, nodes: ['a'] }),
  status: () => ({ version: '0.0.0', pid: process.pid, nodes: ['a'], hosts: [] }),
  snapshots: () => [eventOf('a', 'plant')],
  problems: () => [],
  configure: async () => undefined,
  handOver: async () => {
    throw new CarpError('CARP_NOBODY', 'nobody took over', { remedy: 'try --force' });
  },
  demote: async () => ({ node: 'a', changed: true, groups: [] }),
  restore: async () => ({ node: 'a', changed: true, groups: [] }),
  maintenance: async () => ({ node: 'a', changed: true, groups: [] }),
  observe: async () => ({ node: 'a', changed: true, groups: [] }),
  mode: async () => ({ node: 'a', changed: true, groups: [] }),
  advskew: async ({ group }) => ({ node: 'a', group, advskew: 7, configured: 0, role: 'MASTER' }),
  simulate: async () => undefined,
  watch: () => NEVER,
  heartbeat: () => undefined,
  stop: async () => undefined,
  ...more,
});
