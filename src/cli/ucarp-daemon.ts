import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CarpError, type CarpErrorCode } from '../ports/error.ts';
import type { LogLevel } from '../ports/log.ts';
import { Exit, type ExitCode } from './options.ts';
import { note, print } from './output.ts';
import { parseUcarp } from './ucarp-options.ts';
import { readSecret, type Secret } from './ucarp-secret.ts';
import { titleOf } from './ucarp-title.ts';

/** What the process that started a daemon tells it: all that it would have learnt from its arguments and descriptors. */
export interface DaemonOrder {
  readonly args: readonly string[];
  readonly secret: Secret;
}

/** What a daemon tells the process that started it, over the channel of child_process. */
export type DaemonMessage =
  | { readonly type: 'line'; readonly level: LogLevel; readonly line: string }
  | { readonly type: 'up' }
  | { readonly type: 'failed'; readonly code: CarpErrorCode; readonly message: string; readonly remedy?: string };

/** A slow board that starts many things at once takes its time. */
const START_MS_MAX = 30_000;
const LAST_LINES_MAX = 2000;

/**
 * Starts the daemon in a session of its own, and waits until it is up or has failed: whoever started it learns which.
 * Its arguments go through the channel, so that nobody sees the password in them. A password file is read here:
 * /dev/stdin and the /dev/fd/63 of a shell's `<(…)` are this process's own.
 * @throws (rejects) CarpError why it is not up
 */
export const daemonize = async (args: readonly string[]): Promise<ExitCode> => {
  const options = parseUcarp(args);
  if (options === 'help') return Exit.done;
  const title = titleOf(options);
  // This process may wait for long, and its arguments have the password, too.
  process.title = title;
  const order: DaemonOrder = { args, secret: readSecret(options) };
  const child = fork(fileURLToPath(new URL('./ucarp-daemon-main.js', import.meta.url)), [title], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  return new Promise<ExitCode>((resolve, reject) => {
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-LAST_LINES_MAX);
    });
    const done = (): void => {
      clearTimeout(limit);
      child.removeAllListeners();
      child.stderr?.destroy();
      if (child.connected) child.disconnect();
      child.unref();
    };
    const fail = (error: CarpError): void => {
      done();
      reject(error);
    };
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      fail(new CarpError('CARP_FAILED', `the daemon was not up after ${START_MS_MAX / 1000} s, and was ended`));
    }, START_MS_MAX);
    child.on('message', (message: DaemonMessage) => {
      switch (message.type) {
        case 'line':
          (message.level === 'warn' || message.level === 'error' ? note : print)(message.line);
          return;
        case 'up':
          done();
          resolve(Exit.done);
          return;
        case 'failed':
          fail(new CarpError(message.code, message.message, { remedy: message.remedy }));
          return;
      }
    });
    child.once('error', (error) =>
      fail(new CarpError('CARP_FAILED', `the daemon cannot be started: ${error.message}`)),
    );
    child.once('exit', (code, signal) =>
      fail(
        new CarpError(
          'CARP_FAILED',
          `the daemon ended ${signal === null ? `with code ${code}` : `by ${signal}`}${said === '' ? '' : `: ${said.trim()}`}`,
        ),
      ),
    );
    child.send(order);
  });
};
