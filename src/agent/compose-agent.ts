import { constants, setPriority } from 'node:os';
import { defer, from, switchMap } from 'rxjs';
import { createMemoryLan } from '../adapters/memory/lan.ts';
import { wallClock } from '../adapters/node/clock.ts';
import { monotonicScheduler } from '../adapters/node/scheduler.ts';
import { configFailure, parseConfig } from '../config/parse.ts';
import { hostSettings } from '../config/settings.ts';
import type { HostConfig } from '../config/types.ts';
import { createHost } from '../engine/create-host.ts';
import type { Environment } from '../ports/environment.ts';
import type { Log } from '../ports/log.ts';
import { type Agent, createAgent } from './agent.ts';
import { lazyPublisher } from './lazy-publisher.ts';
import { loadPublishers } from './load-publishers.ts';
import { createLocks } from './locks.ts';
import type { Serve } from './metrics.ts';
import { linuxSurroundings, memorySurroundings } from './surroundings.ts';
import { packageVersion } from './version.ts';
import { createWorld } from './world.ts';

export interface ComposeOptions {
  readonly log: Log;
  /** Puts something between the engine and this machine, such as scripts that set the addresses. */
  readonly adapt?: (environment: Environment) => Environment;
}

/** The agent as it runs in a process of its own: real time, this machine's interfaces, and a LAN for simulated hosts. */
export const composeAgent = ({ log, adapt = (environment) => environment }: ComposeOptions): Agent => {
  const scheduler = monotonicScheduler;
  const basics = { scheduler, wallClock, log };
  const real = linuxSurroundings(basics);
  const agent = createAgent({
    version: packageVersion(),
    log,
    wallClock,
    scheduler,
    createHost,
    createPublisher: (options) => lazyPublisher(loadPublishers, options),
    serveMetrics,
    settingsOf: hostSettings,
    parseHost,
    world: createWorld({
      memory: memorySurroundings(createMemoryLan(scheduler), basics),
      real: { load: real.load, sniffer: real.sniffer, environment: (place) => adapt(real.environment(place)) },
      locks: createLocks(),
    }),
  });
  return {
    ...agent,
    stop: async () => {
      await agent.stop();
      await real.settled();
    },
  };
};

/** Most hosts have no metrics: the server is loaded by the first that has. */
const serveMetrics: Serve = (...what) =>
  defer(() => from(import('../adapters/metrics/server.ts'))).pipe(switchMap(({ serving }) => serving(...what)));

/** @throws CarpError CARP_CONFIG */
const parseHost = (value: object): HostConfig => {
  const parsed = parseConfig(value);
  if (parsed.ok) return parsed.config;
  const node = 'node' in value ? String(value.node) : 'a host';
  throw configFailure(parsed.errors, `the configuration of ${node}`);
};

/** Adverts have deadlines. Without CAP_SYS_NICE the process stays as it is, which is no reason to complain. */
export const hurry = (): void => {
  try {
    setPriority(constants.priority.PRIORITY_HIGHEST);
  } catch {
    // Not permitted.
  }
};
