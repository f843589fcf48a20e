/** What stored modes mean for a group, and for the ledger of its engine. */
import type { GroupConfig } from '../config/types.ts';
import type { HostDemotion } from '../engine/host.ts';
import type { Mode } from '../engine/mode.ts';
import { HAND_OVER_WEIGHT } from './demotions.ts';
import { type MaintenanceEntry, modeOfEntry } from './maintenance-store.ts';

type Member = Pick<GroupConfig, 'name' | 'sync'>;

/** Entries that concern a group: its own, those of the whole host, and those of groups that move with it. */
export const entriesOf = (
  entries: readonly MaintenanceEntry[],
  groups: readonly Member[],
  group: string,
): readonly MaintenanceEntry[] => {
  const syncOf = (name: string): string | undefined => groups.find((one) => one.name === name)?.sync;
  const sync = syncOf(group);
  return entries.filter(
    (entry) =>
      entry.group === undefined || entry.group === group || (sync !== undefined && syncOf(entry.group) === sync),
  );
};

/** How the group takes part: of several entries, the one that keeps it from more. */
export const modeOf = (entries: readonly MaintenanceEntry[], groups: readonly Member[], group: string): Mode => {
  const modes = entriesOf(entries, groups, group).map(modeOfEntry);
  if (modes.includes('observe')) return 'observe';
  return modes.includes('maintenance') ? 'maintenance' : 'normal';
};

/** A mode is an entry of the ledger: it is shown there, with its age, and demotes. */
export const ledgerEntry = (entry: MaintenanceEntry): HostDemotion => {
  const { group, since } = entry;
  const mode = modeOfEntry(entry);
  return {
    reason: mode,
    weight: HAND_OVER_WEIGHT,
    since: new Date(since),
    ...(group === undefined ? {} : { group }),
    ...(mode === 'observe' ? { observes: true } : {}),
  };
};
