import { existsSync, readFileSync } from 'node:fs';

/** What a program has written to a file so far, whole lines only: a shell makes the file before it writes to it. */
export const writtenLines = (file: string): readonly string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
