/** carp-role: a message for each change of a group's role, shaped so that it can go straight into mqtt out. */
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import {
  combineLatest,
  concat,
  debounce,
  distinctUntilChanged,
  filter,
  ignoreElements,
  map,
  type Observable,
  of,
  Subscription,
  take,
  timer,
} from 'rxjs';
import type { CarpEvent } from '../src/engine/status.ts';
import type { GroupView } from './board.ts';
import { isTrue, numberIn, oneOf, textIn } from './fields.ts';
import { DEFAULT_BASE } from './mqtt-settings.ts';
import { nodeFailure, noGroup, tellCatchNodes } from './node-failure.ts';
import type { Registry } from './registry.ts';
import { alertOf, messageOf, PAYLOADS } from './role-messages.ts';
import { mirrorTo } from './role-mirror.ts';
import { registryOf } from './runtime.ts';
import { NO_GROUP, sameStatus, statusOf } from './status.ts';
import { hasStranger } from './strangers.ts';

export interface RoleDef extends NodeDef {
  readonly group: string;
  /** All ports: 1 for all roles; 2: MASTER, others; 3: MASTER, BACKUP, others; and the last one for alerts, if wished. */
  readonly outputs: number | string;
  readonly alerts?: boolean | string;
  /** Also tell the present role after each deploy if it is the one that was told last. */
  readonly onDeploy: boolean | string;
  /** Also tell it so often; in s, 0 = never. */
  readonly heartbeat?: number | string;
  /** string, boolean (true: MASTER) or object. */
  readonly payload?: string;
  /** A role is told when it has lasted so long; in ms. */
  readonly debounce?: number | string;
  /** Where the last event is written for Function nodes; empty: `carp.GROUP`. */
  readonly context?: string;
  /** none, flow or global. */
  readonly contextType?: string;
}

const HEARTBEAT_S = { least: 0, most: 86_400, usual: 0 };
const DEBOUNCE_MS = { least: 0, most: 3_600_000, usual: 0 };

export default (RED: NodeAPI): void => registerRole(RED, registryOf(RED));

export const registerRole = (RED: NodeAPI, registry: Registry): void => {
  function CarpRole(this: Node, def: RoleDef): void {
    RED.nodes.createNode(this, def);
    const group = RED.nodes.getNode(def.group) as Node | null;
    if (group === null) {
      this.status(NO_GROUP);
      this.on('input', (_msg, _send, done) => done(noGroup()));
      return;
    }
    const ports = portsOf(def);
    const payload = oneOf(PAYLOADS, def.payload, 'string');
    const heartbeatS = numberIn(def.heartbeat, HEARTBEAT_S);
    const debounceMs = numberIn(def.debounce, DEBOUNCE_MS);
    const base = (): string => registry.wantedBy(group.id)?.base ?? DEFAULT_BASE;
    const view$ = registry.view$(group.id);
    const running = new Subscription();
    let view: GroupView = {};
    let always = isTrue(def.onDeploy);

    const tell = (event: CarpEvent): void => {
      registry.memory.set(this.id, `${event.node}\u0000${event.group}\u0000${event.role}`);
      this.send(ports.at(ports.of(event.role), messageOf(event, { base: base(), payload })));
    };
    const tellIfNew = (event: CarpEvent): void => {
      const known = registry.memory.get(this.id) === `${event.node}\u0000${event.group}\u0000${event.role}`;
      if (known && !always) return;
      always = false;
      tell(event);
    };

    running.add(view$.subscribe((next) => (view = next)));
    const statuses$ = combineLatest([view$, hasStranger(registry, group.id, view$)]).pipe(
      map(([seen, stranger]) => statusOf(seen, stranger)),
      distinctUntilChanged(sameStatus),
    );
    running.add(statuses$.subscribe((status) => this.status(status)));
    running.add(afterStart(registry, view$).pipe(lasting(debounceMs)).subscribe(tellIfNew));
    if (heartbeatS > 0)
      running.add(
        afterStart(registry, timer(heartbeatS * 1000, heartbeatS * 1000)).subscribe(() => {
          const { event, problem } = view;
          // What was heard before the problem may not be so any more.
          if (event !== undefined && problem === undefined) tell({ ...event, event: 'snapshot' });
        }),
      );
    if (ports.alerts !== undefined) {
      const port = ports.alerts;
      const findings$ = afterStart(registry, registry.findings$(group.id));
      running.add(findings$.subscribe((finding) => this.send(ports.at(port, alertOf(finding, base())))));
    }
    running.add(
      afterStart(registry, view$).subscribe(({ problem, event }) => {
        const told = `${this.id} problem`;
        if (problem === undefined) return void registry.memory.delete(told);
        const now = `${problem.code} ${problem.message}`;
        if (registry.memory.get(told) === now) return;
        registry.memory.set(told, now);
        tellCatchNodes(this, nodeFailure(problem), event === undefined ? {} : ({ carp: event } as NodeMessage));
      }),
    );
    const mirror = mirrorTo(RED, this, def, textIn(registry.wantedBy(group.id)?.group));
    if (mirror !== undefined)
      running.add(view$.subscribe(({ event, problem }) => mirror(problem === undefined ? event : undefined)));

    this.on('input', (msg: NodeMessage & { readonly action?: unknown }, send, done) => {
      const action = textIn(msg.action);
      if (action !== '' && action !== 'query') return done(unknownAction(action));
      if (view.event === undefined || view.problem !== undefined) return done(notKnown(view));
      const event = { ...view.event, event: 'snapshot' } as const;
      const answer = Object.assign(msg, messageOf(event, { base: base(), payload }));
      send(ports.at(ports.of(event.role), answer));
      done();
    });
    this.on('close', (removed: boolean, done: () => void) => {
      running.unsubscribe();
      // A role that nobody keeps up to date is worse than none.
      mirror?.(undefined);
      if (removed) for (const told of [this.id, `${this.id} problem`]) registry.memory.delete(told);
      done();
    });
  }
  RED.nodes.registerType('carp-role', CarpRole);
};

