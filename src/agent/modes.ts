/** What stored modes mean for a group, and for the ledger of its engine. */
import type { GroupConfig } from '../config/types.ts';
import type { HostDemotion } from '../engine/host.ts';
import { MODES, type Mode } from '../engine/mode.ts';
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

type ModeOf = (group: string) => Mode;
/** Asked for each group, several times a second: so it is worked out once for each list. */
const known = new WeakMap<
  readonly MaintenanceEntry[],
  { readonly groups: readonly Member[]; readonly modeOf: ModeOf }
>();

/** How a group takes part: of several entries, the one that keeps it from more. */
export const modeOf = (entries: readonly MaintenanceEntry[], groups: readonly Member[], group: string): Mode => {
  let found = known.get(entries);
  if (found?.groups !== groups) {
    found = { groups, modeOf: modesOf(entries, groups) };
    known.set(entries, found);
  }
  return found.modeOf(group);
};

const modesOf = (entries: readonly MaintenanceEntry[], groups: readonly Member[]): ModeOf => {
  const syncs = new Map(groups.map(({ name, sync }) => [name, sync]));
  const modes = { host: 'normal' as Mode, sync: new Map<string, Mode>(), group: new Map<string, Mode>() };
  for (const entry of entries) {
    const mode = modeOfEntry(entry);
    const { group } = entry;
    if (group === undefined) modes.host = stronger(modes.host, mode);
    else {
      modes.group.set(group, stronger(modes.group.get(group), mode));
      const sync = syncs.get(group);
      if (sync !== undefined) modes.sync.set(sync, stronger(modes.sync.get(sync), mode));
    }
  }
  return (group) => {
    const sync = syncs.get(group);
    return [modes.group.get(group), sync === undefined ? undefined : modes.sync.get(sync)].reduce<Mode>(
      stronger,
      modes.host,
    );
  };
};

const stronger = (one: Mode = 'normal', other: Mode = 'normal'): Mode =>
  MODES.indexOf(one) > MODES.indexOf(other) ? one : other;

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
