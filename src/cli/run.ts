import { filter } from 'rxjs';
import { createNotifier } from '../adapters/linux/notify.ts';
import { boundedLines, createLog } from '../adapters/node/log.ts';
import type { Agent } from '../agent/agent.ts';
import { composeAgent, hurry } from '../agent/compose-agent.ts';
import { privilegeProblem } from '../agent/privileges.ts';
import { listenOnSocket, type SocketServer } from '../agent/socket-server.ts';
import { describe } from '../config/findings.ts';
import { loadConfig } from '../config/load.ts';
import type { HostConfig } from '../config/types.ts';
import type { CarpEvent } from '../engine/status.ts';
import { CarpError } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import { endings, heldBack, leave, refuseToStart, rolesLine } from './foreground.ts';
import { type Command, type ExitCode, parseOptions, usageError } from './options.ts';
import { warn } from './output.ts';

const HELP = `Usage: carp run -c FILE [--json] [--verbose]

Runs the groups of a configuration file in the foreground, until SIGTERM or SIGINT: then it says farewell as MASTER,
gives the addresses back and ends with code 0; a second signal ends it at once. SIGHUP reads the file again; groups that
did not change go on undisturbed, and mistakes keep what runs.

Each change of role is a line on stdout; what went wrong is told on stderr.

  -c, --config FILE  the file
  --json             one object a line: {"event": "transition", ...}, {"event": "problem", ...}, and what is found out
                     about peers: {"event": "auth-mismatch", ...} and {"event": "profile-hint", ...}
  --verbose          every decision on stderr, not only what went wrong`;

/** After a defect, what still works is given this long to release the addresses; leases bound the rest. */
const CRASH_MS_MAX = 500;

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
  const ending = endings({
    signals: ['SIGTERM', 'SIGINT'],
    impatient: true,
    stop: agent.stop,
    crashMs: CRASH_MS_MAX,
    onCrash: notifier.stopping,
  });
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
  ending.dispose();
  return leave(code);
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
  const findings = agent.findings$.subscribe((finding) => {
    if (json) tell(JSON.stringify(finding));
  });
  return {
    flow: () => {
      for (const line of held ?? []) write(line);
      held = undefined;
    },
    discard: () => {
      events.unsubscribe();
      problems.unsubscribe();
      findings.unsubscribe();
    },
  };
};

/** `2026-11-22T12:00:00.123Z plant 10@eth0: BACKUP -> MASTER (master-timeout: no advert for 3391 ms)` */
export const eventLine = (event: CarpEvent): string =>
  `${event.at} ${event.group} ${event.vhid}@${event.interface}: ${event.previous} -> ${event.role} ` +
  `(${event.reason}: ${event.detail})`;
