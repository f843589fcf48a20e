/** Runs one test file in a process of its own. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { monotonicMs } from '../support/wait.ts';
import { type FileReport, type FileResult, SUMMARY } from './file-report.ts';

export interface RunFileOptions {
  /** Ends the file before its time, so that its hosts and brokers are taken down. */
  readonly stopped: AbortSignal;
  /** Each test has a limit of its own; a file that reaches this one hangs outside of its tests. Milliseconds. */
  readonly limitMs?: number;
}

const LIMIT_MS = 600_000;
/** Namespaces and brokers are taken down in this time. */
const KILL_MS = 10_000;
/** A program that outlives its file, and writes where the file wrote, is waited for no longer than this. */
const OUTPUT_MS = 5000;

const REPORTER = fileURLToPath(new URL('./reporter.js', import.meta.url));

/** Whoever runs these is no child of another test runner. */
const { NODE_TEST_CONTEXT: _, ...ENV } = process.env;

const numbersIn = (line: string | undefined): FileReport | undefined => {
  if (line === undefined) return undefined;
  try {
    return JSON.parse(line.slice(SUMMARY.length)) as FileReport;
  } catch {
    return undefined;
  }
};

/** @returns how it ended; a file that dies, or hangs, has one failure more than it told */
export const runFile = async (file: string, { stopped, limitMs = LIMIT_MS }: RunFileOptions): Promise<FileResult> => {
  const from = monotonicMs();
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', `--test-reporter=${REPORTER}`, '--test-reporter-destination=stdout', file],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: ENV,
    },
  );
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  let late = '';
  const end = (why: string): void => {
    late ||= `  not ok - ${why}\n`;
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), KILL_MS).unref();
  };
  const limit = setTimeout(() => end(`it ran for ${limitMs / 1000} s`), limitMs);
  const stop = (): void => end('it was stopped');
  if (stopped.aborted) stop();
  else stopped.addEventListener('abort', stop, { once: true });
  let release: NodeJS.Timeout | undefined;
  child.once('exit', () => {
    clearTimeout(limit);
    release = setTimeout(() => {
      late ||= '  not ok - it left a program behind that holds its output\n';
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
    }, OUTPUT_MS);
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...ended) => resolve(ended));
  });
  clearTimeout(release);
  stopped.removeEventListener('abort', stop);
  const lines = Buffer.concat(chunks).toString('utf8').split('\n');
  const numbers = numbersIn(lines.findLast((line) => line.startsWith(SUMMARY)));
  const { passed, failed, skipped } = numbers ?? { passed: 0, failed: 0, skipped: 0 };
  const isDead = numbers === undefined || (code !== 0 && failed === 0) || late !== '';
  const how = code === 0 ? 'before its tests did, or has none' : `with ${signal ?? `exit code ${code}`}`;
  const death = late || `  not ok - the file ended ${how}\n`;
  return {
    file,
    ok: code === 0 && !isDead && failed === 0,
    passed,
    failed: failed + (isDead ? 1 : 0),
    skipped,
    output:
      lines
        .filter((line) => !line.startsWith(SUMMARY) && line !== '')
        .map((line) => `${line}\n`)
        .join('') + (isDead ? death : ''),
    from,
    to: monotonicMs(),
  };
};
