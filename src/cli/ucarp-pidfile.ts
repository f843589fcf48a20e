import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { CarpError } from '../ports/error.ts';

/** Writes the id of this process. @returns what removes it, if it is still ours. @throws CarpError CARP_CONFIG */
export const writePid = (file: string): (() => void) => {
  const content = `${process.pid}\n`;
  try {
    writeFileSync(file, content);
  } catch (error) {
    throw new CarpError('CARP_CONFIG', `cannot write the process id to ${file}: ${(error as Error).message}`, {
      remedy: 'give --pidfile a file in a folder that is there and may be written, such as /run',
    });
  }
  return () => {
    try {
      if (readFileSync(file, 'utf8') === content) rmSync(file);
    } catch {
      // Somebody else has removed it.
    }
  };
};
