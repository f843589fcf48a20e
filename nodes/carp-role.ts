/** carp-role: a message for each change of a group's role, shaped so that it can go straight into mqtt out. */
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import { concat, distinctUntilChanged, filter, ignoreElements, map, type Observable, take } from 'rxjs';
import { roleMessage } from '../src/agent/role-message.ts';
import type { CarpEvent } from '../src/engine/status.ts';
import type { GroupView } from './board.ts';
import { DEFAULT_BASE } from './group-settings.ts';
import type { Registry } from './registry.ts';
import { registryOf } from './runtime.ts';
import { NO_GROUP, sameStatus, statusOf } from './status.ts';

export interface RoleDef extends NodeDef {
  readonly group: string;
  /** 1: all messages; 2: MASTER at the first output, every other role at the second. */
  readonly outputs: number | string;
  /** Also tell the present role after each deploy if it is the one that was told last. */
  readonly onDeploy: boolean;
}

export default (RED: NodeAPI): void => registerRole(RED, registryOf(RED));

export const registerRole = (RED: NodeAPI, registry: Registry): void => {
  function CarpRole(this: Node, def: RoleDef): void {
    RED.nodes.createNode(this, def);
    const group = RED.nodes.getNode(def.group) as Node | null;
    if (group === null) return void this.status(NO_GROUP);

    const view$ = registry.view$(group.id);
    const outputs = Number(def.outputs);
    let always = def.onDeploy === true;
    const statuses = view$
      .pipe(map(statusOf), distinctUntilChanged(sameStatus))
      .subscribe((status) => this.status(status));
    const messages = afterStart(registry, view$).subscribe((event) => {
      const told = `${event.node}\u0000${event.group}\u0000${event.role}`;
      const known = registry.memory.get(this.id) === told;
      if (known && !always) return;
      always = false;
      registry.memory.set(this.id, told);
      const message = messageOf(event, registry.wantedBy(group.id)?.base ?? DEFAULT_BASE);
      this.send(outputs === 2 && event.role !== 'MASTER' ? [null, message] : message);
    });
    this.on('close', (removed: boolean, done: () => void) => {
      statuses.unsubscribe();
      messages.unsubscribe();
      if (removed) registry.memory.delete(this.id);
      done();
    });
  }
  RED.nodes.registerType('carp-role', CarpRole);
};

/**
 * What happens to the group once the flows have started: a message that is sent before reaches nobody. What happened
 * before then is told as a snapshot.
 */
const afterStart = ({ started$ }: Registry, view$: Observable<GroupView>): Observable<CarpEvent> =>
  concat(started$.pipe(take(1), ignoreElements()), view$).pipe(
    map(({ event }, index) => (event !== undefined && index === 0 ? { ...event, event: 'snapshot' as const } : event)),
    filter((event) => event !== undefined),
  );

/** As the agent publishes it itself, so that either may be subscribed to. */
const messageOf = (event: CarpEvent, base: string): NodeMessage => ({
  ...roleMessage({ base, node: event.node }, event),
  qos: 1,
  carp: event,
});
