import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Observable } from 'rxjs';
import { createMessageConnection, IPCMessageReader } from 'vscode-jsonrpc/node';
import { CarpError } from '../ports/error.ts';
import { WaitingIpcWriter } from './ipc-writer.ts';
import { LAST_HOOKS_MS_MAX } from './last-hooks.ts';
import { type RpcClient, rpcClient } from './rpc-client.ts';

/** A slow board that starts many things at once takes its time. */
const START_MS_MAX = 20_000;
/** How long an agent may take to bow out, and to run the last hooks, after its parent has let go of it. */
export const LEAVE_MS_MAX = 2000 + LAST_HOOKS_MS_MAX;
/** What is kept of the last line that the agent wrote to stderr. */
const LAST_LINE_LENGTH_MAX = 300;

export interface ForkOptions {
  /** The node that runs the agent; default: the one that runs this process. May be a copy with capabilities. */
  readonly execPath?: string | undefined;
  /** The agent's module; default: `main.js` beside this file. */
  readonly entry?: string;
  /** Told each process that is started: tests and diagnostics. */
  readonly onSpawn?: ((child: ChildProcess) => void) | undefined;
}

/** Options of Node that are for one process only: a debugger's port is taken, a profile would be overwritten. */
const NOT_INHERITED = /^--(inspect|debug|prof|cpu-prof|heap-prof|heapsnapshot|watch|test|build-snapshot|eval|print)/;

/** NODE_OPTIONS for the agent. */
export const inheritedOptions = (options: string): string =>
  options
    .split(/\s+/)
    .filter((option) => option !== '' && !NOT_INHERITED.test(option))
    .join(' ');

const environment = (): NodeJS.ProcessEnv => {
  const options = inheritedOptions(process.env['NODE_OPTIONS'] ?? '');
  return { ...process.env, NODE_OPTIONS: options };
};

/**
 * Starts an agent in a process of its own. Cold: emits once, when it answers; fails when it cannot be started or ends.
 * Unsubscribing lets go of it: it bows out and ends, and is killed when that takes longer than `LEAVE_MS_MAX`.
 */
export const forkedAgent = ({ execPath, entry, onSpawn }: ForkOptions): Observable<RpcClient> =>
  new Observable((subscriber) => {
    let child: ChildProcess;
    try {
      child = fork(entry ?? fileURLToPath(new URL('./main.js', import.meta.url)), [], {
        execPath: execPath ?? process.execPath,
        execArgv: [],
        env: environment(),
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      });
    } catch (error) {
      return subscriber.error(cannotStart(execPath, error as NodeJS.ErrnoException));
    }
    onSpawn?.(child);

    let lastLine = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      lastLine = text.trim().split('\n').at(-1)?.slice(0, LAST_LINE_LENGTH_MAX) ?? lastLine;
    });
    const client = rpcClient(createMessageConnection(new IPCMessageReader(child), new WaitingIpcWriter(child)), () => {
      if (child.connected) child.disconnect();
    });
    child.once('error', (error) => subscriber.error(cannotStart(execPath, error)));
    child.once('disconnect', client.close);
    child.once('exit', (code, signal) => {
      client.close();
      subscriber.error(ended(code, signal, lastLine));
    });
    client.closed$.subscribe(() => leave(child));
    client.info(START_MS_MAX).then(
      () => subscriber.next(client),
      (error) => subscriber.error(error),
    );
    return client.close;
  });

/** The agent ends by itself once the channel is closed. One that hangs has to be ended. */
const leave = (child: ChildProcess): void => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const timeout = setTimeout(() => child.kill('SIGKILL'), LEAVE_MS_MAX);
  child.once('exit', () => clearTimeout(timeout));
};

const cannotStart = (execPath: string | undefined, { code, message }: NodeJS.ErrnoException): CarpError => {
  const program = execPath ?? process.execPath;
  return new CarpError(
    code === 'EACCES' || code === 'EPERM' ? 'CARP_NO_PERMISSION' : 'CARP_NO_AGENT',
    `the agent cannot be started with ${program}: ${message}`,
    { remedy: `check that this user may run it: ls -l ${program}` },
  );
};

const ended = (code: number | null, signal: NodeJS.Signals | null, lastLine: string): CarpError => {
  const how = signal === null ? `with code ${code}` : `by ${signal}`;
  const last = lastLine === '' ? '' : `: ${lastLine}`;
  return new CarpError('CARP_NO_AGENT', `the agent ended ${how}${last}`, {
    remedy: 'see the log; it is started again',
  });
};
