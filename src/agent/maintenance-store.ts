/**
 * Who is in maintenance, and who only observes, on the disk: `maintenance.json` in the folder for state. It is written
 * before anything is done about it, so that neither a crash nor a reboot in the middle of the work brings a host back
 * (DESIGN D6). An older version of this program takes who observes for one in maintenance, which is the next best.
 *
 * The file is there only while somebody is in maintenance. So one that cannot be read or understood counts as "all hosts
 * here are in maintenance": a host that is wrongly in maintenance is still the last resort, while one that wrongly comes
 * back takes the addresses to a machine that somebody has opened. It is logged, and `carp maintenance off` ends it.
 */
import { copyFile, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mode } from '../engine/mode.ts';
import { CarpError } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';

export interface MaintenanceEntry {
  readonly node: string;
  /** Missing: the whole host. */
  readonly group?: string;
  /** Missing: in maintenance. */
  readonly mode?: 'observe';
  /** ISO 8601. */
  readonly since: string;
}

/** Lives as long as its agent. Changes are worked off one after the other. */
export interface MaintenanceStore {
  /** What is stored for this host: the same list until something changes. */
  readonly of: (node: string) => readonly MaintenanceEntry[];
  /**
   * Reads this folder, if it is another one than before; who is in maintenance already stays there. Never rejects.
   *
   * @param nodes - the hosts that are taken to be in maintenance when the file cannot be understood
   */
  readonly open: (folder: string, nodes: readonly string[]) => Promise<void>;
  /**
   * Resolves when it is on the disk: whether anything has changed. "Off" without a group ends it for the host and all of
   * its groups. @throws (rejects) CarpError CARP_FAILED, and nothing has changed
   */
  readonly set: (change: MaintenanceChange) => Promise<boolean>;
  /** The same for a group that is to have this mode and no other; entries of the whole host stay. @throws as `set` */
  readonly put: (order: ModeOrder) => Promise<boolean>;
}

export type StoredMode = Exclude<Mode, 'normal'>;

export interface MaintenanceChange {
  readonly node: string;
  readonly group?: string | undefined;
  /** Which one begins or ends. Default: maintenance. */
  readonly mode?: StoredMode;
  readonly on: boolean;
}

export interface ModeOrder {
  readonly node: string;
  readonly group: string;
  readonly mode: Mode;
}

export const modeOfEntry = (entry: MaintenanceEntry): StoredMode => entry.mode ?? 'maintenance';

export const MAINTENANCE_FILE = 'maintenance.json';
/** More than any agent has groups. */
const ENTRIES_MAX = 10_000;

export interface MaintenanceStoreOptions {
  readonly wallClock: () => Date;
  readonly log: Log;
}

