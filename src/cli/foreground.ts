/** What `carp run` and `carp ucarp` have in common: how an agent in the foreground starts, and how it comes to its end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { ProblemNotice } from '../agent/rpc.ts';
import type { HostConfig } from '../config/types.ts';
import type { CarpEvent } from '../engine/status.ts';
import { CarpError, type CarpErrorCode } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import { Exit, type ExitCode } from './options.ts';

/** What cannot get better by waiting, at the start: a later one is a state that passes. */
const FATAL: readonly CarpErrorCode[] = [
  'CARP_CONFIG',
  'CARP_NO_PERMISSION',
  'CARP_NO_TRANSPORT',
  'CARP_ADDRESS_IN_USE',
];
/** timeout(1), npm and terminals send a signal to the process and to its group: that is one wish, not two. */
const SAME_SIGNAL_MS = 300;
/** A reader of stdout may take this long to read the last lines. */
const FLUSH_MS_MAX = 300;

/**
 * An interface that is missing may still come, as a VPN's or a USB adapter's does. Only where all groups miss theirs, a
 * wrong name is likelier.
 * @param beyond - what else is not waited for
 * @throws CarpError what no waiting can make better
 */
export const refuseToStart = (
  notices: readonly ProblemNotice[],
  { groups }: Pick<HostConfig, 'groups'>,
  beyond: readonly CarpErrorCode[] = [],
): void => {
  const absent = notices.filter(({ problem }) => problem?.code === 'CARP_NO_INTERFACE');
  const fatal = notices.find(({ problem }) => problem !== undefined && [...FATAL, ...beyond].includes(problem.code));
  const reason = fatal ?? (absent.length === groups.length ? absent[0] : undefined);
  if (reason?.problem !== undefined) throw startFailure(reason, reason.problem);
};

const startFailure = ({ group }: ProblemNotice, problem: NonNullable<ProblemNotice['problem']>): CarpError =>
  new CarpError(problem.code, `group ${group}: ${problem.message}`, { remedy: problem.remedy });

/** A start that fails has one message, the error; what was logged on the way to it would only repeat it. */
export const heldBack = (log: Log): { readonly log: Log; readonly release: () => void } => {
  let held: Parameters<Log>[] | undefined = [];
  return {
    log: (...line) => void (held === undefined ? log(...line) : held.push(line)),
    release: () => {
      for (const line of held ?? []) log(...line);
      held = undefined;
    },
  };
};

/** `plant MASTER, office BACKUP`, for `systemctl status`. */
export const rolesLine = (snapshots: readonly CarpEvent[]): string =>
  snapshots.map(({ group, role }) => `${group} ${role}`).join(', ') || 'no groups';

export interface EndingsOptions {
  /** Which of them ask for the end. */
  readonly signals: readonly NodeJS.Signals[];
  /** Whether somebody who asks again, later, ends the process at once. */
  readonly impatient: boolean;
  /** Says farewell, and gives back what is held; used after a defect. */
  readonly stop: () => Promise<unknown>;
  /** After a defect, what still works is given this long. */
  readonly crashMs: number;
  /** The end has begun, by a defect. */
  readonly onCrash: () => void;
}

export interface Endings {
  readonly asked: Promise<ExitCode>;
  readonly dispose: () => void;
}

/** How this process comes to its end: asked by a signal, or by a defect. */
export const endings = ({ signals, impatient, stop, crashMs, onCrash }: EndingsOptions): Endings => {
  let ask: (code: ExitCode) => void = () => undefined;
  const asked = new Promise<ExitCode>((resolve) => {
    ask = resolve;
  });
  let askedAt: number | undefined;
  const onSignal = (): void => {
    const now = performance.now();
    if (impatient && askedAt !== undefined && now - askedAt > SAME_SIGNAL_MS) process.exit(Exit.failed);
    askedAt ??= now;
    ask(Exit.done);
  };
  let crashed = false;
  const onDefect = (error: unknown): void => {
    process.stderr.write(`carp: this is a defect, please report it: ${inspect(error).replaceAll('\n', ' ')}\n`);
    // A second defect, perhaps in the farewell itself.
    if (crashed) process.exit(Exit.failed);
    crashed = true;
    onCrash();
    setTimeout(() => process.exit(Exit.failed), crashMs);
    const end = (): void => process.exit(Exit.failed);
    stop().then(end, end);
  };
  const defects = ['uncaughtException', 'unhandledRejection'] as const;
  for (const name of signals) process.on(name, onSignal);
  for (const name of defects) process.on(name, onDefect);
  return {
    asked,
    dispose: () => {
      for (const name of signals) process.off(name, onSignal);
      for (const name of defects) process.off(name, onDefect);
    },
  };
};

/** Whether all that was written has been taken; not, if its reader takes longer than `FLUSH_MS_MAX`. */
const flushed = (): Promise<boolean> => {
  const taken = [process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve)));
  return Promise.race([Promise.all(taken).then(() => true), sleep(FLUSH_MS_MAX, false, { ref: false })]);
};

/** The end: what nobody reads would keep the process alive, as long as its reader lives and does not read. */
export const leave = async (code: ExitCode): Promise<ExitCode> => {
  if (!(await flushed())) process.exit(code);
  return code;
};
