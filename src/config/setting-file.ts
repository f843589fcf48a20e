import { closeSync, constants as fs, fstatSync, openSync, readSync } from 'node:fs';

/** What a file that a setting names contains, or why that cannot be said. */
export interface SettingFile {
  readonly content?: Buffer;
  /** Everybody on this system can read it. */
  readonly isPublic?: boolean;
  /** With the command that shows more. */
  readonly problem?: string;
}

/** "Others" may read. */
const WORLD_READABLE = 0o004;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'too many symbolic links',
};

export const readSettingFile = (file: string, bytesMax: number): SettingFile => {
  const problem = (why: string): SettingFile => ({
    problem: `cannot read ${file}: ${why}; ls -l ${file} shows whether it is there and who may read it`,
  });
  let handle: number | undefined;
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for its other end.
    handle = openSync(file, fs.O_RDONLY | fs.O_NONBLOCK);
    const stat = fstatSync(handle);
    if (!stat.isFile()) return problem('it is not a file');
    if (stat.size > bytesMax) return problem(`it has more than ${bytesMax} bytes`);
    const buffer = Buffer.alloc(stat.size);
    const content = buffer.subarray(0, readSync(handle, buffer));
    return { content, isPublic: (stat.mode & WORLD_READABLE) !== 0 };
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    return problem(REASONS[code] ?? code);
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
};
