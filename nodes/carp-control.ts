/** carp-control: gives a group a command when a message comes, and tells how it went. */
import type { Node, NodeAPI, NodeDef, NodeMessage, NodeStatus } from 'node-red';
import { type Problem, problemOf } from '../src/ports/error.ts';
import type { Registry } from './registry.ts';
import { registryOf } from './runtime.ts';
import { NO_GROUP, problemStatus } from './status.ts';

export interface ControlDef extends NodeDef {
  readonly group: string;
  /** Used when the message has no `action`. */
  readonly action: string;
  readonly force: boolean;
}

interface Order extends NodeMessage {
  readonly action?: unknown;
  readonly force?: unknown;
}

type Command = (registry: Registry, id: string, force: boolean) => Promise<object>;

const COMMANDS: Readonly<Record<string, Command>> = {
  'hand-over': (registry, id, force) => registry.handOver(id, force),
  crash: (registry, id) => registry.simulate(id, 'crash').then(() => ({})),
  revive: (registry, id) => registry.simulate(id, 'revive').then(() => ({})),
};

export default (RED: NodeAPI): void => registerControl(RED, registryOf(RED));

export const registerControl = (RED: NodeAPI, registry: Registry): void => {
  function CarpControl(this: Node, def: ControlDef): void {
    RED.nodes.createNode(this, def);
    const group = RED.nodes.getNode(def.group) as Node | null;
    if (group === null) this.status(NO_GROUP);

    this.on('input', (msg: Order, send, done) => {
      const action = String(msg.action ?? (def.action || ''));
      const command = Object.hasOwn(COMMANDS, action) ? COMMANDS[action] : undefined;
      const force = typeof msg.force === 'boolean' ? msg.force : def.force === true;
      if (group === null) return done(failure({ code: 'CARP_NO_GROUP', message: 'no group is chosen in this node' }));
      if (command === undefined) return done(unknownAction(action));
      this.status(busy(action));
      command(registry, group.id, force).then(
        (result) => {
          this.status({ fill: 'green', shape: 'dot', text: `carp.status.done-${action}` });
          send({ ...msg, action, payload: { ok: true, action, ...result } });
          done();
        },
        (error: unknown) => {
          const problem = problemOf(error);
          this.status(problemStatus(problem.code));
          done(failure(problem));
        },
      );
    });
  }
  RED.nodes.registerType('carp-control', CarpControl);
};

const busy = (action: string): NodeStatus => ({ fill: 'blue', shape: 'ring', text: `carp.status.doing-${action}` });

/** Reaches a Catch node as `msg.error`, with `code`. */
const failure = ({ code, message, remedy }: Pick<Problem, 'message' | 'remedy'> & { readonly code: string }): Error =>
  Object.assign(new Error(remedy === undefined ? message : `${message}: ${remedy}`), { code });

const unknownAction = (action: string): Error =>
  failure({
    code: 'CARP_BAD_ACTION',
    message: action === '' ? 'no action is given' : `there is no action "${action}"`,
    remedy: `set msg.action, or the action of this node, to ${Object.keys(COMMANDS).join(', ')}`,
  });
