/**
 * RabbitMQ nodes of the test's own, one cluster, with the MQTT plug-in and nothing else: folders, cookie, ports and port
 * mapper (epmd) in a temporary folder and on 127.0.0.1. The service of the machine, if there is one, is not touched.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from './broker-children.ts';
import { accepts, freePorts } from './broker-local.ts';
import type { Scope } from './netns.ts';
import { toolPath } from './requirements.ts';
import { until } from './wait.ts';

/** The script of Debian's package itself; the one in /usr/sbin becomes another user, and goes to the service's folder. */
const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';
/** Two nodes take about 20 s on two idle cores. */
const START_MS = 180_000;
const STOP_MS = 20_000;

const executable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** The reason to skip a test that needs RabbitMQ, or `false`. */
export const missingRabbitMq = (): string | false => {
  if (!executable(SERVER)) return 'needs rabbitmq-server: apt-get install rabbitmq-server';
  return toolPath('epmd') === undefined ? 'needs epmd: apt-get install erlang-base' : false;
};

export interface RabbitNode {
  readonly url: string;
  readonly port: number;
  /** Its machine loses its power. */
  readonly kill: () => Promise<void>;
  readonly log: () => string;
  /** What it has cost so far. */
  readonly cpuSeconds: () => number;
}

/** Erlang's schedulers would otherwise spin while they wait, on every core. */
const FRUGAL = '+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none +A 4';

interface Running {
  readonly process: ChildProcess;
  readonly stop: () => Promise<void>;
}

const live = new Set<ChildProcess>();

/** Each has a process group of its own, which is made here: what it starts ends with it. */
const killGroup = ({ pid }: ChildProcess): void => {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
};
const killAll = (): void => {
  for (const one of live) killGroup(one);
};
process.once('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    killAll();
    process.exit(1);
  });

const start = (file: string, args: readonly string[], env: NodeJS.ProcessEnv, output: string[]): Running => {
  const child = spawn(file, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  live.add(child);
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(String(chunk)));
  const ended = once(child, 'close');
  ended.catch(() => undefined);
  const stop = async (): Promise<void> => {
    killGroup(child);
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, STOP_MS).unref())]);
    live.delete(child);
  };
  return { process: child, stop };
};

/** Starts a cluster of so many nodes, which is gone when the test ends. */
export const startRabbitMq = async (scope: Scope, count = 2): Promise<readonly RabbitNode[]> => {
  const folder = scratchFolder('rabbitmq');
  const [epmdPort = 0, ...ports] = await freePorts(1 + 2 * count);
  writeFileSync(join(folder, '.erlang.cookie'), `CARP${process.pid}`, { mode: 0o400 });
  // `localhost` is a short name of Erlang's, and leads to 127.0.0.1 without the network's help.
  const names = Array.from({ length: count }, (_, i) => `carp${process.pid}n${i + 1}@localhost`);
  const { PATH, LANG = 'C.UTF-8' } = process.env;
  const usual = { PATH, LANG, HOME: folder, ERL_EPMD_PORT: String(epmdPort), ERL_EPMD_ADDRESS: '127.0.0.1' };

  // In the foreground and first: the nodes would otherwise start one that outlives them.
  const epmd = start(toolPath('epmd') ?? 'epmd', ['-port', String(epmdPort), '-address', '127.0.0.1'], usual, []);
  scope.after(epmd.stop);
  await until('epmd to listen', START_MS, () => accepts(epmdPort));

  const nodes = names.map((name, i) => {
    const port = ports[i] ?? 0;
    const home = join(folder, String(i + 1));
    mkdirSync(home);
    const at = (file: string): string => join(home, file);
    const config = [
      'listeners.tcp = none',
      `mqtt.listeners.tcp.1 = 127.0.0.1:${port}`,
      'mqtt.allow_anonymous = true',
      'loopback_users = none',
      'cluster_formation.peer_discovery_backend = classic_config',
      ...names.map((other, j) => `cluster_formation.classic_config.nodes.${j + 1} = ${other}`),
      'log.console = true',
      'log.file = false',
    ];
    writeFileSync(at('rabbitmq.conf'), `${config.join('\n')}\n`);
    writeFileSync(at('enabled_plugins'), '[rabbitmq_mqtt].\n');
    writeFileSync(at('env.conf'), '');
    const output: string[] = [];
    const running = start(
      SERVER,
      [],
      {
        ...usual,
        RABBITMQ_NODENAME: name,
        RABBITMQ_MNESIA_BASE: at('mnesia'),
        RABBITMQ_LOG_BASE: at('log'),
        RABBITMQ_LOGS: '-',
        RABBITMQ_CONFIG_FILE: at('rabbitmq'),
        RABBITMQ_ADVANCED_CONFIG_FILE: at('no-advanced'),
        RABBITMQ_CONF_ENV_FILE: at('env.conf'),
        RABBITMQ_ENABLED_PLUGINS_FILE: at('enabled_plugins'),
        RABBITMQ_GENERATED_CONFIG_DIR: at('generated'),
        RABBITMQ_PID_FILE: at('pid'),
        RABBITMQ_DIST_PORT: String(ports[count + i] ?? 0),
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `${FRUGAL} -kernel inet_dist_use_interface {127,0,0,1}`,
      },
      output,
    );
    scope.after(running.stop);
    const log = (): string => output.join('');
    return {
      url: `mqtt://127.0.0.1:${port}`,
      port,
      kill: running.stop,
      log,
      cpuSeconds: () => cpuSecondsOf(at('pid')),
      process: running.process,
    };
  });

  await until(
    'the cluster to be up',
    START_MS,
    () => {
      const ended = nodes.find(({ process }) => process.exitCode !== null || process.signalCode !== null);
      if (ended !== undefined) throw new Error(`RabbitMQ ended:\n${ended.log().slice(-4000)}`);
      return nodes.every(({ log }) => log().includes('Server startup complete'));
    },
    () => nodes.map(({ log }) => log().slice(-2000)).join('\n---\n'),
  );
  return nodes;
};

/** Of the process whose number is in this file, in s. */
const cpuSecondsOf = (pidFile: string): number => {
  try {
    const stat = readFileSync(`/proc/${readFileSync(pidFile, 'utf8').trim()}/stat`, 'utf8');
    // proc(5): what follows the name is state, ppid …; the 12th and 13th of it are user and system time in 1/100 s.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
};
