import { join } from 'node:path';
import type { NodeAPI } from 'node-red';
import { agents } from './agents.ts';
import { createRegistry, type Registry } from './registry.ts';

const registries = new WeakMap<object, Registry>();

/** The registry of this Node-RED: one for all node files, for as long as the process lives. */
export const registryOf = (RED: NodeAPI): Registry => {
  const known = registries.get(RED.events);
  if (known !== undefined) return known;
  const { userDir, carpStallTimeout } = RED.settings as {
    readonly userDir?: string;
    readonly carpStallTimeout?: unknown;
  };
  const registry = createRegistry({
    agents: agents(RED.log),
    events: RED.events,
    state: join(userDir ?? '.', 'carp'),
    stallTimeout: stallTimeoutOf(carpStallTimeout, RED.log),
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
