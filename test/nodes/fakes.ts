/** A Node-RED with an agent that only notes what it is told. */
import { createRequire } from 'node:module';
import type { Node, NodeAPI, NodeMessage, NodeStatus } from 'node-red';
import { BehaviorSubject, Observable, Subject } from 'rxjs';
import type { AgentLink, Agents, GroupProblem, OwnAgent } from '../../nodes/agent-link.ts';
import { registerControl } from '../../nodes/carp-control.ts';
import { registerGate } from '../../nodes/carp-gate.ts';
import { registerGroup } from '../../nodes/carp-group.ts';
import { registerHealth } from '../../nodes/carp-health.ts';
import { registerMqtt } from '../../nodes/carp-mqtt.ts';
import { registerRole } from '../../nodes/carp-role.ts';
import { registerWatch } from '../../nodes/carp-watch.ts';
import { createRegistry, type Registry } from '../../nodes/registry.ts';
import type { LinkState } from '../../src/agent/link.ts';
import type {
  AdvskewParams,
  AgentStatus,
  ConfigureParams,
  DemoteParams,
  DemotionReceipt,
  GroupParams,
  HandOverParams,
  MaintenanceParams,
  RestoreParams,
  SimulateParams,
  WatchParams,
} from '../../src/agent/rpc.ts';
import type { SegmentUpdate } from '../../src/agent/segment-updates.ts';
import type { Finding } from '../../src/engine/mismatch.ts';
import type { CarpEvent, GroupStatus } from '../../src/engine/status.ts';
import { CarpError } from '../../src/ports/error.ts';

type Spied = 'status' | 'warn' | 'error' | 'send';

interface Spy {
  readonly getCalls: () => readonly { readonly thisValue: unknown; readonly args: readonly unknown[] }[];
}

interface Helper {
  readonly load: (
    nodes: readonly ((RED: NodeAPI) => void)[],
    flow: readonly object[],
    credentials?: object,
  ) => Promise<void>;
  readonly setFlows: (flow: readonly object[], type: 'full' | 'nodes' | 'flows', credentials?: object) => Promise<void>;
  readonly clearFlows: () => Promise<void>;
  readonly unload: () => Promise<void>;
  readonly startServer: (done: () => void) => void;
  readonly stopServer: (done: () => void) => void;
  readonly getNode: (id: string) => Node | null;
  readonly log: () => { readonly args: readonly (readonly [{ readonly msg: unknown }])[] };
}

export const helper = createRequire(import.meta.url)('node-red-node-test-helper') as Helper;

export class FakeAgent implements OwnAgent {
  readonly events$ = new Subject<CarpEvent>();
  readonly problems$ = new Subject<GroupProblem>();
  readonly findings$ = new Subject<Finding>();
  readonly state$ = new BehaviorSubject<LinkState>({ state: 'starting' });
  readonly configured: ConfigureParams[] = [];
  readonly commands: object[] = [];
  stopped = 0;
  /** What commands fail with. */
  failure: CarpError | undefined;
  /** By group, then by reason: the weights. */
  readonly ledgers = new Map<string, Map<string, number>>();
  /** Whether it answers at all: one that is frozen does not. */
  frozen = false;
  pings = 0;
  readonly #groups = new Map<string, CarpEvent>();
  readonly #questions: (() => void)[] = [];

