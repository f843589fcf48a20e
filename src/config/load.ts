import { closeSync, openSync, readSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ParsedConfig, parseConfig } from './parse.ts';
import { readText } from './yaml.ts';

export { parseConfig };

/** A larger file is no configuration. */
const FILE_BYTES_MAX = 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
};

/** At most one byte more than allowed, from files and pipes alike. */
const readBounded = (file: string): Uint8Array => {
  const handle = openSync(file, 'r');
  try {
    const buffer = new Uint8Array(FILE_BYTES_MAX + 1);
    let length = 0;
    for (;;) {
      const read = readSync(handle, buffer, length, buffer.length - length, null);
      length += read;
      if (read === 0 || length === buffer.length) return buffer.subarray(0, length);
    }
  } finally {
    closeSync(handle);
  }
};

const failed = (message: string): ParsedConfig => ({ ok: false, errors: [{ path: '', message }], warnings: [] });

const decode = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
};

/**
 * Reads a configuration file, YAML or JSON. Never throws: also a file that cannot be read is told as an error.
 * Names of files in it start at its folder.
 */
export const loadConfig = (file: string, environment: NodeJS.ProcessEnv = process.env): ParsedConfig => {
  let bytes: Uint8Array;
  try {
    bytes = readBounded(file);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return failed(`cannot be read: ${REASONS[code] ?? code}; look at it with: ls -l ${file}`);
  }
  if (bytes.length > FILE_BYTES_MAX) return failed('is larger than 1 MiB; is it the right file?');
  const text = decode(bytes);
  if (text === undefined) return failed('is not UTF-8 text; save it as UTF-8');
  const read = readText(text);
  if (!read.ok) return { ...read, warnings: [] };
  return parseConfig(read.value, { baseFolder: dirname(resolve(file)), environment, lineOf: read.lineOf });
};
