import { accessSync, constants, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { filter } from 'rxjs';
import { createNotifier } from '../adapters/linux/notify.ts';
import type { Agent } from '../agent/agent.ts';
import { composeAgent, hurry } from '../agent/compose-agent.ts';
import { createLocks } from '../agent/locks.ts';
import { privilegeProblem } from '../agent/privileges.ts';
import { listenOnSocket } from '../agent/socket-server.ts';
import { CarpError } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import { type IpAddress, sameAddress } from '../protocol/address.ts';
import { endings, flushed, heldBack, refuseToStart, rolesLine } from './foreground.ts';
import { Exit, type ExitCode } from './options.ts';
import { planUcarp, type UcarpPlan } from './ucarp-config.ts';
import { createUcarpLog, type UcarpLogOptions } from './ucarp-log.ts';
import type { UcarpOptions } from './ucarp-options.ts';
import { VipScripts } from './ucarp-scripts.ts';
import { setTitle } from './ucarp-title.ts';

/** All of them end ucarp. */
const ENDING = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP'] as const;
/** After a defect, the farewell and the down script are given this long. */
const CRASH_MS_MAX = 10_000;

/** Longer than a farewell and most scripts. */
const PREDECESSOR_MS_MAX = 10_000;
const RETRY_MS = 50;

export interface UcarpSurroundings {
  /** Where lines are shown. */
  readonly show: UcarpLogOptions['show'];
  readonly isDaemon: boolean;
  /** All has been started. */
  readonly onUp: () => void;
}

/**
 * Runs one virtual host as ucarp does, until a signal ends it. SIGUSR1 says the role, SIGUSR2 hands over.
 * @throws (rejects) CarpError what keeps it from starting
 */
export const runUcarp = async (options: UcarpOptions, around: UcarpSurroundings): Promise<ExitCode> => {
  // Node would start its debugger at the first, and end at the second.
  const early = () => undefined;
  for (const name of ['SIGUSR1', 'SIGUSR2'] as const) process.on(name, early);
  setTitle(options);
  const { show, isDaemon } = around;
  const logging = createUcarpLog({ facility: options.facility, debug: options.debug, show, isConsole: !isDaemon });
  try {
    const hasSyslog = await logging.openSyslog();
    const plan = planUcarp(options);
    if (isDaemon) process.chdir('/');
    if (isDaemon && !hasSyslog)
      logging.log('warn', 'there is no syslog (/dev/log) now: nobody hears what the daemon says until there is one');
    return await run(options, plan, logging.log, around);
  } catch (error) {
    // Whoever started this process is told, too.
    if (error instanceof CarpError) logging.toSyslog('error', error.message, { remedy: error.remedy });
    throw error;
  } finally {
    for (const name of ['SIGUSR1', 'SIGUSR2'] as const) process.off(name, early);
    logging.close();
  }
};

const run = async (
  options: UcarpOptions,
  plan: UcarpPlan,
  shown: Log,
  { isDaemon, onUp }: UcarpSurroundings,
): Promise<ExitCode> => {
  for (const script of Object.values(plan.scripts)) requireExecutable(script);
  const missing = process.platform === 'linux' ? privilegeProblem() : undefined;
  if (missing !== undefined) throw missing;

  const { config } = plan;
  const { log, release } = heldBack(shown);
  const notifier = createNotifier({ log });
  const scripts = new VipScripts({
    scripts: plan.scripts,
    interface: plan.interface,
    addresses: options.addresses,
    ...(options.xparam === undefined ? {} : { xparam: options.xparam }),
    timeoutMs: options.scriptTimeout * 1000,
    has: await addressLookup(),
    holdAddresses: options.addressing === 'scripts',
    log: shown,
    onOutput: (text, stream) => void (isDaemon || process[stream].write(text)),
  });
  const agent = composeAgent({ log, adapt: (environment) => scripts.around(environment) });
  const stop = async (): Promise<void> => {
    await agent.stop();
    await scripts.settled();
  };
  const ending = endings({
    signals: ENDING,
    // As with ucarp; whoever cannot wait for the down script has SIGKILL, and an address that stays behind.
    impatient: false,
    stop,
    crashMs: CRASH_MS_MAX,
    onCrash: notifier.stopping,
  });
  const undo: (() => unknown)[] = [ending.dispose, notifier.stopping];
  const lines = agent.events$
    .pipe(filter(({ event, role }) => event === 'transition' && role !== 'STOPPED'))
    .subscribe(({ role }) => log('warn', `Switching to state: ${role}`));
  undo.push(() => lines.unsubscribe());
  try {
    if (options.socket !== undefined) {
      const server = await listenOnSocket({ path: config.socket, agent: honest(agent, options), log });
      undo.push(server.close);
    }
    if (!(await predecessorGone(plan, ending.asked))) return Exit.done;
    hurry();
    await agent.configure({ state: config.state, hosts: [config] });
    refuseToStart(agent.problems(), config, ['CARP_DUPLICATE']);
    if (plan.pidfile !== undefined) undo.push(writePid(plan.pidfile));
    shown('info', `Using [${plan.interface}] as a network interface`);
    for (const warning of plan.warnings) shown('warn', warning);
    if (!options.shutdown)
      shown('info', 'the down script runs at the end also without --shutdown: no address is left behind');
    release();
    scripts.begin({ neutral: options.neutral });
    undo.push(onSignals({ agent, log, group: config.groups[0]?.name ?? '' }));
    notifier.follow(agent.events$, () => rolesLine(agent.snapshots()));
    notifier.ready();
    onUp();
    const code = await ending.asked;
    notifier.stopping();
    return code;
  } finally {
    await stop();
    for (const step of undo.reverse()) await step();
    await flushed();
  }
};

/**
 * Waits for a predecessor to end, of whose stop nobody waited for the end: its down script would take away what our up
 * script sets. The lock of the agent is free before.
 * @returns whether nothing else has been asked for meanwhile. @throws (rejects) CarpError CARP_DUPLICATE
 */
const predecessorGone = async ({ interface: device, config }: UcarpPlan, asked: Promise<unknown>): Promise<boolean> => {
  const vhid = config.groups[0]?.vhid ?? 0;
  const locks = createLocks();
  const isAsked = asked.then(() => true);
  for (const end = performance.now() + PREDECESSOR_MS_MAX; ; ) {
    try {
      await locks.acquire({ interface: `ucarp/${device}`, vhid, owner: 'ucarp' });
      return true;
    } catch (error) {
      if (!(error instanceof CarpError) || error.code !== 'CARP_DUPLICATE') throw error;
      if (performance.now() > end)
        throw new CarpError('CARP_DUPLICATE', `another carp ucarp serves vhid ${vhid} on ${device}`, {
          remedy: 'stop it, or give this one a vhid of its own: pgrep -a ucarp',
        });
    }
    if (await Promise.race([isAsked, sleep(RETRY_MS, false)])) return false;
  }
};

/** A script that is missing would be found so at the takeover, by a MASTER without address. @throws CarpError CARP_CONFIG */
const requireExecutable = (file: string): void => {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw new CarpError('CARP_CONFIG', `there is no script ${file}`, { remedy: 'correct --upscript or --downscript' });
  try {
    accessSync(file, constants.X_OK);
  } catch {
    throw new CarpError('CARP_CONFIG', `${file} may not be executed`, { remedy: `chmod +x ${file}` });
  }
};

/** Whether this host has an address, on any interface; where that cannot be seen, the scripts are believed. */
const addressLookup = async (): Promise<(address: IpAddress) => boolean> => {
  const { createKernel } = await import('../adapters/linux/kernel.ts');
  const kernel = createKernel();
  return (wanted) => {
    try {
      return [...kernel.read().addresses.values()].flat().some(({ address }) => sameAddress(address, wanted));
    } catch {
      return true;
    }
  };
};

/** What scripts have set has no lease, whatever the engine believes. */
const honest = (agent: Agent, { addressing }: UcarpOptions): Agent =>
  addressing !== 'scripts'
    ? agent
    : {
        ...agent,
        status: () => {
          const status = agent.status();
          const hosts = status.hosts.map((host) => ({
            ...host,
            groups: host.groups.map(({ leaseSeconds: _none, ...group }) => group),
          }));
          return { ...status, hosts };
        },
      };

interface Served {
  readonly agent: Agent;
  readonly group: string;
  readonly log: Log;
}

const onSignals = ({ agent, group, log }: Served): (() => void) => {
  const tell = (): void => {
    for (const { role, interface: device, vhid } of agent.snapshots()) log('info', `${role} on ${device} id ${vhid}`);
  };
  const handOver = (): void => {
    agent.handOver({ group }).then(
      ({ address, afterMs }) => log('info', `${address} has taken over after ${Math.round(afterMs)} ms`),
      (error: unknown) => log('warn', `SIGUSR2: ${error instanceof Error ? error.message : error}`),
    );
  };
  process.on('SIGUSR1', tell);
  process.on('SIGUSR2', handOver);
  return () => {
    process.off('SIGUSR1', tell);
    process.off('SIGUSR2', handOver);
  };
};

/** @returns what removes it, if it is still ours. @throws CarpError CARP_CONFIG */
const writePid = (file: string): (() => void) => {
  const content = `${process.pid}\n`;
  try {
    writeFileSync(file, content);
  } catch (error) {
    throw new CarpError('CARP_CONFIG', `cannot write the process id to ${file}: ${(error as Error).message}`, {
      remedy: 'give --pidfile a file in a folder that is there and may be written, such as /run',
    });
  }
  return () => {
    try {
      if (readFileSync(file, 'utf8') === content) rmSync(file);
    } catch {
      // Somebody else has removed it.
    }
  };
};