  constructor() {
    this.events$.subscribe((event) => this.#groups.set(event.group, event));
  }

  configure = async (params: ConfigureParams): Promise<void> => void this.configured.push(params);
  /** Answers as soon as it is not frozen. */
  async #answer<Answer>(answer: () => Answer): Promise<Answer> {
    if (this.frozen) await new Promise<void>((resolve) => this.#questions.push(resolve));
    if (this.failure !== undefined) throw this.failure;
    return answer();
  }
  /** What was asked meanwhile is answered now. */
  thaw(): void {
    this.frozen = false;
    for (const answer of this.#questions.splice(0)) answer();
  }

  ping = (): Promise<void> => {
    this.pings += 1;
    return this.#answer(() => undefined);
  };
  status = (): Promise<AgentStatus> => this.#answer(() => this.#status());
  #status(): AgentStatus {
    const known = [...this.#groups.values()].map((event) => statusOf(event, this.ledgers.get(event.group)));
    const nodes = [...new Set(known.map(({ node }) => node))];
    const hosts = nodes.map((node) => ({ node, groups: known.filter((one) => one.node === node) }));
    return { version: '0', pid: 0, nodes, hosts };
  }
  demote = async (params: DemoteParams): Promise<DemotionReceipt> => {
    this.commands.push({ demote: params });
    return this.#answer(() => {
      const { group = '', reason, weight } = params;
      this.ledgers.set(group, (this.ledgers.get(group) ?? new Map()).set(reason, weight));
      return receipt(params);
    });
  };
  restore = async (params: RestoreParams): Promise<DemotionReceipt> => {
    this.commands.push({ restore: params });
    return this.#answer(() => {
      const changed = this.ledgers.get(params.group ?? '')?.delete(params.reason) ?? false;
      return { ...receipt(params), changed };
    });
  };
  maintenance = async (params: MaintenanceParams): Promise<DemotionReceipt> => {
    this.commands.push({ maintenance: params });
    return this.#answer(() => receipt(params));
  };
  observe = async (params: MaintenanceParams): Promise<DemotionReceipt> => {
    this.commands.push({ observe: params });
    return this.#answer(() => receipt(params));
  };
  advskew = async (params: AdvskewParams) => {
    this.commands.push({ advskew: params });
    return this.#answer(() => ({
      node: params.node ?? '',
      group: params.group,
      advskew: params.advskew ?? 0,
      configured: 0,
      role: 'BACKUP' as const,
    }));
  };
  handOver = async (params: HandOverParams) => {
    this.commands.push(params);
    return this.#answer(() => ({ address: '192.0.2.12', afterMs: 7 }));
  };
  simulate = async (params: SimulateParams): Promise<void> => void this.commands.push(params);
  /** What is listened to now, by interface. */
  readonly watched: string[] = [];
  readonly segment$ = new Subject<SegmentUpdate>();
  /** What is told to each listener first. */
  heard: SegmentUpdate | undefined;
  watch = ({ interface: name, simulated = false }: WatchParams): Observable<SegmentUpdate> =>
    new Observable((subscriber) => {
      const watched = simulated ? `${name} simulated` : name;
      this.watched.push(watched);
      const listening = this.segment$.subscribe(subscriber);
      // As the real link: whoever comes later makes the others hear it again.
      if (this.heard !== undefined) this.segment$.next(this.heard);
      return () => {
        listening.unsubscribe();
        this.watched.splice(this.watched.indexOf(watched), 1);
      };
    });
  stop = async (): Promise<void> => void this.stopped++;

  /** Says that a group has this role now. */
  tell(group: GroupParams, role: CarpEvent['role'], more: Partial<CarpEvent> = {}): void {
    this.events$.next({ ...eventOf(group, role), ...more });
  }
}

export interface FakeAgents extends Agents {
  readonly forked: readonly FakeAgent[];
  readonly execPaths: readonly (string | undefined)[];
  readonly connected: ReadonlyMap<string, FakeAgent>;
  /** The one that runs. */
  readonly own: () => FakeAgent;
}

export const fakeAgents = (): FakeAgents => {
  const forked: FakeAgent[] = [];
  const execPaths: (string | undefined)[] = [];
  const connected = new Map<string, FakeAgent>();
  return {
    forked,
    execPaths,
    connected,
    fork: ({ execPath }) => {
      const agent = new FakeAgent();
      forked.push(agent);
      execPaths.push(execPath);
      return agent;
    },
    connect: (socket): AgentLink => {
      const agent = new FakeAgent();
      connected.set(socket, agent);
      return agent;
    },
    own: () => {
      const agent = forked.at(-1);
      if (agent === undefined) throw new CarpError('CARP_NO_AGENT', 'no agent was started');
      return agent;
    },
  };
};

export const eventOf = ({ node, group }: GroupParams, role: CarpEvent['role']): CarpEvent => ({
  event: 'transition',
  group,
  interface: 'eth0',
  vhid: 10,
  node,
  role,
  previous: 'INIT',
  reason: 'startup',
  detail: '',
  at: '2026-11-22T12:00:00.123Z',
  seq: 1,
  advbase: 1,
  advskew: 0,
  demotion: 0,
  addresses: ['192.0.2.100/24'],
});

const receipt = ({ node = '' }: { readonly node?: string }): DemotionReceipt => ({ node, changed: true, groups: [] });

