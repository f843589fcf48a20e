/** The password of `carp ucarp`. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { CarpError } from '../ports/error.ts';
import type { UcarpOptions } from './ucarp-options.ts';

/** fgets(3) of ucarp takes so many; a password has 19 at most anyway. */
const PASSFILE_BYTES_MAX = 511;
/** "Others" may read. */
const WORLD_READABLE = 0o004;
const LF = 0x0a;

/** A password that was found, and what there is to say about where it was. */
export interface Secret {
  readonly pass: string;
  readonly warnings: readonly string[];
}

/**
 * The first line of a file, as ucarp reads it: without the line feed, but with the carriage return that an editor of
 * another system has put before it. A group whose hosts read copies of that file would fall apart otherwise.
 * @throws CarpError CARP_CONFIG, CARP_NO_PERMISSION; never with the password in it
 */
export const readSecret = ({ secret }: UcarpOptions): Secret => {
  if ('pass' in secret) return { pass: secret.pass, warnings: [] };
  const file = resolve(secret.passfile);
  const { line, isPublic } = firstLine(file);
  const pass = textOf(line, file);
  if (pass === '')
    throw new CarpError('CARP_CONFIG', `the first line of ${file} is empty, and the password is missing`, {
      remedy: `write the password into the first line of ${file}`,
    });
  const exposed = isPublic ? [`everybody on this system can read ${file}; run chmod o= ${file}`] : [];
  const hasReturn = pass.endsWith('\r');
  const returned = hasReturn
    ? [
        `the first line of ${file} ends in a carriage return, which is a part of the password, as for ucarp; hosts that have it from --pass or from another file do not agree: to remove it, on all hosts, sed -i 's/\\r$//' ${file}`,
      ]
    : [];
  return { pass, warnings: [...exposed, ...returned] };
};

const unreadable = (file: string, { code = 'unknown error' }: NodeJS.ErrnoException): CarpError => {
  const isDenied = code === 'EACCES' || code === 'EPERM';
  return new CarpError(
    isDenied ? 'CARP_NO_PERMISSION' : 'CARP_CONFIG',
    `cannot read the password from ${file}: ${code === 'ENOENT' ? 'there is no such file' : code}`,
    { remedy: `ls -l ${file} shows whether it is there and who may read it` },
  );
};

/** Of files and of pipes alike: `--passfile <(pass carp)` works with ucarp, too. */
const firstLine = (file: string): { readonly line: Uint8Array; readonly isPublic: boolean } => {
  let handle: number | undefined;
  try {
    handle = openSync(file, 'r');
    const stat = fstatSync(handle);
    const buffer = new Uint8Array(PASSFILE_BYTES_MAX);
    let length = 0;
    while (length < buffer.length && !buffer.subarray(0, length).includes(LF)) {
      const read = readSync(handle, buffer, length, buffer.length - length, null);
      if (read === 0) break;
      length += read;
    }
    const content = buffer.subarray(0, length);
    const end = content.indexOf(LF);
    return {
      line: end === -1 ? content : content.subarray(0, end),
      isPublic: stat.isFile() && (stat.mode & WORLD_READABLE) !== 0,
    };
  } catch (error) {
    throw unreadable(file, error as NodeJS.ErrnoException);
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
};

const textOf = (line: Uint8Array, file: string): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line);
  } catch {
    throw new CarpError('CARP_CONFIG', `the password in ${file} is not UTF-8 text`, {
      remedy: 'choose another one on all hosts, of printable characters',
    });
  }
};