interface Ports {
  /** The port of a role. */
  readonly of: (role: CarpEvent['role']) => number;
  readonly alerts: number | undefined;
  /** A message at this port, for `send`. */
  readonly at: (port: number, msg: NodeMessage) => NodeMessage | (NodeMessage | null)[];
}

const portsOf = ({ outputs, alerts }: RoleDef): Ports => {
  const all = Math.max(1, Number(outputs) || 1);
  const roles = isTrue(alerts) ? all - 1 : all;
  return {
    of: (role) => {
      if (roles < 2 || role === 'MASTER') return 0;
      return roles > 2 && role !== 'BACKUP' ? 2 : 1;
    },
    alerts: isTrue(alerts) ? all - 1 : undefined,
    at: (port, msg) => (port === 0 ? msg : [...Array.from({ length: port }, () => null), msg]),
  };
};

/** What comes once the flows have started: a message that is sent before reaches nobody. */
const afterStart = <Value>({ started$ }: Registry, values$: Observable<Value>): Observable<Value> =>
  concat(started$.pipe(take(1), ignoreElements()) as Observable<never>, values$);

/** The events of views, each when its role has lasted for this time. What there was at the start is a snapshot. */
const lasting =
  (ms: number) =>
  (view$: Observable<GroupView>): Observable<CarpEvent> =>
    view$.pipe(
      map(({ event }, index) =>
        event !== undefined && index === 0 ? { ...event, event: 'snapshot' as const } : event,
      ),
      filter((event) => event !== undefined),
      // News that are no change of role must not put off the news of one.
      distinctUntilChanged((one, other) => one.role === other.role && one.node === other.node),
      debounce(() => (ms === 0 ? of(0) : timer(ms))),
    );

const unknownAction = (action: string): Error =>
  nodeFailure({
    code: 'CARP_BAD_ACTION',
    message: `there is no action "${action.slice(0, 64)}"`,
    remedy: 'set msg.action to "query", or leave it out',
  });

const notKnown = ({ problem }: GroupView): Error =>
  nodeFailure(problem ?? { code: 'CARP_NO_AGENT', message: 'no role is known yet', remedy: 'ask again in a second' });
