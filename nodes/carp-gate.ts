/** carp-gate: lets messages through only while this host has the right role. What is not known is not the right role. */
import type { Node, NodeAPI, NodeDef, NodeStatus } from 'node-red';
import type { PublicRole } from '../src/engine/status.ts';
import { oneOf, wholeNumberIn } from './fields.ts';
import { Gate, type Passenger } from './gate.ts';
import { KEEP_MODES } from './kept-messages.ts';
import { KnownRole, type Standing } from './known-role.ts';
import { noGroup } from './node-failure.ts';
import { pacedStatus } from './paced-status.ts';
import type { Registry } from './registry.ts';
import { registryOf } from './runtime.ts';
import { NO_GROUP, problemStatus } from './status.ts';

export interface GateDef extends NodeDef {
  readonly group: string;
  /** The roles that pass: MASTER, BACKUP or both. None: MASTER. */
  readonly roles?: readonly string[] | string;
  /** What becomes of messages while the gate is closed: drop, latest or queue. */
  readonly mode?: string;
  /** So many are kept. */
  readonly limit?: number | string;
}

const LIMIT = { least: 1, most: 10_000, usual: 100 };
const STATUS_EVERY_MS = 1000;

export default (RED: NodeAPI): void => registerGate(RED, registryOf(RED));

export const registerGate = (RED: NodeAPI, registry: Registry): void => {
  function CarpGate(this: Node, def: GateDef): void {
    RED.nodes.createNode(this, def);
    const group = RED.nodes.getNode(def.group) as Node | null;
    if (group === null) {
      this.status(NO_GROUP);
      this.on('input', (_msg, _send, done) => done(noGroup()));
      return;
    }
    const role = new KnownRole(registry, group.id);
    const gate = new Gate({
      roles: rolesOf(def.roles),
      mode: oneOf(KEEP_MODES, def.mode, 'drop'),
      limit: wholeNumberIn(def.limit, LIMIT),
      standing: () => role.standing,
      name: () => {
        const wanted = registry.wantedBy(group.id);
        return wanted === undefined ? {} : { group: wanted.group, node: wanted.node };
      },
    });
    const status = pacedStatus(STATUS_EVERY_MS, (next) => this.status(next));
    const show = (): void => status.show(gateStatus(gate, role.standing, (key, usual) => wordOf(RED, key, usual)));

    // What is let out before the flows have started reaches nobody.
    let started = false;
    let carried = registry.keptMessages.get(this.id) ?? [];
    registry.keptMessages.delete(this.id);
    const begin = (): void => {
      started = true;
      for (const msg of carried) gate.wait({ msg, send: (outputs) => this.send(outputs), done: () => undefined });
      carried = [];
    };
    const changed = (): void => {
      if (started) gate.flush();
      show();
    };
    const starting = registry.started$.subscribe(() => {
      begin();
      changed();
    });
    const changes = role.changed$.subscribe(changed);
    show();

    this.on('input', (msg, send, done) => {
      begin();
      gate.handle({ msg, send: send as Passenger['send'], done });
      show();
    });
    this.on('close', (removed: boolean, done: () => void) => {
      starting.unsubscribe();
      changes.unsubscribe();
      role.close();
      status.close();
      const waiting = gate.takeAll();
      // The next deploy's gate goes on with them; to this one's flow they are through.
      const left = [...carried, ...waiting.map(({ msg }) => msg)];
      if (!removed && left.length > 0) registry.keptMessages.set(this.id, left);
      for (const passenger of waiting) passenger.done();
      done();
    });
  }
  RED.nodes.registerType('carp-gate', CarpGate);
};

const rolesOf = (roles: GateDef['roles']): readonly PublicRole[] => {
  const words = [roles ?? ''].flat().flatMap((word) => String(word).split(/[\s,]+/));
  const known = (['MASTER', 'BACKUP'] as const).filter((role) => words.includes(role));
  return known.length > 0 ? known : ['MASTER'];
};

type Word = (key: string, usual: string) => string;

/** A text with a number in it cannot be a key that the editor translates: it is in the language of Node-RED's runtime. */
const wordOf = (RED: NodeAPI, key: string, usual: string): string => {
  const translated = RED._(key);
  return translated === key ? usual : translated;
};

const gateStatus = (gate: Gate, standing: Standing, word: Word): NodeStatus => {
  if (standing.problem !== undefined) return problemStatus(standing.problem.code);
  if (gate.isOpen(standing))
    return { fill: 'green', shape: 'dot', text: `${word('carp-gate.status.pass', 'pass')} ${gate.passed}` };
  if (standing.role === undefined)
    return { fill: 'yellow', shape: 'ring', text: word('carp-gate.status.unknown', 'role unknown') };
  const kept = gate.kept === 0 ? '' : `, ${word('carp-gate.status.kept', 'kept')} ${gate.kept}`;
  const text = `${word('carp-gate.status.blocked', 'blocked')} ${gate.blocked}${kept}`;
  return { fill: 'grey', shape: 'ring', text };
};
