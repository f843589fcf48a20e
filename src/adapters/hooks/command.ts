import { type ChildProcess, spawn } from 'node:child_process';
import { Observable } from 'rxjs';

/** A program and its arguments. There is no shell: nothing in them is expanded. */
export type CommandLine = readonly string[];

export type CommandOutcome =
  | { readonly type: 'exited'; readonly code: number; readonly ms: number; readonly output: string }
  | { readonly type: 'killed'; readonly why: 'timeout' | 'cancelled'; readonly ms: number; readonly output: string }
  | { readonly type: 'not-started'; readonly message: string };

export interface CommandOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** When this emits, the command is no longer wanted. */
  readonly cancel$: Observable<unknown>;
}

/** Between asking a command to end and ending it. */
const KILL_AFTER_MS = 1000;
/** How much of a command's output is kept: its end, which usually says what went wrong. */
const OUTPUT_MAX = 2000;

/** The whole process group: a script's children must not outlive it. */
const signal = ({ pid }: ChildProcess, name: NodeJS.Signals): void => {
  try {
    if (pid !== undefined) process.kill(-pid, name);
  } catch {
    // It has ended in the meantime.
  }
};

/**
 * Runs a command once; emits how it ended, and completes. Cold. It never fails.
 *
 * A command that is cancelled or takes too long gets SIGTERM, and SIGKILL a second later; the outcome comes only when it
 * has really ended, so that two runs never overlap. Unsubscribing kills it at once.
 */
export const runCommand = (
  [file, ...args]: CommandLine,
  { environment, timeoutMs, cancel$ }: CommandOptions,
): Observable<CommandOutcome> =>
  new Observable((subscriber) => {
    const started = performance.now();
    let output = '';
    let why: 'timeout' | 'cancelled' | undefined;
    const finish = (outcome: CommandOutcome): void => {
      subscriber.next(outcome);
      subscriber.complete();
    };
    const child = spawn(file ?? '', args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-OUTPUT_MAX);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    let lastResort: NodeJS.Timeout | undefined;
    const end = (reason: 'timeout' | 'cancelled'): void => {
      if (why !== undefined) return;
      why = reason;
      signal(child, 'SIGTERM');
      lastResort = setTimeout(() => signal(child, 'SIGKILL'), KILL_AFTER_MS);
    };
    const limit = setTimeout(() => end('timeout'), timeoutMs);
    subscriber.add(cancel$.subscribe(() => end('cancelled')));
    subscriber.add(() => {
      clearTimeout(limit);
      clearTimeout(lastResort);
      if (child.exitCode === null && child.signalCode === null) signal(child, 'SIGKILL');
    });
    child.on('error', ({ message }) => finish({ type: 'not-started', message }));
    // `exit`, not `close`: a daemon that a script leaves behind keeps its pipes open.
    child.on('exit', (code, killedBy) => {
      const ms = Math.round(performance.now() - started);
      if (why !== undefined) finish({ type: 'killed', why, ms, output });
      else finish({ type: 'exited', code: code ?? 128 + (killedBy === null ? 0 : 1), ms, output });
    });
  });
