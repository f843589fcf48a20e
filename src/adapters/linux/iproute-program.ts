/** Running ip(8) of iproute2 and waiting for it, with a bound on the wait. */
import { spawnSync } from 'node:child_process';
import { CarpError } from '../../ports/error.ts';
import { orKoffi } from './or-koffi.ts';
import { PROGRAM_ENVIRONMENT, programPath } from './programs.ts';

/**
 * `ip` answers within milliseconds. While it is waited for, the event loop stands still: one that does not answer is
 * killed, so that it cannot do later what has been given up.
 */
const CHANGE_MS_MAX = 1000;
/** A machine that is just starting may be that busy, and without knowing its network nothing goes on. */
const READ_MS_MAX = 5000;
const OUTPUT_MAX = 64 * 1024 * 1024;

/** A run that ended by itself. */
export interface Ran {
  readonly code: number;
  readonly output: string;
  readonly complaints: string;
}

/**
 * @param input - lines for a batch; without them, nothing is changed
 * @throws CarpError CARP_ADDRESS when it cannot be started, or was killed
 */
export const runIp = (ip: string, args: readonly string[], input?: string): Ran => {
  const timeout = input === undefined ? READ_MS_MAX : CHANGE_MS_MAX;
  const { status, signal, stdout, stderr, error } = spawnSync(ip, args, {
    input: input ?? '',
    env: PROGRAM_ENVIRONMENT,
    encoding: 'utf8',
    timeout,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_MAX,
  });
  // EPIPE: it ended before it had read everything, and says why in its own words.
  if (status !== null) return { code: status, output: stdout, complaints: stderr };
  const timedOut = error !== undefined && 'code' in error && error.code === 'ETIMEDOUT';
  const reason = timedOut ? `it did not answer within ${timeout} ms` : (error?.message ?? `ended by ${signal}`);
  throw new CarpError('CARP_ADDRESS', `${ip} failed: ${reason}`, {
    remedy: orKoffi(`look what it says: ${ip} ${args.join(' ')}`),
    cause: error,
  });
};

const INSTALL = orKoffi('apt-get install iproute2 (Alpine: apk add iproute2)');

/**
 * Where iproute2's ip(8) is. That of busybox knows neither lifetimes nor JSON.
 *
 * @throws CarpError CARP_NO_TRANSPORT, with what to install
 */
export const findIp = (ip = programPath('ip')): string => {
  if (ip === undefined)
    throw new CarpError('CARP_NO_TRANSPORT', 'without the module koffi, addresses need the program ip of iproute2', {
      remedy: INSTALL,
    });
  const { output, complaints } = runIp(ip, ['-V']);
  if (/\biproute2\b/.test(output)) return ip;
  const what = /busybox/i.test(complaints + output) ? 'that of busybox' : 'not that of iproute2';
  throw new CarpError('CARP_NO_TRANSPORT', `${ip} is ${what}, which cannot give addresses a lifetime`, {
    remedy: INSTALL,
  });
};
