import { join } from 'node:path';
import type { NodeAPI } from 'node-red';
import { metricsRules } from '../src/config/metrics-rules.ts';
import type { MetricsConfig } from '../src/config/types.ts';
import { agents } from './agents.ts';
import { createRegistry, type Registry } from './registry.ts';

const registries = new WeakMap<object, Registry>();

/** The registry of this Node-RED: one for all node files, for as long as the process lives. */
export const registryOf = (RED: NodeAPI): Registry => {
  const known = registries.get(RED.events);
  if (known !== undefined) return known;
  const { userDir, carpStallTimeout, carpMetrics } = RED.settings as {
    readonly userDir?: string;
    readonly carpStallTimeout?: unknown;
    readonly carpMetrics?: unknown;
  };
  const registry = createRegistry({
    agents: agents(RED.log),
    events: RED.events,
    state: join(userDir ?? '.', 'carp'),
    stallTimeout: stallTimeoutOf(carpStallTimeout, RED.log),
    metrics: metricsOf(carpMetrics, RED.log),
  });
  registries.set(RED.events, registry);
  return registry;
};

/** One day: as long as the agent accepts. */
const STALL_TIMEOUT_S_MAX = 86_400;

/** `carpStallTimeout` of settings.js, in s; a value that is none counts as missing, and is told. */
export const stallTimeoutOf = (value: unknown, log: Pick<NodeAPI['log'], 'warn'>): number | undefined => {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value >= 0 && value <= STALL_TIMEOUT_S_MAX) return value;
  log.warn(
    `[carp] carpStallTimeout in settings.js must be 0 to ${STALL_TIMEOUT_S_MAX} s (0 = never); the default, 15, is used`,
  );
  return undefined;
};

/** The most that a TCP port can be. */
const PORT_MAX = 65_535;

/** `carpMetrics` of settings.js: `{ port: 9112, address: '127.0.0.1' }`; what is no such thing counts as missing, and is told. */
export const metricsOf = (value: unknown, log: Pick<NodeAPI['log'], 'warn'>): MetricsConfig | undefined => {
  if (value === undefined || value === false) return undefined;
  const { port, address = '127.0.0.1' } = (typeof value === 'object' && value !== null ? value : {}) as {
    readonly port?: unknown;
    readonly address?: unknown;
  };
  const isPort = typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= PORT_MAX;
  const findings = typeof address === 'string' ? metricsRules({ address }) : undefined;
  if (!isPort || typeof address !== 'string' || findings?.some(({ severity }) => severity === 'error') !== false) {
    log.warn(
      `[carp] carpMetrics in settings.js must be { port: 1 to ${PORT_MAX}, address: 'IP address' }; there are no metrics`,
    );
    return undefined;
  }
  for (const { message } of findings) log.warn(`[carp] carpMetrics in settings.js: ${message}`);
  return { address, port };
};
