import type { NodeStatus } from 'node-red';
import type { CarpErrorCode } from '../src/ports/error.ts';
import type { GroupView } from './board.ts';

/** Texts below a node: those with a dot are keys of its locale file. CARP's own words are the same in all languages. */
export const NO_GROUP: NodeStatus = { fill: 'red', shape: 'ring', text: 'carp.status.no-group' };

/** How a group looks. Rings are hosts without the address, dots hold it; red is a problem that somebody must solve. */
export const statusOf = ({ event, problem }: GroupView, hasStranger = false): NodeStatus => {
  if (problem !== undefined) return problemStatus(problem.code);
  // Only a MASTER speaks, so whoever is not understood is one, too.
  if (hasStranger && event?.role === 'MASTER') return { fill: 'red', shape: 'dot', text: 'carp.status.split-brain' };
  if (hasStranger) return { fill: 'red', shape: 'ring', text: 'carp.status.bad-auth' };
  if (event === undefined) return { fill: 'grey', shape: 'ring', text: 'carp.status.starting' };
  switch (event.role) {
    case 'MASTER':
      return { fill: 'green', shape: 'dot', text: 'MASTER' };
    case 'BACKUP':
      // It is no BACKUP that anybody could count on.
      if (event.mode === 'observe') return { fill: 'yellow', shape: 'ring', text: 'carp.status.observes' };
      if (event.demotion > 0) return { fill: 'yellow', shape: 'ring', text: `BACKUP, demoted ${event.demotion}` };
      return { fill: 'blue', shape: 'ring', text: event.master ? `BACKUP of ${event.master.address}` : 'BACKUP' };
    // INIT, STOPPED, and what a service of a later version may say: an error in here would end Node-RED.
    default:
      return { fill: 'grey', shape: 'ring', text: event.role };
  }
};

/** Status nodes get every status that is set: one that says nothing new is noise. */
export const sameStatus = (one: NodeStatus, other: NodeStatus): boolean =>
  one.fill === other.fill && one.shape === other.shape && one.text === other.text;

export const problemStatus = (code: CarpErrorCode): NodeStatus => ({
  fill: 'red',
  shape: 'ring',
  text: PROBLEMS[code] ?? PROBLEMS.CARP_FAILED,
});

const PROBLEMS = {
  CARP_CONFIG: 'carp.status.bad-settings',
  CARP_NO_PERMISSION: 'carp.status.no-permission',
  CARP_NO_TRANSPORT: 'carp.status.no-raw-sockets',
  CARP_NO_INTERFACE: 'carp.status.no-interface',
  CARP_ADDRESS_IN_USE: 'carp.status.address-in-use',
  CARP_ADDRESS: 'carp.status.address-failed',
  CARP_SEND: 'carp.status.cannot-send',
  CARP_DUPLICATE: 'carp.status.runs-twice',
  CARP_NO_GROUP: 'carp.status.no-such-group',
  CARP_NOT_MASTER: 'carp.status.not-master',
  CARP_NOBODY: 'carp.status.nobody',
  CARP_NO_AGENT: 'carp.status.no-agent',
  CARP_FAILED: 'carp.status.failed',
} as const satisfies Record<CarpErrorCode, string>;
