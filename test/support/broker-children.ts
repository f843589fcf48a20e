/** Programs that must not outlive the test process, however it ends. */
import { Child, type ChildOptions } from './child.ts';

const alive = new Set<Child>();

/** Starts a program that is killed when this process ends. */
export const child = (name: string, argv: readonly string[], options: ChildOptions = {}): Child => {
  const started = new Child(name, argv, options);
  alive.add(started);
  started.exited.catch(() => undefined).finally(() => alive.delete(started));
  return started;
};

const killAll = (): void => {
  for (const one of alive) one.signal('SIGKILL');
};
process.once('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    killAll();
    process.exit(1);
  });
