import { constants as fs } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { MqttFailure } from './problem.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'too many symbolic links',
};

/**
 * A file that a setting names.
 *
 * @param setting - as users know it: `mqtt.tls.caFile`
 * @throws MqttFailure with a `code` of the system, FILE_KIND or FILE_SIZE
 */
export const readBounded = async (file: string, setting: string, bytesMax: number): Promise<Buffer> => {
  const failure = (code: string, why: string): MqttFailure => ({
    code,
    text: `cannot read ${setting} (${file}): ${why}; ls -l ${file} shows whether it is there and who may read it`,
  });
  let handle: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for its other end.
    handle = await open(file, fs.O_RDONLY | fs.O_NONBLOCK);
    if (!(await handle.stat()).isFile()) throw failure('FILE_KIND', 'it is not a file');
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytesMax + 1), 0, bytesMax + 1, 0);
    if (bytesRead > bytesMax) throw failure('FILE_SIZE', `it has more than ${bytesMax} bytes`);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { code = 'FILE' } = error as NodeJS.ErrnoException;
    throw failure(code, REASONS[code] ?? code);
  } finally {
    await handle?.close();
  }
};
