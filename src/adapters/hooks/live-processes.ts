import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import type { CommandLine } from './command.ts';

const live = new Set<ChildProcess>();

/** To the whole process group: a script's children must not outlive it. */
export const signalGroup = ({ pid }: ChildProcess, name: NodeJS.Signals): void => {
  try {
    if (pid !== undefined) process.kill(-pid, name);
  } catch {
    // It has ended in the meantime.
  }
};

/** Whoever ends the agent ends its commands: nothing of it is left behind, except after SIGKILL and power cuts. */
const endAll = (): void => {
  for (const child of live) signalGroup(child, 'SIGKILL');
};

/** What a program needs to find its way, and nothing that the agent was told in confidence. */
const USUAL = /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR)$/;

/** Of the agent's environment, what is nobody's secret: that has passwords of groups and credentials of its service. */
const usualEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => USUAL.test(name)));

/**
 * Starts a program in a process group of its own, at normal priority: the agent has a higher one for its adverts, which
 * is not meant for what it starts. What cannot be started says so by `error`, later; without file descriptors left
 * (EMFILE) it has no pipes. @throws Error when the arguments are no arguments
 * @param environment - besides the usual variables, all that it gets
 */
export const startProcess = (
  [file, ...args]: CommandLine,
  environment: Readonly<Record<string, string>>,
): ChildProcess => {
  const child = spawn(file ?? '', args, {
    env: { ...usualEnvironment(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  if (live.size === 0) process.once('exit', endAll);
  live.add(child);
  const gone = (): void => {
    live.delete(child);
    if (live.size === 0) process.off('exit', endAll);
  };
  child.once('exit', gone);
  child.once('error', gone);
  try {
    if (child.pid !== undefined) setPriority(child.pid, 0);
  } catch {
    // It has ended already.
  }
  return child;
};
