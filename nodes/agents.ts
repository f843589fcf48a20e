import type { NodeAPI } from 'node-red';
import { connectService } from '../src/agent/client.ts';
import type { AgentLink } from '../src/agent/link.ts';
import { createSupervisor } from '../src/agent/supervisor.ts';
import type { Agents } from './agent-link.ts';
import { logLine } from './log-line.ts';

/** The real agents. What they log goes into the log of Node-RED. */
export const agents = (log: NodeAPI['log']): Agents => {
  const logged = <Link extends AgentLink>(link: Link): Link => {
    link.logs$.subscribe((notice) => {
      const { level, text } = logLine(notice);
      // A service of another version may know other levels.
      const write = log[level] ?? log.info;
      write.call(log, text);
    });
    return link;
  };
  return {
    fork: ({ execPath }) => logged(createSupervisor({ execPath })),
    connect: (path) => logged(connectService({ path })),
  };
};
