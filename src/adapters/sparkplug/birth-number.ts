import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../ports/log.ts';
import type { EdgeIds } from './topics.ts';

/** The number that a birth and its death have in common (bdSeq): 0 at first, one more for each CONNECT, 0..255. */
export interface BirthNumbers {
  /** For the next CONNECT. Never rejects: what cannot be remembered is told once, and counted all the same. */
  readonly next: () => Promise<number>;
  /** The CONNECT with the last number was never sent: it is the next one again. */
  readonly unused: () => void;
}

const NUMBERS = 256;

/**
 * Remembered over restarts: the will of a connection that broke may be told after the next birth, and would otherwise
 * have the same number.
 *
 * @param folder - where it is kept; `undefined`: nowhere
 */
export const createBirthNumbers = (ids: EdgeIds, folder: string | undefined, log: Log): BirthNumbers => {
  const hash = createHash('sha256')
    .update(JSON.stringify([ids.group, ids.edgeNode]))
    .digest('hex')
    .slice(0, 12);
  const file = folder === undefined ? undefined : join(folder, `sparkplug-${hash}.json`);
  let last: number | undefined;
  let isRead = false;
  let isUnused = false;
  let complained = false;

  const complain = (what: string, error: unknown): void => {
    if (complained) return;
    complained = true;
    const why = error instanceof Error ? error.message : String(error);
    log('warn', `sparkplug: ${what}: ${why}`, { remedy: `make ${folder} writable for this user` });
  };

  const read = async (path: string): Promise<number | undefined> => {
    try {
      const { bdSeq } = JSON.parse(await readFile(path, 'utf8')) as { readonly bdSeq?: unknown };
      return typeof bdSeq === 'number' && Number.isInteger(bdSeq) && bdSeq >= 0 && bdSeq < NUMBERS ? bdSeq : undefined;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT'))
        complain('the number of the last birth is not known', error);
      return undefined;
    }
  };

  const write = async (folderOfFile: string, path: string, bdSeq: number): Promise<void> => {
    try {
      await mkdir(folderOfFile, { recursive: true });
      await writeFile(`${path}.new`, `${JSON.stringify({ bdSeq })}\n`, { mode: 0o600 });
      await rename(`${path}.new`, path);
    } catch (error) {
      complain('the number of this birth is not remembered', error);
    }
  };

  return {
    next: async () => {
      if (!isRead && file !== undefined) last = await read(file);
      isRead = true;
      if (!isUnused || last === undefined) {
        last = last === undefined ? 0 : (last + 1) % NUMBERS;
        if (folder !== undefined && file !== undefined) await write(folder, file, last);
      }
      isUnused = false;
      return last;
    },
    unused: () => {
      isUnused = true;
    },
  };
};
