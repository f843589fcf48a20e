/** The daemon of `carp ucarp --daemonize`: its arguments come from the process that started it, which waits for `up`. */
import { writeSync } from 'node:fs';
import { CarpError } from '../ports/error.ts';
import { Exit, exitCodeOf } from './options.ts';
import type { DaemonMessage, DaemonOrder } from './ucarp-daemon.ts';
import { parseUcarp } from './ucarp-options.ts';
import { runUcarp } from './ucarp-run.ts';

if (process.send === undefined) {
  writeSync(2, 'this is the daemon that `carp ucarp --daemonize` starts\n');
  process.exit(Exit.usage);
}

const tell = (message: DaemonMessage): void => {
  if (process.connected) process.send?.(message);
};

/** Whoever gave up waiting has no daemon. */
const abandoned = (): void => void process.kill(process.pid, 'SIGTERM');

/** From now on this process is on its own. */
const detach = (): void => {
  process.off('disconnect', abandoned);
  if (process.connected) process.disconnect();
};

const start = async ({ args, secret }: DaemonOrder): Promise<void> => {
  const options = parseUcarp(args);
  if (options === 'help') return;
  process.exitCode = await runUcarp(options, {
    isDaemon: true,
    secret,
    show: (level, line) => tell({ type: 'line', level, line }),
    onUp: () => {
      tell({ type: 'up' });
      detach();
    },
  });
};

// Nobody reads it when the process that started this one has gone.
process.stderr.on('error', () => undefined);
process.once('disconnect', abandoned);
process.once('message', (order: DaemonOrder) => {
  start(order).catch((error: unknown) => {
    process.exitCode = exitCodeOf(error);
    const { message } = error as Error;
    const failure =
      error instanceof CarpError
        ? { code: error.code, message, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) }
        : { code: 'CARP_FAILED' as const, message: `this is a defect, please report it: ${message}` };
    tell({ type: 'failed', ...failure });
    detach();
  });
});
