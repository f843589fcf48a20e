/** What can be asked of the group of a carp-group node, and of its host, wherever its agent is. */
import type {
  AdvskewReceipt,
  AgentStatus,
  DemotionReceipt,
  HandOverReceipt,
  SimulateParams,
} from '../src/agent/rpc.ts';
import type { BusStatus, GroupStatus } from '../src/engine/status.ts';
import { CarpError } from '../src/ports/error.ts';
import type { AgentLink } from './agent-link.ts';

/** Whether something is about the group alone or about all groups of its host. */
export type Scope = 'group' | 'host';

export interface Demotion {
  /** 1..64 printable characters. */
  readonly reason: string;
  /** 1..65535; 240 and more hand over. */
  readonly weight: number;
  readonly scope: Scope;
  /** Ends by itself after this time, in ms. */
  readonly forMs?: number;
}

/** All take the id of a carp-group node. All @throws (reject) CarpError, CARP_NO_GROUP if that one does not run. */
export interface GroupCommands {
  readonly statusOf: (id: string) => Promise<GroupStatus>;
  /** How its host stands with its MQTT broker; undefined if it has none. */
  readonly busOf: (id: string) => Promise<BusStatus | undefined>;
  readonly handOver: (id: string, force: boolean) => Promise<HandOverReceipt>;
  readonly maintenance: (id: string, on: boolean, scope: Scope) => Promise<DemotionReceipt>;
  /** As maintenance; whoever observes never becomes MASTER, not even where nobody else is. */
  readonly observe: (id: string, on: boolean, scope: Scope) => Promise<DemotionReceipt>;
  readonly demote: (id: string, demotion: Demotion) => Promise<DemotionReceipt>;
  readonly restore: (id: string, reason: string, scope: Scope) => Promise<DemotionReceipt>;
  /** @param advskew - undefined: the one of the settings again */
  readonly advskew: (id: string, advskew: number | undefined) => Promise<AdvskewReceipt>;
  /** Of a simulated host. */
  readonly simulate: (id: string, action: SimulateParams['action']) => Promise<void>;
}

/** A group, and whom to ask about it. */
export interface Place {
  readonly link: AgentLink;
  readonly node: string;
  readonly group: string;
}

/** @param placeOf - @throws CarpError when nobody can be asked */
export const groupCommands = (placeOf: (id: string) => Place): GroupCommands => {
  const status = sharedStatus();
  return {
    statusOf: async (id) => {
      const place = placeOf(id);
      const { hosts } = await status(place.link);
      const known = hosts.find(({ node }) => node === place.node)?.groups.find(({ group }) => group === place.group);
      if (known !== undefined) return known;
      throw new CarpError('CARP_NO_GROUP', `the agent has no group "${place.group}" of node ${place.node}`, {
        remedy: 'it may be starting: try again; or see what the carp-group node says in the log',
      });
    },
    busOf: async (id) => {
      const { link, node } = placeOf(id);
      const { hosts } = await status(link);
      return hosts.find((host) => host.node === node)?.bus;
    },
    handOver: async (id, force) => {
      const { link, node, group } = placeOf(id);
      return link.handOver({ node, group, force });
    },
    maintenance: async (id, on, scope) => {
      const place = placeOf(id);
      return place.link.maintenance({ on, ...scoped(place, scope) });
    },
    observe: async (id, on, scope) => {
      const place = placeOf(id);
      return place.link.observe({ on, ...scoped(place, scope) });
    },
    demote: async (id, { scope, ...demotion }) => {
      const place = placeOf(id);
      return place.link.demote({ ...demotion, ...scoped(place, scope) });
    },
    restore: async (id, reason, scope) => {
      const place = placeOf(id);
      return place.link.restore({ reason, ...scoped(place, scope) });
    },
    advskew: async (id, advskew) => {
      const { link, node, group } = placeOf(id);
      return link.advskew({ node, group, advskew: advskew ?? null });
    },
    simulate: async (id, action) => {
      const { link, node } = placeOf(id);
      await link.simulate({ node, action });
    },
  };
};

const scoped = ({ node, group }: Place, scope: Scope) => (scope === 'host' ? { node } : { node, group });

/**
 * One question for all who ask in the same turn. Never an answer to an earlier question: whoever asks after a stall must
 * not get what was known before it.
 */
const sharedStatus = (): ((link: AgentLink) => Promise<AgentStatus>) => {
  const asked = new Map<AgentLink, Promise<AgentStatus>>();
  return (link) => {
    const before = asked.get(link);
    if (before !== undefined) return before;
    const answer = link.status();
    asked.set(link, answer);
    queueMicrotask(() => asked.delete(link));
    return answer;
  };
};
