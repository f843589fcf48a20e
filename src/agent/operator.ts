import type { Host } from '../engine/host.ts';
import { CarpError } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import { HAND_OVER_WEIGHT } from './demotions.ts';
import type { Hosted } from './hosted.ts';
import type { MaintenanceEntry, MaintenanceStore } from './maintenance-store.ts';
import type {
  AdvskewParams,
  AdvskewReceipt,
  DemoteParams,
  DemotionReceipt,
  MaintenanceParams,
  RestoreParams,
} from './rpc.ts';

/** What people may do to a host. What changes its demotion resolves when the farewells are over that come of it. */
export interface Operator {
  /** @throws (rejects) CarpError CARP_NO_GROUP, CARP_FAILED */
  readonly demote: (params: DemoteParams) => Promise<DemotionReceipt>;
  /** An entry that is not there is no mistake, unless it is there for something else. @throws (rejects) as `demote` */
  readonly restore: (params: RestoreParams) => Promise<DemotionReceipt>;
  /** Stored before it acts. @throws (rejects) as `demote`; also when it cannot be stored, and nothing has happened */
  readonly maintenance: (params: MaintenanceParams) => Promise<DemotionReceipt>;
  /** Another rank, until the agent ends or the group's settings change. @throws (rejects) as `demote` */
  readonly advskew: (params: AdvskewParams) => Promise<AdvskewReceipt>;
}

export interface OperatorOptions {
  /** @throws CarpError CARP_NO_GROUP */
  readonly hostOf: (node: string | undefined) => Hosted;
  readonly maintenance: MaintenanceStore;
  readonly log: Log;
}

const REASON = 'maintenance';

export const createOperator = ({ hostOf, maintenance, log }: OperatorOptions): Operator => ({
  demote: async ({ node, reason, weight, group, forMs }) => {
    const host = hostOf(node);
    requireGroup(host, group);
    const scope = group === undefined ? {} : { group };
    const demotion = { reason, weight, ...scope, ...(forMs === undefined ? {} : { forMs }) };
    log('info', `an operator demotes ${group ?? 'the host'} by ${weight}: ${reason}`, { node: host.node });
    const groups = await host.demoting(group, (engine) => engine.demote(demotion));
    return { node: host.node, changed: true, groups };
  },

  restore: async ({ node, reason, group }) => {
    const host = hostOf(node);
    requireGroup(host, group);
    let changed = false;
    const groups = await host.demoting(group, (engine) => {
      changed = engine.restore(reason, group);
      if (!changed) refuseOtherScope(engine, reason, group);
    });
    if (changed) log('info', `an operator ends the demotion of ${group ?? 'the host'}: ${reason}`, { node: host.node });
    return { node: host.node, changed, groups };
  },

  maintenance: async ({ node, on, group }) => {
    const host = hostOf(node);
    requireGroup(host, group);
    const wholeHost = maintenance.of(host.node).some((entry) => entry.group === undefined);
    if (!on && group !== undefined && wholeHost)
      throw new CarpError('CARP_FAILED', `${group} is in maintenance with the whole host`, {
        remedy: 'to end that: carp maintenance off',
      });
    const changed = await maintenance.set({ node: host.node, group, on });
    if (changed) log('info', `maintenance of ${group ?? 'the host'} is ${on ? 'on' : 'off'}`, { node: host.node });
    if (!host.isOn) return { node: host.node, changed, groups: [] };
    const entry = maintenance.of(host.node).find((one) => one.group === group);
    const groups = await host.demoting(group, (engine) => {
      if (entry === undefined) leave(engine, group);
      else enter(engine, entry);
    });
    return { node: host.node, changed, groups };
  },

  advskew: async ({ node, group, advskew }) => {
    const host = hostOf(node);
    requireGroup(host, group);
    const receipt = host.setAdvskew(group, advskew ?? undefined);
    const what = advskew === null ? `back to its ${receipt.configured}` : `to ${advskew}`;
    log('info', `an operator sets the advskew of ${group} ${what}`, { node: host.node, group });
    return receipt;
  },
});

/** A group that cannot run now may be put into maintenance, too: that counts as soon as it can. */
const runs = (engine: Host, group: string): boolean => engine.status().groups.some((one) => one.group === group);

const enter = (engine: Host, { group, since }: MaintenanceEntry): void => {
  if (group !== undefined && !runs(engine, group)) return;
  const scope = group === undefined ? {} : { group };
  engine.demote({ reason: REASON, weight: HAND_OVER_WEIGHT, since: new Date(since), ...scope });
};

/** Whatever was stored: nothing of what is meant is in maintenance afterwards. */
const leave = (engine: Host, group: string | undefined): void => {
  if (group === undefined) engine.restore(REASON);
  for (const one of engine.status().groups)
    if (group === undefined || one.group === group) engine.restore(REASON, one.group);
};

const requireGroup = (host: Hosted, group: string | undefined): void => {
  const names = host.plan.config.groups.map(({ name }) => name);
  if (group === undefined || names.includes(group)) return;
  throw new CarpError('CARP_NO_GROUP', `${host.node} has no group ${group}`, {
    remedy: `its groups: ${names.join(', ') || 'none'}`,
  });
};

/** Somebody who restores what is demoted elsewhere has not got what he wanted, and is told. @throws CarpError CARP_FAILED */
const refuseOtherScope = (engine: Host, reason: string, group: string | undefined): void => {
  const demoted = engine
    .status()
    .groups.filter(({ ledger }) => ledger.some((entry) => entry.reason === reason))
    .map((one) => one.group);
  if (group === undefined && demoted.length > 0)
    throw new CarpError('CARP_FAILED', `${reason} does not demote the host, but ${demoted.join(', ')}`, {
      remedy: `name the group: carp restore ${shellWord(reason)} ${demoted[0] ?? ''}`,
    });
  if (group !== undefined && demoted.includes(group))
    throw new CarpError('CARP_FAILED', `${reason} demotes the whole host, not ${group} alone`, {
      remedy: `leave the group out: carp restore ${shellWord(reason)}`,
    });
};

const shellWord = (text: string): string =>
  /^[\w.:=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