const statusOf = (
  { event: _event, at, devd: _devd, ...known }: CarpEvent,
  ledger: ReadonlyMap<string, number> = new Map(),
): GroupStatus => ({
  ...known,
  since: at,
  intervalMs: 1000,
  masterDownMs: 3000,
  counters: {} as GroupStatus['counters'],
  ledger: [...ledger].map(([reason, weight]) => ({ reason, weight, since: at })),
  history: [],
});

/** The nodes of this package, on a registry of the test's own. */
export const nodesOn = (registryOf: (RED: NodeAPI) => Registry): readonly ((RED: NodeAPI) => void)[] => [
  (RED) => registerMqtt(RED, registryOf(RED)),
  (RED) => registerGroup(RED, registryOf(RED)),
  (RED) => registerRole(RED, registryOf(RED)),
  (RED) => registerControl(RED, registryOf(RED)),
  (RED) => registerGate(RED, registryOf(RED)),
  (RED) => registerHealth(RED, registryOf(RED)),
  (RED) => registerWatch(RED, registryOf(RED)),
];

/** One registry for all loads of a test: as in Node-RED, it outlives deploys. */
export const registryFor = (agents: Agents, state = '/nonexistent/carp', graceMs = 5000) => {
  let registry: Registry | undefined;
  return (RED: NodeAPI): Registry => {
    // Each test leaves its registry's listeners behind.
    RED.events.setMaxListeners(0);
    registry ??= createRegistry({ agents, events: RED.events, state, graceMs });
    return registry;
  };
};

/** What has no place on a tab is taken for a configuration node. */
export const AT = { x: 100, y: 100 };
export const tab = { id: 't', type: 'tab', label: 'test' };
export const group = (more: object = {}): object => ({
  id: 'g',
  type: 'carp-group',
  name: '',
  group: 'plant',
  host: 'rpi1',
  mode: 'simulate',
  interface: 'eth0',
  vhid: 10,
  addresses: ['192.0.2.100/24'],
  advbase: 1,
  advskew: 0,
  deadratio: 3,
  preempt: false,
  preemptDelay: 0,
  addressing: 'interface',
  ...more,
});
export const role = (more: object = {}): object => ({
  id: 'r',
  type: 'carp-role',
  z: 't',
  ...AT,
  group: 'g',
  outputs: 1,
  wires: [['out']],
  ...more,
});
export const control = (more: object = {}): object => ({
  id: 'c',
  type: 'carp-control',
  z: 't',
  ...AT,
  group: 'g',
  action: '',
  wires: [['out']],
  ...more,
});
export const gate = (more: object = {}): object => ({
  id: 'gate',
  type: 'carp-gate',
  z: 't',
  ...AT,
  group: 'g',
  wires: [['pass'], ['blocked']],
  ...more,
});
export const health = (more: object = {}): object => ({
  id: 'health',
  type: 'carp-health',
  z: 't',
  ...AT,
  name: 'boiler',
  group: 'g',
  wires: [],
  ...more,
});
export const watch = (more: object = {}): object => ({
  id: 'w',
  type: 'carp-watch',
  z: 't',
  ...AT,
  name: '',
  interface: 'eth0',
  mode: 'run',
  socket: '',
  vhid: '',
  wires: [['out']],
  ...more,
});
export const sink = (id = 'out'): object => ({ id, type: 'helper', z: 't', ...AT, wires: [] });

/** Notes what reaches a node. */
export const messagesAt = (id: string): NodeMessage[] => {
  const messages: NodeMessage[] = [];
  const node = helper.getNode(id);
  if (node === null) throw new RangeError(`no node ${id}`);
  node.on('input', (message) => void messages.push(message));
  return messages;
};

/** First arguments of the calls of a method of this node, since the flows were loaded. The helper spies on all nodes at once. */
export const calls = (id: string, method: Spied): readonly unknown[] => {
  const node = helper.getNode(id);
  if (node === null) return [];
  const spy = node[method] as unknown as Spy;
  return spy
    .getCalls()
    .filter(({ thisValue }) => thisValue === node)
    .map(({ args }) => args[0]);
};

export const lastStatus = (id: string): NodeStatus | undefined => calls(id, 'status').at(-1) as NodeStatus | undefined;

/** Waits until this is so; fails after 5 s. */
export const until = async (so: () => boolean, what: string, ms = 5000): Promise<void> => {
  const end = performance.now() + ms;
  while (!so()) {
    if (performance.now() > end) throw new Error(`not in ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
