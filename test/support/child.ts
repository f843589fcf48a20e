/** A child process whose lines are kept with the time at which they came. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { monotonicMs, until } from './wait.ts';

export interface Line {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly text: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Monotonic milliseconds. */
  readonly at: number;
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A child that has not ended this long after it was told to is killed. */
const STOP_MS = 5000;

const collect = (stream: Readable | null, lines: Line[]): void => {
  if (stream !== null) createInterface({ input: stream }).on('line', (text) => lines.push({ at: monotonicMs(), text }));
};

export class Child {
  readonly name: string;
  readonly stdout: readonly Line[];
  readonly stderr: readonly Line[];
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;
  #exit: Exit | undefined;

  constructor(name: string, argv: readonly string[], options: ChildOptions = {}) {
    const [file = '', ...args] = argv;
    const stdout: Line[] = [];
    const stderr: Line[] = [];
    this.name = name;
    this.stdout = stdout;
    this.stderr = stderr;
    this.#process = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
    });
    // Writing to a child that has just died is its business, not ours.
    this.#process.stdin?.on('error', () => {});
    collect(this.#process.stdout, stdout);
    collect(this.#process.stderr, stderr);
    this.#process.once('exit', (code, signal) => {
      this.#exit = { code, signal, at: monotonicMs() };
    });
    // `close` comes after the last line was read; `exit` may come before.
    this.exited = Promise.race([
      once(this.#process, 'close').then(() => this.#exit ?? { code: null, signal: null, at: monotonicMs() }),
      once(this.#process, 'error').then(([error]: unknown[]) => {
        throw new Error(`${name} did not start: ${String(error)}`);
      }),
    ]);
    this.exited.catch(() => {});
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  get running(): boolean {
    return this.#exit === undefined && this.#process.pid !== undefined;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#process.kill(signal);
  }

  /** Gives it this as its whole input. */
  write(text: string): void {
    this.#process.stdin?.end(text);
  }

  /** Gives it one more line of input. */
  writeLine(text: string): void {
    this.#process.stdin?.write(`${text}\n`);
  }

  /** The first line of either stream that matches. */
  line(pattern: RegExp): Line | undefined {
    return [...this.stdout, ...this.stderr].find(({ text }) => pattern.test(text));
  }

  untilLine(pattern: RegExp, withinMs: number): Promise<Line> {
    return until(
      `${this.name} to print ${pattern}`,
      withinMs,
      () => this.line(pattern),
      () => this.report(),
    );
  }

  async untilExit(withinMs: number): Promise<Exit> {
    await until(
      `${this.name} to end`,
      withinMs,
      () => !this.running,
      () => this.report(),
    );
    return this.exited;
  }

  /** Asks it to end, and kills it when it does not. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.signal(signal);
    try {
      await this.untilExit(STOP_MS);
    } catch {
      this.signal('SIGKILL');
      await this.exited.catch(() => {});
    }
  }

  /** All it said, for messages of failed tests. */
  report(): string {
    const said = [...this.stdout, ...this.stderr]
      .sort((a, b) => a.at - b.at)
      .map(({ at, text }) => `${at.toFixed(0)} ${text}`);
    return `\n--- ${this.name} (${this.running ? 'running' : JSON.stringify(this.#exit)}) said:\n${said.slice(-40).join('\n')}`;
  }
}
