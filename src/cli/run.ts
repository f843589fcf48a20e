import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { filter } from 'rxjs';
import { createNotifier, type Notifier } from '../adapters/linux/notify.ts';
import { boundedLines, createLog } from '../adapters/node/log.ts';
import type { Agent } from '../agent/agent.ts';
import { composeAgent, hurry } from '../agent/compose-agent.ts';
import { privilegeProblem } from '../agent/privileges.ts';
import type { ProblemNotice } from '../agent/rpc.ts';
import { listenOnSocket, type SocketServer } from '../agent/socket-server.ts';
import { describe } from '../config/findings.ts';
import { loadConfig } from '../config/load.ts';
import type { HostConfig } from '../config/types.ts';
import type { CarpEvent } from '../engine/status.ts';
import { CarpError, type CarpErrorCode } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import { type Command, Exit, type ExitCode, parseOptions, usageError } from './options.ts';
import { warn } from './output.ts';

const HELP = `Usage: carp run -c FILE [--json] [--verbose]

Runs the groups of a configuration file in the foreground, until SIGTERM or SIGINT: then it says farewell as MASTER,
gives the addresses back and ends with code 0; a second signal ends it at once. SIGHUP reads the file again; groups that
did not change go on undisturbed, and mistakes keep what runs.

Each change of role is a line on stdout; what went wrong is told on stderr.

  -c, --config FILE  the file
  --json             one object a line: {"event": "transition", ...} and {"event": "problem", ...}
  --verbose          every decision on stderr, not only what went wrong`;

/** What cannot get better by waiting, at the start: a later one is a state that passes. */
const FATAL: readonly CarpErrorCode[] = [
  'CARP_CONFIG',
  'CARP_NO_PERMISSION',
  'CARP_NO_TRANSPORT',
  'CARP_ADDRESS_IN_USE',
];
/** After a defect, what still works is given this long to release the addresses; leases bound the rest. */
const CRASH_MS_MAX = 500;
/** timeout(1), npm and terminals send a signal to the process and to its group: that is one wish, not two. */
const SAME_SIGNAL_MS = 300;
/** A reader of stdout may take this long to read the last lines. */
const FLUSH_MS_MAX = 300;

export const command: Command = {
  summary: 'run the groups of a configuration file in the foreground',
  help: HELP,
  run: async (args) => {
    const { values } = parseOptions('run', args, {
      options: {
        config: { type: 'string', short: 'c' },
        json: { type: 'boolean', default: false },
        verbose: { type: 'boolean', default: false },
      },
    });
    const { config: file, json, verbose } = values;
    if (file === undefined) throw usageError('run', 'which file? name it with -c FILE');
    const config = requiredConfig(file);
    const level = verbose ? 'info' : 'warn';
    const stderr = { stream: process.stderr, wallClock: () => new Date(), json };
    const tell = createLog({ ...stderr, level: 'info' });
    return runForeground({ file, config, json, log: createLog({ ...stderr, level }), tell });
  },
};

/** @throws CarpError CARP_CONFIG with all mistakes, one a line */
const requiredConfig = (file: string): HostConfig => {
  const parsed = loadConfig(file);
  for (const warning of parsed.warnings) warn(`${file}: ${describe(warning)}`);
  if (parsed.ok) return parsed.config;
  throw new CarpError('CARP_CONFIG', [`${file} is not valid`, ...parsed.errors.map(describe)].join('\n  '), {
    remedy: `carp check -c ${file}`,
  });
};

interface Foreground {
  readonly file: string;
  readonly config: HostConfig;
  readonly json: boolean;
  readonly log: Log;
  /** For answers to what somebody did: they are shown also without --verbose. */
  readonly tell: Log;
}

const runForeground = async ({ file, config, json, log: shown, tell }: Foreground): Promise<ExitCode> => {
  const isReal = config.groups.some(({ transport }) => transport !== 'memory');
  const missing = isReal && process.platform === 'linux' ? privilegeProblem() : undefined;
  if (missing !== undefined) throw missing;

  const { log, release } = heldBack(shown);
  const agent = composeAgent({ log });
  const notifier = createNotifier({ log });
  const ending = endings(agent, notifier);
  const lines = report(agent, json);
  let server: SocketServer | undefined;
  try {
    server = await listenIfPossible(config, agent, log);
    hurry();
    await agent.configure({ state: config.state, hosts: [config] });
    refuseToStart(agent.problems(), config);
  } catch (error) {
    notifier.stopping();
    lines.discard();
    await agent.stop();
    await server?.close();
    ending.dispose();
    throw error;
  }
  release();
  lines.flow();
  notifier.follow(agent.events$, () => rolesLine(agent.snapshots()));
  notifier.ready();

  const reload = (): void => {
    notifier.reloading();
    void reconfigure({ file, config, agent, log, tell }).then(notifier.ready);
  };
  process.on('SIGHUP', reload);
  const code = await ending.asked;
  notifier.stopping();
  process.off('SIGHUP', reload);
  await agent.stop();
  await server?.close();
  await flushed();
  ending.dispose();
  return code;
};

/**
 * The socket is for those who want to look; without it the addresses are as safe as with it.
 * @throws (rejects) CarpError CARP_DUPLICATE, CARP_CONFIG
 */
const listenIfPossible = async (
  { socket: path }: HostConfig,
  agent: Agent,
  log: Log,
): Promise<SocketServer | undefined> => {
  try {
    return await listenOnSocket({ path, agent, log });
  } catch (error) {
    if (!(error instanceof CarpError) || !['CARP_NO_PERMISSION', 'CARP_FAILED'].includes(error.code)) throw error;
    warn(`${error.message}; \`carp status\` will not find this agent. ${error.remedy ?? ''}`.trimEnd());
    return undefined;
  }
};

