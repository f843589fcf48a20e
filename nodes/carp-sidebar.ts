/** carp-sidebar: the runtime half of the editor's sidebar. Loaded once, before the nodes, whether or not there is a group. */
import type { NodeAPI } from 'node-red';
import { registerAdmin } from './admin.ts';
import { registryOf } from './runtime.ts';

export default (RED: NodeAPI): void => {
  registerAdmin(RED, registryOf(RED));
  RED.plugins.registerPlugin('carp-sidebar', { type: 'carp-sidebar' });
};