/** Knows nothing and writes nowhere until `open`. */
export const createMaintenanceStore = ({ wallClock, log }: MaintenanceStoreOptions): MaintenanceStore => {
  let folder: string | undefined;
  let entries: readonly MaintenanceEntry[] = [];
  const byNode = new Map<string, readonly MaintenanceEntry[]>();
  let last: Promise<unknown> = Promise.resolve();

  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };

  const keep = (next: readonly MaintenanceEntry[]): void => {
    entries = next;
    byNode.clear();
  };

  const of = (node: string): readonly MaintenanceEntry[] => {
    const known = byNode.get(node);
    if (known !== undefined) return known;
    const found = entries.filter((entry) => entry.node === node);
    byNode.set(node, found);
    return found;
  };

  const openFolder = async (next: string, nodes: readonly string[]): Promise<void> => {
    if (next === folder) return;
    folder = next;
    const file = join(next, MAINTENANCE_FILE);
    const carried = entries;
    const found = await read(file);
    const since = wallClock().toISOString();
    const stored = found.type === 'entries' ? found.entries : nodes.map((node) => ({ node, since }));
    keep([...stored, ...carried.filter((entry) => !stored.some((other) => isSame(entry, other)))]);
    if (found.type !== 'entries')
      log('error', `${file} ${found.why}; to be safe, all hosts here are taken to be in maintenance`, {
        remedy: 'when they may serve again: carp maintenance off',
      });
    const isNews = found.type === 'corrupt' || entries.length > stored.length;
    if (!isNews || found.type === 'unreadable') return;
    try {
      // Copied, not moved: there is no moment without a file.
      if (found.type === 'corrupt') await copyFile(file, `${file}.corrupt`);
      await write(next, entries);
    } catch (error) {
      log('error', notStored(next, error).message);
    }
  };

  const store = async (next: readonly MaintenanceEntry[]): Promise<boolean> => {
    if (folder === undefined) throw new CarpError('CARP_FAILED', 'the agent does not run anything yet');
    if (next.length === entries.length && next.every((entry) => entries.includes(entry))) return false;
    try {
      await write(folder, next);
    } catch (error) {
      throw notStored(folder, error);
    }
    keep(next);
    return true;
  };

  const entryOf = (node: string, group: string | undefined, mode: StoredMode): MaintenanceEntry => ({
    node,
    ...(group === undefined ? {} : { group }),
    ...(mode === 'observe' ? { mode } : {}),
    since: wallClock().toISOString(),
  });

  const set = ({ node, group, mode = 'maintenance', on }: MaintenanceChange): Promise<boolean> => {
    const entry = entryOf(node, group, mode);
    if (on) return store(entries.some((other) => isSame(entry, other)) ? entries : [...entries, entry]);
    const ends = (other: MaintenanceEntry): boolean =>
      group === undefined ? other.node === node && modeOfEntry(other) === mode : isSame(entry, other);
    return store(entries.filter((other) => !ends(other)));
  };

  const put = ({ node, group, mode }: ModeOrder): Promise<boolean> => {
    const entry = mode === 'normal' ? undefined : entryOf(node, group, mode);
    const present = entry === undefined ? undefined : entries.find((other) => isSame(entry, other));
    const others = entries.filter((other) => other === present || other.node !== node || other.group !== group);
    return store(entry === undefined || present !== undefined ? others : [...others, entry]);
  };

  return {
    of,
    open: (next, nodes) => inTurn(() => openFolder(next, nodes)),
    set: (change) => inTurn(() => set(change)),
    put: (order) => inTurn(() => put(order)),
  };
};

type Found =
  | { readonly type: 'entries'; readonly entries: readonly MaintenanceEntry[] }
  | { readonly type: 'corrupt' | 'unreadable'; readonly why: string };

const read = async (file: string): Promise<Found> => {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { type: 'entries', entries: [] };
    return { type: 'unreadable', why: `cannot be read (${message})` };
  }
  try {
    const content: unknown = JSON.parse(text);
    const list = typeof content === 'object' && content !== null && 'entries' in content ? content.entries : undefined;
    if (Array.isArray(list) && list.length <= ENTRIES_MAX && list.every(isEntry))
      return { type: 'entries', entries: list };
  } catch {
    // The same as a list of something else.
  }
  return { type: 'corrupt', why: 'cannot be understood' };
};

const isEntry = (value: unknown): value is MaintenanceEntry => {
  if (typeof value !== 'object' || value === null) return false;
  const { node, group, mode, since } = value as Record<string, unknown>;
  if (typeof node !== 'string' || (group !== undefined && typeof group !== 'string')) return false;
  if (mode !== undefined && mode !== 'observe') return false;
  return typeof since === 'string' && Number.isFinite(Date.parse(since));
};

const isSame = (one: MaintenanceEntry, other: MaintenanceEntry): boolean =>
  one.node === other.node && one.group === other.group && one.mode === other.mode;

/** All or nothing, also when the power fails in the middle of it. */
const write = async (folder: string, entries: readonly MaintenanceEntry[]): Promise<void> => {
  const file = join(folder, MAINTENANCE_FILE);
  if (entries.length === 0) {
    await rm(file, { force: true });
    return syncFolder(folder);
  }
  // One level. Not `recursive`: Node 20 then tries for ever where the system says ENOENT (in /proc).
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const temporary = `${file}.${process.pid}.new`;
  try {
    await rm(temporary, { force: true });
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(`${JSON.stringify({ entries }, undefined, 1)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(folder);
};

/** Makes a new name last. Some file systems cannot do that for a folder, and need not. */
const syncFolder = async (folder: string): Promise<void> => {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // The content itself is safe.
  }
};

const notStored = (folder: string, error: unknown): CarpError =>
  new CarpError(
    'CARP_FAILED',
    `maintenance cannot be stored in ${folder}, and nothing has changed: ${error instanceof Error ? error.message : String(error)}`,
    { remedy: `make the folder writable for the agent: install -d -m 0700 -o ${process.getuid?.() ?? 0} ${folder}` },
  );