/**
 * An interface that is missing may still come, as a VPN's or a USB adapter's does. Only where all groups miss theirs, a
 * wrong name is likelier.
 * @throws CarpError what no waiting can make better
 */
const refuseToStart = (notices: readonly ProblemNotice[], { groups }: HostConfig): void => {
  const absent = notices.filter(({ problem }) => problem?.code === 'CARP_NO_INTERFACE');
  const fatal = notices.find(({ problem }) => problem !== undefined && FATAL.includes(problem.code));
  const reason = fatal ?? (absent.length === groups.length ? absent[0] : undefined);
  if (reason?.problem !== undefined) throw startFailure(reason, reason.problem);
};

const startFailure = ({ group }: ProblemNotice, problem: NonNullable<ProblemNotice['problem']>): CarpError =>
  new CarpError(problem.code, `group ${group}: ${problem.message}`, { remedy: problem.remedy });

/** Reads the file again. Never rejects: mistakes keep what runs. */
const reconfigure = async ({
  file,
  config,
  agent,
  log,
  tell,
}: Omit<Foreground, 'json'> & { readonly agent: Agent }) => {
  const parsed = loadConfig(file);
  if (!parsed.ok) {
    const mistakes = parsed.errors.map(describe).join('; ');
    return log('error', `${file} is not valid, and nothing has changed: ${mistakes}`, {
      remedy: `carp check -c ${file}`,
    });
  }
  if (parsed.config.socket !== config.socket)
    log('warn', 'another `socket` needs a restart: systemctl restart carp', { socket: parsed.config.socket });
  try {
    await agent.configure({ state: parsed.config.state, hosts: [parsed.config] });
    tell('info', `${file} has been read again`);
  } catch (error) {
    log('error', `${file} was not taken over: ${error instanceof Error ? error.message : String(error)}`);
  }
};

/** A start that fails has one message, the error; what was logged on the way to it would only repeat it. */
const heldBack = (log: Log): { readonly log: Log; readonly release: () => void } => {
  let held: Parameters<Log>[] | undefined = [];
  return {
    log: (...line) => void (held === undefined ? log(...line) : held.push(line)),
    release: () => {
      for (const line of held ?? []) log(...line);
      held = undefined;
    },
  };
};

/** One line for each transition, in words or as JSON. Lines are held back until it is certain that the start succeeds. */
const report = (agent: Agent, json: boolean) => {
  // A pipe that nobody reads any more is no reason to end, as it is for other commands.
  process.stdout.removeAllListeners('error');
  const write = boundedLines(process.stdout);
  let held: string[] | undefined = [];
  const tell = (line: string): void => void (held === undefined ? write(line) : held.push(line));
  const transitions$ = agent.events$.pipe(filter(({ event }) => event === 'transition'));
  const events = transitions$.subscribe((event) => tell(json ? JSON.stringify(event) : eventLine(event)));
  const problems = agent.problems$.subscribe((notice) => {
    if (json) tell(JSON.stringify({ event: 'problem', ...notice, at: new Date().toISOString() }));
  });
  return {
    flow: () => {
      for (const line of held ?? []) write(line);
      held = undefined;
    },
    discard: () => {
      events.unsubscribe();
      problems.unsubscribe();
    },
  };
};

/** `2026-11-22T12:00:00.123Z plant 10@eth0: BACKUP -> MASTER (master-timeout: no advert for 3391 ms)` */
export const eventLine = (event: CarpEvent): string =>
  `${event.at} ${event.group} ${event.vhid}@${event.interface}: ${event.previous} -> ${event.role} ` +
  `(${event.reason}: ${event.detail})`;

/** `plant MASTER, office BACKUP`, for `systemctl status`. */
const rolesLine = (snapshots: readonly CarpEvent[]): string =>
  snapshots.map(({ group, role }) => `${group} ${role}`).join(', ') || 'no groups';

/** How this process comes to its end. */
const endings = (agent: Agent, notifier: Notifier) => {
  let ask: (code: ExitCode) => void = () => undefined;
  const asked = new Promise<ExitCode>((resolve) => {
    ask = resolve;
  });
  let askedAt: number | undefined;
  const onSignal = (): void => {
    const now = performance.now();
    if (askedAt !== undefined && now - askedAt > SAME_SIGNAL_MS) process.exit(Exit.failed);
    askedAt ??= now;
    ask(Exit.done);
  };
  let crashed = false;
  const onDefect = (error: unknown): void => {
    process.stderr.write(`carp: this is a defect, please report it: ${inspect(error).replaceAll('\n', ' ')}\n`);
    // A second defect, perhaps in the farewell itself.
    if (crashed) process.exit(Exit.failed);
    crashed = true;
    notifier.stopping();
    setTimeout(() => process.exit(Exit.failed), CRASH_MS_MAX);
    const end = (): void => process.exit(Exit.failed);
    agent.stop().then(end, end);
  };
  const signalNames = ['SIGTERM', 'SIGINT'] as const;
  const defects = ['uncaughtException', 'unhandledRejection'] as const;
  for (const name of signalNames) process.on(name, onSignal);
  for (const name of defects) process.on(name, onDefect);
  return {
    asked,
    dispose: () => {
      for (const name of signalNames) process.off(name, onSignal);
      for (const name of defects) process.off(name, onDefect);
    },
  };
};

const flushed = (): Promise<unknown> =>
  Promise.race([
    new Promise((resolve) => process.stdout.write('', resolve)),
    sleep(FLUSH_MS_MAX, undefined, { ref: false }),
  ]);
