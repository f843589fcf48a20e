import { spawn } from 'node:child_process';
import { CarpError } from '../../ports/error.ts';
import type { Log } from '../../ports/log.ts';
import { type NotifySocket, openNotifySocket } from './notify-socket.ts';
import { PROGRAM_ENVIRONMENT, programPath } from './programs.ts';

/** It waits for the manager, which may be busy. */
const LIFE_MS_MAX = 10_000;

/**
 * The same as `openNotifySocket` through systemd-notify(1), one message at a time: for READY=1, which a unit of
 * Type=notify waits for, and a watchdog that is fed every few seconds.
 *
 * @param name - $NOTIFY_SOCKET
 */
export const openNotifyProgram = (name: string, program: string): NotifySocket => {
  let busy = false;
  const done = (): void => {
    busy = false;
  };
  return {
    send: (text) => {
      if (busy) return 'full';
      busy = true;
      const child = spawn(program, text.split('\n'), {
        env: { ...PROGRAM_ENVIRONMENT, NOTIFY_SOCKET: name },
        stdio: 'ignore',
        timeout: LIFE_MS_MAX,
        killSignal: 'SIGKILL',
      });
      child.once('error', done).once('exit', done);
      child.unref();
      return 'sent';
    },
    close: () => undefined,
  };
};

export interface NotifyWay {
  /** $NOTIFY_SOCKET */
  readonly name: string;
  /** The same as `notifyAddress` reads it. */
  readonly address: Uint8Array;
  readonly log: Log;
}

/**
 * A socket through koffi; where that does not load, the program.
 *
 * @throws CarpError CARP_NO_TRANSPORT where there is neither; SystemCallError
 */
export const openNotify = (
  { name, address, log }: NotifyWay,
  { open = openNotifySocket, find = (): string | undefined => programPath('systemd-notify') } = {},
): NotifySocket => {
  try {
    return open(address);
  } catch (error) {
    if (!(error instanceof CarpError) || error.code !== 'CARP_NO_TRANSPORT') throw error;
    const program = find();
    if (program === undefined) throw error;
    // What comes from another process than the main one, and cannot be sent in its name without CAP_SYS_ADMIN.
    if (process.geteuid?.() !== 0)
      log('warn', `the service manager is told of this process through ${program}: ${error.message}`, {
        remedy: 'in the unit: NotifyAccess=all',
      });
    return openNotifyProgram(name, program);
  }
};
