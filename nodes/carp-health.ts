/** carp-health: what a flow finds out about this host demotes its group, as the `track` of a configuration file does. */
import type { Node, NodeAPI, NodeDef, NodeMessage, NodeStatus } from 'node-red';
import type { Problem } from '../src/ports/error.ts';
import { numberIn, oneOf, wholeNumberIn } from './fields.ts';
import {
  dueAt,
  type Health,
  type HealthMemory,
  type HealthRules,
  heard,
  initialHealth,
  isBad,
  overdue,
  resumed,
} from './health.ts';
import { claimReason, releaseReason } from './health-reason.ts';
import { type HealthRuleDef, isGood } from './health-rule.ts';
import { LedgerEntry } from './ledger-entry.ts';
import { nodeFailure, noGroup } from './node-failure.ts';
import { type Registry, within } from './registry.ts';
import { registryOf } from './runtime.ts';
import { NO_GROUP, problemStatus, sameStatus } from './status.ts';

export interface HealthDef extends NodeDef, HealthRuleDef {
  readonly group: string;
  readonly weight?: number | string;
  readonly fall?: number | string;
  readonly rise?: number | string;
  /** A message is due so often; in s, 0 = never. */
  readonly expect?: number | string;
  readonly initially?: string;
}

const WEIGHT = { least: 1, most: 65_535, usual: 240 };
const COUNT = { least: 1, most: 1000, usual: 1 };
const EXPECT_S = { least: 0, most: 86_400, usual: 0 };
/** A timer that is later than that shows that the loop stood still: messages wait that are not late. */
const STALL_MS = 250;
const SECOND_CHANCE_MS = 1000;
const TAKE_BACK_MS = 1000;
/** After so many failures in a row it is no start that takes its time, but an error of the flow. */
const PATIENCE = 3;

export default (RED: NodeAPI): void => registerHealth(RED, registryOf(RED));

export const registerHealth = (RED: NodeAPI, registry: Registry): void => {
  function CarpHealth(this: Node, def: HealthDef): void {
    RED.nodes.createNode(this, def);
    const group = RED.nodes.getNode(def.group) as Node | null;
    const before = registry.health.get(this.id);
    const takeBack = (old: HealthMemory | undefined): Promise<unknown> =>
      old === undefined || !isBad(old.health)
        ? Promise.resolve()
        : registry.restore(old.group, old.reason, 'group').catch(() => undefined);
    if (group === null) {
      this.status(NO_GROUP);
      registry.health.delete(this.id);
      void takeBack(before);
      this.on('input', (_msg, _send, done) => done(noGroup()));
      return;
    }

    const rules = rulesOf(def);
    const weight = wholeNumberIn(def.weight, WEIGHT);
    const reason = claimReason(registry, this, group.id);
    const now = performance.now();
    let health = before === undefined ? initialHealth(rules, now) : resumed(before.health, now);
    // Of another group or name: gone when the new one is there.
    let former = before !== undefined && (before.group !== group.id || before.reason !== reason) ? before : undefined;
    let failures = 0;
    let problem: Problem | undefined;
    let lastMessage: NodeMessage = {};
    let timer: NodeJS.Timeout | undefined;

    let shown: NodeStatus = {};
    const show = (): void => {
      const status = healthStatus(health, isBad(health) ? problem : undefined);
      if (!sameStatus(status, shown)) this.status(status);
      shown = status;
    };
    const settled = (next: Problem | undefined): void => {
      problem = next;
      failures = next === undefined ? 0 : failures + 1;
      if (next === undefined && former !== undefined) {
        void takeBack(former);
        former = undefined;
      }
      // As long as nothing is wrong with the host, nobody misses the ledger.
      if (next !== undefined && failures === PATIENCE && isBad(health)) this.error(nodeFailure(next), lastMessage);
      show();
    };
    const entry = new LedgerEntry({
      registry,
      group: group.id,
      reason,
      // From a former life of this Node-RED, with an agent that has outlived it: it was bad, and nobody has said otherwise.
      found: (there) => {
        if (there !== undefined && health.state === 'waiting' && before === undefined)
          become({ ...health, state: 'unhealthy', heardAt: performance.now() });
      },
      settled,
    });

    const become = (next: Health): void => {
      health = next;
      registry.health.set(this.id, { group: group.id, reason, health });
      if (isBad(health)) entry.wish(weight);
      else if (health.state === 'healthy') entry.wish('none');
      show();
      awaitNext();
    };
    const awaitNext = (): void => {
      clearTimeout(timer);
      const due = dueAt(health, rules);
      if (due === undefined) return;
      timer = setTimeout(
        () => {
          if (performance.now() - due <= STALL_MS) return become(overdue(health));
          timer = setTimeout(() => become(overdue(health)), Math.min(rules.expectMs, SECOND_CHANCE_MS)).unref();
        },
        Math.max(0, due - performance.now()),
      ).unref();
    };
    become(health);

    this.on('input', (msg, _send, done) => {
      lastMessage = msg;
      isGood(RED, this, def, msg).then(
        (good) => {
          become(heard(health, good, performance.now(), rules));
          done();
        },
        (error: Error) => done(nodeFailure({ code: 'CARP_CONFIG', message: error.message })),
      );
    });
    this.on('close', (removed: boolean, done: () => void) => {
      clearTimeout(timer);
      entry.close();
      if (!removed) return done();
      const last = registry.health.get(this.id);
      registry.health.delete(this.id);
      releaseReason(registry, group.id, reason);
      within(
        TAKE_BACK_MS,
        Promise.all([takeBack(last), takeBack(former)]).then(() => undefined),
      ).then(done, done);
    });
  }
  RED.nodes.registerType('carp-health', CarpHealth);
};

const rulesOf = (def: HealthDef): HealthRules => ({
  fall: wholeNumberIn(def.fall, COUNT),
  rise: wholeNumberIn(def.rise, COUNT),
  expectMs: numberIn(def.expect, EXPECT_S) * 1000,
  initially: oneOf(['waiting', 'expected', 'unhealthy'], def.initially, 'waiting'),
});

const STATUS = {
  waiting: { fill: 'grey', shape: 'ring', text: 'carp.status.waiting' },
  healthy: { fill: 'green', shape: 'dot', text: 'carp.status.healthy' },
  unhealthy: { fill: 'yellow', shape: 'dot', text: 'carp.status.unhealthy' },
  late: { fill: 'yellow', shape: 'ring', text: 'carp.status.late' },
} as const satisfies Record<Health['state'], NodeStatus>;

const healthStatus = ({ state }: Health, problem: Problem | undefined): NodeStatus =>
  problem === undefined ? STATUS[state] : problemStatus(problem.code);
