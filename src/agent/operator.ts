import type { Host } from '../engine/host.ts';
import type { Mode } from '../engine/mode.ts';
import { CarpError } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import type { Hosted } from './hosted.ts';
import {
  type MaintenanceEntry,
  type MaintenanceStore,
  type ModeOrder,
  modeOfEntry,
  type StoredMode,
} from './maintenance-store.ts';
import { entriesOf, ledgerEntry } from './modes.ts';
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
  /** As maintenance; whoever observes never becomes MASTER, not even as the last resort. @throws (rejects) as `maintenance` */
  readonly observe: (params: MaintenanceParams) => Promise<DemotionReceipt>;
  /**
   * One mode, and no other, for one group. @throws (rejects) as `maintenance`; also if the group would stay in another
   * mode, because its host is in that, or a group that moves with it, and nothing of its own ends
   */
  readonly mode: (order: Omit<ModeOrder, 'node'> & { readonly node?: string }) => Promise<DemotionReceipt>;
  /** Another rank, until the agent ends or the group's settings change. @throws (rejects) as `demote` */
  readonly advskew: (params: AdvskewParams) => Promise<AdvskewReceipt>;
}

export interface OperatorOptions {
  /** @throws CarpError CARP_NO_GROUP */
  readonly hostOf: (node: string | undefined) => Hosted;
  readonly maintenance: MaintenanceStore;
  readonly log: Log;
}

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

  maintenance: (params) => switchMode('maintenance', params, { hostOf, maintenance, log }),
  observe: (params) => switchMode('observe', params, { hostOf, maintenance, log }),

  mode: async ({ node, group, mode }) => {
    const host = hostOf(node);
    requireGroup(host, group);
    host.refuseWhenEnding();
    refuseOtherModes(host, maintenance.of(host.node), group, mode);
    const changed = await maintenance.put({ node: host.node, group, mode });
    if (changed) log('info', `the mode of ${group} is ${mode}`, { node: host.node, group });
    if (!host.isOn) return { node: host.node, changed, groups: [] };
    const entry = maintenance.of(host.node).find((one) => one.group === group);
    const groups = await host.demoting(group, (engine) => {
      // In this order: a change from one mode to the other is no moment without either.
      if (entry !== undefined) enter(engine, entry);
      for (const other of ['maintenance', 'observe'] as const) if (other !== mode) leave(engine, other, group);
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

const switchMode = async (
  mode: StoredMode,
  { node, on, group }: MaintenanceParams,
  { hostOf, maintenance, log }: OperatorOptions,
): Promise<DemotionReceipt> => {
  const host = hostOf(node);
  requireGroup(host, group);
  host.refuseWhenEnding();
  const wholeHost = maintenance.of(host.node).some((one) => one.group === undefined && modeOfEntry(one) === mode);
  if (!on && group !== undefined && wholeHost) throw inModeWith(group, mode, 'the whole host', `carp ${mode} off`);
  if (!on && group !== undefined) refuseIfOnlyOthers(host, maintenance.of(host.node), group, mode);
  const changed = await maintenance.set({ node: host.node, group, mode, on });
  if (changed) log('info', `${TITLE[mode]} of ${group ?? 'the host'} is ${on ? 'on' : 'off'}`, { node: host.node });
  if (!host.isOn) return { node: host.node, changed, groups: [] };
  const entry = maintenance.of(host.node).find((one) => one.group === group && modeOfEntry(one) === mode);
  const groups = await host.demoting(group, (engine) => {
    if (entry === undefined) leave(engine, mode, group);
    else enter(engine, entry);
  });
  return { node: host.node, changed, groups };
};

const TITLE = { maintenance: 'maintenance', observe: 'observing' } as const satisfies Record<StoredMode, string>;
const DOES = { maintenance: 'is in maintenance', observe: 'observes' } as const satisfies Record<StoredMode, string>;

const inModeWith = (group: string, mode: StoredMode, other: string, command: string): CarpError =>
  new CarpError('CARP_FAILED', `${group} ${DOES[mode]} with ${other}`, { remedy: `to end that: ${command}` });

const inModeWithGroup = (group: string, mode: StoredMode, other: string): CarpError =>
  inModeWith(group, mode, `${other}, of the same sync`, `carp ${mode} off ${shellWord(other)}`);

/** Refuses a mode that the group would not have afterwards. @throws CarpError CARP_FAILED */
const refuseOtherModes = (host: Hosted, entries: readonly MaintenanceEntry[], group: string, mode: Mode): void => {
  if (mode === 'observe') return;
  const stronger = entriesOf(entries, host.plan.config.groups, group).find(
    (entry) => entry.group !== group && (mode === 'normal' || modeOfEntry(entry) === 'observe'),
  );
  if (stronger === undefined) return;
  const of = modeOfEntry(stronger);
  if (stronger.group === undefined) throw inModeWith(group, of, 'the whole host', `carp ${of} off`);
  // Where each of two has an entry, one has to be the first that ends.
  if (!entries.some((entry) => entry.group === group && modeOfEntry(entry) !== mode))
    throw inModeWithGroup(group, of, stronger.group);
};

/** Refuses to end what a group is in with another one alone. @throws CarpError CARP_FAILED */
const refuseIfOnlyOthers = (
  host: Hosted,
  entries: readonly MaintenanceEntry[],
  group: string,
  mode: StoredMode,
): void => {
  const found = entriesOf(entries, host.plan.config.groups, group).filter((entry) => modeOfEntry(entry) === mode);
  const [other] = found.flatMap((entry) => entry.group ?? []);
  if (other !== undefined && found.every((entry) => entry.group !== group)) throw inModeWithGroup(group, mode, other);
};

/** A group that cannot run now may be put into a mode, too: that counts as soon as it can. */
const runs = (engine: Host, group: string): boolean => engine.snapshots(group).length > 0;

const enter = (engine: Host, entry: MaintenanceEntry): void => {
  if (entry.group === undefined || runs(engine, entry.group)) engine.demote(ledgerEntry(entry));
};

/** Whatever was stored: nothing of what is meant is in this mode afterwards. */
const leave = (engine: Host, mode: StoredMode, group: string | undefined): void => {
  if (group === undefined) engine.restore(mode);
  for (const one of engine.snapshots(group)) engine.restore(mode, one.group);
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
