import { join } from 'node:path';
import type { NodeAPI } from 'node-red';
import { agents } from './agents.ts';
import { createRegistry, type Registry } from './registry.ts';

const registries = new WeakMap<object, Registry>();

/** The registry of this Node-RED: one for all node files, for as long as the process lives. */
export const registryOf = (RED: NodeAPI): Registry => {
  const known = registries.get(RED.events);
  if (known !== undefined) return known;
  const { userDir } = RED.settings as { readonly userDir?: string };
  const registry = createRegistry({ agents: agents(RED.log), events: RED.events, state: join(userDir ?? '.', 'carp') });
  registries.set(RED.events, registry);
  return registry;
};
