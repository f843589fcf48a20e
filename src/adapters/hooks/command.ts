import { constants } from 'node:os';
import { Observable, type Subscription, switchMap } from 'rxjs';
import { signalGroup, startProcess } from './live-processes.ts';
import { turn } from './turns.ts';

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
  /** Gets what it says, as it comes: its end is in the outcome too. */
  readonly onOutput?: (text: string, stream: 'stdout' | 'stderr') => void;
}

/** Between asking a command to end and ending it. */
export const KILL_AFTER_MS = 1000;
/** How much of a command's output is kept: its end, which usually says what went wrong. */
const OUTPUT_MAX = 2000;
/** A longer last line is no sentence any more. */
const LINE_MAX = 300;

/** What a program that failed usually explains itself with; without control characters, perhaps empty. */
export const lastLine = (output: string): string =>
  (output.trimEnd().split('\n').at(-1) ?? '')
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, LINE_MAX);

/**
 * Runs a command once; emits how it ended, and completes. Cold. It never fails.
 *
 * A command that is cancelled or takes too long gets SIGTERM, and SIGKILL a second later; the outcome comes only when it
 * has really ended, so that two runs never overlap. Unsubscribing kills it at once.
 */
export const runCommand = (command: CommandLine, options: CommandOptions): Observable<CommandOutcome> =>
  turn().pipe(switchMap(() => runNow(command, options)));

const runNow = (
  command: CommandLine,
  { environment, timeoutMs, cancel$, onOutput }: CommandOptions,
): Observable<CommandOutcome> =>
  new Observable((subscriber) => {
    const started = performance.now();
    let output = '';
    let why: 'timeout' | 'cancelled' | undefined;
    const finish = (outcome: CommandOutcome): void => {
      subscriber.next(outcome);
      subscriber.complete();
    };
    let child: ReturnType<typeof startProcess>;
    try {
      child = startProcess(command, environment);
    } catch (error) {
      return finish({ type: 'not-started', message: error instanceof Error ? error.message : String(error) });
    }
    for (const name of ['stdout', 'stderr'] as const)
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-OUTPUT_MAX);
        onOutput?.(text, name);
      });
    let lastResort: NodeJS.Timeout | undefined;
    const end = (reason: 'timeout' | 'cancelled'): void => {
      if (why !== undefined) return;
      why = reason;
      signalGroup(child, 'SIGTERM');
      lastResort = setTimeout(() => signalGroup(child, 'SIGKILL'), KILL_AFTER_MS);
    };
    const limit = setTimeout(() => end('timeout'), timeoutMs);
    const cancelling: Subscription = cancel$.subscribe(() => end('cancelled'));
    subscriber.add(cancelling);
    subscriber.add(() => {
      clearTimeout(limit);
      clearTimeout(lastResort);
      if (child.exitCode === null && child.signalCode === null) signalGroup(child, 'SIGKILL');
    });
    child.on('error', ({ message }) => finish({ type: 'not-started', message }));
    // `exit`, not `close`: a daemon that a script leaves behind keeps its pipes open.
    child.on('exit', (code, killedBy) => {
      const ms = Math.round(performance.now() - started);
      afterNextPoll(() => {
        // Its daemon would otherwise keep them, and this process, for as long as it lives.
        for (const stream of [child.stdout, child.stderr]) stream?.destroy();
        if (why !== undefined) finish({ type: 'killed', why, ms, output });
        else finish({ type: 'exited', code: exitCode(code, killedBy), ms, output });
      });
    });
  });

/**
 * What a program said last may still be in its pipes when it is known to have ended. Between two turns of `setImmediate`
 * the event loop looks at all of them, and takes up to 2 MB of each: more than a pipe can hold.
 */
const afterNextPoll = (work: () => void): void => {
  setImmediate(() => setImmediate(work));
};

/** As shells count: 128 and the number of the signal. */
const exitCode = (code: number | null, killedBy: NodeJS.Signals | null): number =>
  code ?? 128 + (killedBy === null ? 0 : constants.signals[killedBy]);
