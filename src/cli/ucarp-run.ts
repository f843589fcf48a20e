import { mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { filter } from 'rxjs';
import { createNotifier } from '../adapters/linux/notify.ts';
import type { Agent } from '../agent/agent.ts';
import { composeAgent, hurry } from '../agent/compose-agent.ts';
import { privilegeProblem } from '../agent/privileges.ts';
import { listenOnSocket } from '../agent/socket-server.ts';
import { CarpError } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import { type IpAddress, sameAddress } from '../protocol/address.ts';
import { endings, heldBack, leave, refuseToStart, rolesLine } from './foreground.ts';
import { Exit, type ExitCode } from './options.ts';
import { planUcarp, type UcarpPlan } from './ucarp-config.ts';
import { type Holder, lockUcarp } from './ucarp-lock.ts';
import { createUcarpLog, scriptOutput, type UcarpLogOptions } from './ucarp-log.ts';
import type { UcarpOptions } from './ucarp-options.ts';
import { writePid } from './ucarp-pidfile.ts';
import { VipScripts } from './ucarp-scripts.ts';
import type { Secret } from './ucarp-secret.ts';
import { setTitle } from './ucarp-title.ts';

/** All of them end ucarp. */
const ENDING = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP'] as const;
/** After a defect, the farewell and the down script are given this long. */
const CRASH_MS_MAX = 10_000;

export interface UcarpSurroundings {
  /** Where lines are shown. */
  readonly show: UcarpLogOptions['show'];
  readonly isDaemon: boolean;
  /** The password, where the process that started this one has read it. */
  readonly secret?: Secret;
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
    const plan = planUcarp(options, around.secret);
    if (isDaemon) process.chdir('/');
    if (isDaemon && !hasSyslog)
      logging.log('warn', 'there is no syslog (/dev/log) now: nobody hears what the daemon says until there is one');
    const code = await run(options, plan, logging.log, around);
    // A daemon has nobody who reads.
    return isDaemon ? code : await leave(code);
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
  const missing = process.platform === 'linux' ? privilegeProblem() : undefined;
  if (missing !== undefined) throw missing;

  const { config } = plan;
  const { log, release } = heldBack(shown);
  const notifier = createNotifier({ log });
  const output = scriptOutput();
  const scripts = new VipScripts({
    scripts: plan.scripts,
    interface: plan.interface,
    addresses: options.addresses,
    ...(options.xparam === undefined ? {} : { xparam: options.xparam }),
    timeoutMs: options.scriptTimeout * 1000,
    has: await addressLookup(),
    holdAddresses: options.addressing === 'scripts',
    log: shown,
    onOutput: (text, stream) => void (isDaemon || output[stream](text)),
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
  let isUp = false;
  const undo: (() => unknown)[] = [ending.dispose, notifier.stopping];
  const lines = agent.events$
    .pipe(filter(({ event, role }) => event === 'transition' && role !== 'STOPPED'))
    .subscribe(({ role }) => log('warn', `Switching to state: ${role}`));
  undo.push(() => lines.unsubscribe());
  try {
    const lock = await lockUcarp({
      interface: plan.interface,
      vhid: options.vhid,
      what: plan.fingerprint,
      cancelled: ending.asked,
    });
    if (lock === undefined) return Exit.done;
    if ('pid' in lock) return alreadyServed(lock, plan, { log: shown, isDaemon, onUp });
    undo.push(lock.release);
    void ending.asked.then(lock.ending);
    // Under the lock: whoever waits for it, or asks for the same again, finds no other agent on this path.
    if (options.socket !== undefined) {
      const server = await listenOnSocket({ path: config.socket, agent: honest(agent, options), log });
      undo.push(server.close);
    }
    const discard = makeFolder(config.state);
    undo.push(() => isUp || discard());
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
    isUp = true;
    onUp();
    const code = await ending.asked;
    notifier.stopping();
    return code;
  } finally {
    await stop();
    for (const step of undo.reverse()) await step();
  }
};

/**
 * It and the one above, for those who have no package that makes them. What cannot be made is told by whoever needs it.
 * @returns what removes those that were made here, with the memory of adverts in them: for a start that failed
 */
const makeFolder = (folder: string): (() => void) => {
  const made: string[] = [];
  for (const [path, mode] of [[dirname(folder), 0o755] as const, [folder, 0o700] as const])
    try {
      // Not `recursive`: Node 20 then tries for ever where the system says ENOENT (in /proc).
      mkdirSync(path, { mode });
      made.unshift(path);
    } catch {
      // It is there, or it cannot be.
    }
  return () => {
    try {
      if (made.includes(folder))
        for (const file of readdirSync(folder)) if (/^replay-.*\.bin$/.test(file)) rmSync(join(folder, file));
      for (const path of made) rmdirSync(path);
    } catch {
      // Something is in it that the next start has to know, such as an address that could not be removed.
    }
  };
};

/**
 * ifupdown calls for a daemon whenever the interface comes up; ucarp has ended by then, and ours has not.
 * @throws CarpError CARP_DUPLICATE
 */
const alreadyServed = (
  { pid, what }: Holder,
  { interface: device, config, fingerprint }: UcarpPlan,
  { log, isDaemon, onUp }: Pick<UcarpSurroundings, 'isDaemon' | 'onUp'> & { readonly log: Log },
): ExitCode => {
  const isSame = what === fingerprint;
  const message = `process ${pid} serves vhid ${config.groups[0]?.vhid} on ${device} already${isSame ? '' : ', with other options'}`;
  if (!isSame || !isDaemon) throw new CarpError('CARP_DUPLICATE', message, { remedy: `to end it: kill ${pid}` });
  log('warn', `${message}, and goes on; for another password to count: kill ${pid}, and start again`);
  onUp();
  return Exit.done;
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
