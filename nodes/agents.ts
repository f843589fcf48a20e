import type { NodeAPI } from 'node-red';
import { connectService } from '../src/agent/client.ts';
import type { AgentLink } from '../src/agent/link.ts';
import { createSupervisor } from '../src/agent/supervisor.ts';
import type { Agents } from './agent-link.ts';

/** The real agents. What they log goes into the log of Node-RED. */
export const agents = (log: NodeAPI['log']): Agents => {
  const logged = <Link extends AgentLink>(link: Link): Link => {
    link.logs$.subscribe(({ level, message, fields = {} }) => {
      // What has a remedy is a problem, and the carp-group node tells it, once.
      const told = 'remedy' in fields ? 'debug' : level;
      const { node, group } = fields;
      const who = [node, group].filter((name) => typeof name === 'string' && !message.includes(name)).join(' ');
      // A service of another version may know other levels.
      const write = log[told] ?? log.info;
      write.call(log, `[carp] ${who === '' ? '' : `${who}: `}${message}`);
    });
    return link;
  };
  return {
    fork: ({ execPath }) => logged(createSupervisor({ execPath })),
    connect: (path) => logged(connectService({ path })),
  };
};
