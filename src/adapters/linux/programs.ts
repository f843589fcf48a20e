import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Before PATH: the folders of an administrator, which the PATH of an ordinary user often lacks, come first. */
const FOLDERS: readonly string[] = ['/usr/sbin', '/sbin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/local/bin'];

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Where a program of the system is, or `undefined`. */
export const programPath = (name: string, path = process.env['PATH'] ?? ''): string | undefined =>
  [...FOLDERS, ...path.split(delimiter).filter((folder) => folder.startsWith('/'))]
    .map((folder) => join(folder, name))
    .find(isExecutable);

/** What the programs that are started here get to see: their messages are read, and none of our secrets are theirs. */
export const PROGRAM_ENVIRONMENT: Readonly<Record<string, string>> = { LC_ALL: 'C', PATH: FOLDERS.join(delimiter) };
