/** carp-control: gives a group a command when a message comes, and tells how it went. */
import type { Node, NodeAPI, NodeDef, NodeMessage, NodeStatus } from 'node-red';
import type { CarpEvent } from '../src/engine/status.ts';
import { CarpError, problemOf } from '../src/ports/error.ts';
import { type ControlAction, type ControlFields, controlAction, nameOf, type Order } from './control-action.ts';
import { numberIn, textIn } from './fields.ts';
import { type NodeErrorCode, nodeFailure, noGroup } from './node-failure.ts';
import type { Registry } from './registry.ts';
import { registryOf } from './runtime.ts';
import { NO_GROUP, problemStatus } from './status.ts';

export interface ControlDef extends NodeDef, ControlFields {
  readonly group: string;
  /** A command that takes longer fails; in s. */
  readonly timeout?: number | string;
}

type OrderMessage = NodeMessage & Order & { readonly group?: unknown; readonly node?: unknown };

/** An answer of the agent takes 1.5 s where nobody takes over; no answer within 5 s is a lost connection. */
const TIMEOUT_S = { least: 0.1, most: 60, usual: 4 };

export default (RED: NodeAPI): void => registerControl(RED, registryOf(RED));

export const registerControl = (RED: NodeAPI, registry: Registry): void => {
  function CarpControl(this: Node, def: ControlDef): void {
    RED.nodes.createNode(this, def);
    const own = RED.nodes.getNode(def.group) as Node | null;
    if (own === null) this.status(NO_GROUP);
    const timeoutMs = numberIn(def.timeout, TIMEOUT_S) * 1000;

    const obey = async (msg: OrderMessage): Promise<NodeMessage> => {
      const id = groupOf(registry, own, msg);
      const action = controlAction(def, msg);
      const name = nameOf(action);
      this.status({ fill: 'blue', shape: 'ring', text: `carp.status.doing-${name}` });
      const result = await inTime(timeoutMs, name, carryOut(registry, id, action));
      this.status({ fill: 'green', shape: 'dot', text: `carp.status.done-${name}` });
      const carp = presentOf(registry, id);
      // The next node would take it for an order of its own: another carp-control, or an mqtt out.
      Reflect.deleteProperty(msg, 'action');
      return Object.assign(msg, { payload: { ok: true, action: name, ...result } }, carp && { carp });
    };

    this.on('input', (msg, send, done) => {
      obey(msg).then(
        (answer) => {
          send(answer);
          done();
        },
        (error: unknown) => {
          const failure = failureOf(error);
          this.status(failureStatus(failure.code));
          done(failure);
        },
      );
    });
  }
  RED.nodes.registerType('carp-control', CarpControl);
};

const carryOut = async (registry: Registry, id: string, action: ControlAction): Promise<object> => {
  switch (action.type) {
    case 'hand-over':
      return registry.handOver(id, action.force);
    case 'maintenance':
      return registry.maintenance(id, action.on, action.scope);
    case 'observe':
      return registry.observe(id, action.on, action.scope);
    case 'demote':
      return registry.demote(id, action.demotion);
    case 'restore':
      return registry.restore(id, action.reason, action.scope);
    case 'set-advskew':
      return registry.advskew(id, action.advskew);
    case 'query':
      return registry.statusOf(id);
    case 'crash':
    case 'revive':
      await registry.simulate(id, action.type);
      return {};
  }
};

/** The group that a message names, by the names of group and host; else that of the node. @throws Error CARP_NO_GROUP */
const groupOf = (registry: Registry, own: Node | null, { group, node }: OrderMessage): string => {
  const [name, host] = [textIn(group), textIn(node)];
  if (name === '') {
    if (own === null) throw noGroup();
    return own.id;
  }
  const all = registry.overview();
  const [found, ...others] = all.filter((one) => one.group === name && (host === '' || one.node === host));
  if (found !== undefined && others.length === 0) return found.id;
  const known = all.map((one) => `${one.group} of ${one.node}`).join(', ') || 'none';
  throw nodeFailure({
    code: 'CARP_NO_GROUP',
    message:
      found === undefined
        ? `there is no group "${name}"${host === '' ? '' : ` of node ${host}`} here`
        : `several hosts here have a group "${name}"`,
    remedy: `set msg.group, and msg.node, to one of these: ${known}`,
  });
};

/** What is known of the group after the command, as `msg.carp`. */
const presentOf = (registry: Registry, id: string): CarpEvent | undefined => {
  const event = registry.overview().find((one) => one.id === id)?.view.event;
  return event === undefined ? undefined : { ...event, event: 'snapshot' };
};

const inTime = async <Result>(ms: number, name: string, work: Promise<Result>): Promise<Result> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const error = nodeFailure({
      code: 'CARP_TIMEOUT',
      message: `${name}: no answer within ${ms / 1000} s`,
      remedy: 'it may still happen: send the action "query" to see; or allow more time in this node',
    });
    timer = setTimeout(() => reject(error), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
};

type Failure = Error & { readonly code: NodeErrorCode };

const failureOf = (error: unknown): Failure => {
  if (error instanceof Error && !(error instanceof CarpError) && 'code' in error) return error as Failure;
  return nodeFailure(problemOf(error));
};

const failureStatus = (code: NodeErrorCode): NodeStatus => {
  if (code === 'CARP_BAD_ACTION') return { fill: 'red', shape: 'ring', text: 'carp.status.bad-action' };
  if (code === 'CARP_TIMEOUT') return { fill: 'red', shape: 'ring', text: 'carp.status.timeout' };
  return problemStatus(code);
};
