import { closeSync, constants as fs, fstatSync, openSync, readSync } from 'node:fs';
import { CarpError } from '../ports/error.ts';
import { PASSWORD_LENGTH_MAX } from '../protocol/constants.ts';
import type { GroupConfig } from './types.ts';

/** A longer first line is no password. */
const PASSFILE_BYTES_MAX = 4096;
/** "Others" may read. */
const WORLD_READABLE = 0o004;

const LF = 0x0a;
const CR = 0x0d;

const unreadable = (file: string, problem: string, code: 'CARP_CONFIG' | 'CARP_NO_PERMISSION'): CarpError =>
  new CarpError(code, `cannot read the password from ${file}: ${problem}`, {
    remedy: `ls -l ${file} shows whether it is there and who may read it`,
  });

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'too many symbolic links',
};

const openFile = (file: string): number => {
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for its other end.
    return openSync(file, fs.O_RDONLY | fs.O_NONBLOCK);
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    const isDenied = code === 'EACCES' || code === 'EPERM';
    throw unreadable(file, REASONS[code] ?? code, isDenied ? 'CARP_NO_PERMISSION' : 'CARP_CONFIG');
  }
};

export interface Passfile {
  /** The first line, without CR and LF. */
  readonly password: Uint8Array;
  /** Everybody on this system can read it. */
  readonly isPublic: boolean;
}

/** @throws CarpError CARP_CONFIG or CARP_NO_PERMISSION, with the command that shows the permissions */
export const readPassfile = (file: string): Passfile => {
  const handle = openFile(file);
  try {
    const stat = fstatSync(handle);
    if (!stat.isFile()) throw unreadable(file, 'it is not a file', 'CARP_CONFIG');
    const buffer = new Uint8Array(PASSFILE_BYTES_MAX);
    const content = buffer.subarray(0, readSync(handle, buffer));
    const end = content.indexOf(LF);
    if (end === -1 && content.length === PASSFILE_BYTES_MAX)
      throw unreadable(file, 'its first line is too long', 'CARP_CONFIG');
    const line = end === -1 ? content : content.subarray(0, end);
    const password = line.at(-1) === CR ? line.slice(0, -1) : line.slice();
    return { password, isPublic: (stat.mode & WORLD_READABLE) !== 0 };
  } finally {
    closeSync(handle);
  }
};

/** Where a group keeps its password; `undefined`: it has none. */
export const PASSWORD_KEYS = ['pass', 'passfile', 'passEnv'] as const;
export type PasswordKey = (typeof PASSWORD_KEYS)[number];

/** What is wrong with a password, if anything. */
export const passwordProblem = (password: Uint8Array): string | undefined => {
  if (password.length > PASSWORD_LENGTH_MAX)
    return (
      `the password has ${password.length} bytes, but ifconfig and ucarp keep only the first ${PASSWORD_LENGTH_MAX}, ` +
      `so that hosts would silently differ: use at most ${PASSWORD_LENGTH_MAX}`
    );
  // Keys are padded with zeros, so "a" and "a\0" are the same password, and C programs end at the zero.
  return password.includes(0) ? 'the password contains a zero byte: use printable characters' : undefined;
};

/**
 * The password of a group, empty if it has none.
 *
 * @throws CarpError CARP_CONFIG (missing, too long), CARP_NO_PERMISSION; never with the password in it
 */
export const resolvePassword = (
  group: Pick<GroupConfig, 'name' | PasswordKey>,
  environment: NodeJS.ProcessEnv,
): Uint8Array => {
  const read = (): Uint8Array => {
    if (group.passfile !== undefined) return readPassfile(group.passfile).password;
    if (group.passEnv === undefined) return Buffer.from(group.pass ?? '');
    const value = environment[group.passEnv];
    if (value === undefined) throw new CarpError('CARP_CONFIG', missingVariable(group.passEnv));
    return Buffer.from(value);
  };
  const password = read();
  const problem = passwordProblem(password);
  if (problem !== undefined) throw new CarpError('CARP_CONFIG', `group ${group.name}: ${problem}`);
  return password;
};

export const missingVariable = (name: string): string =>
  `the environment variable ${name} is not set: set it where the agent is started`;
