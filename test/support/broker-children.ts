/** Programs and folders that must not outlive the test process, however it ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, type ChildOptions } from './child.ts';

const alive = new Set<Child>();

/** Starts a program that is killed when this process ends. */
export const child = (name: string, argv: readonly string[], options: ChildOptions = {}): Child => {
  const started = new Child(name, argv, options);
  alive.add(started);
  started.exited.catch(() => undefined).finally(() => alive.delete(started));
  return started;
};

const folders = new Set<string>();

/** A folder of its own for a test. It goes with the process: nobody writes there any more by then. */
export const scratchFolder = (name: string): string => {
  const folder = mkdtempSync(join(tmpdir(), `carp-${name}-`));
  folders.add(folder);
  return folder;
};

const killAll = (): void => {
  for (const one of alive) one.signal('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
};
process.once('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    killAll();
    process.exit(1);
  });
