/** From what each carp-group wants to what the agents are told. Pure. */
import type { GroupConfig, HostConfig } from '../src/config/types.ts';
import type { Problem } from '../src/ports/error.ts';
import { checkedHost, type Wanted } from './group-settings.ts';
import { present } from './stored-values.ts';
import type { WatchWish } from './watch-settings.ts';

/** Where the news of a group come from. */
export type Route =
  | { readonly type: 'refused'; readonly problem: Problem }
  /** `socket` undefined: the agent of this Node-RED. */
  | {
      readonly type: 'agent';
      readonly socket: string | undefined;
      readonly node: string;
      readonly group: string;
      /** Why it is not published as was wished. */
      readonly mqttProblem?: Problem;
    };

export interface Plan {
  readonly hosts: readonly HostConfig[];
  /** Whether an agent of this Node-RED is needed: also by those who only listen. */
  readonly runs: boolean;
  readonly execPath: string | undefined;
  readonly sockets: readonly string[];
  /** By id of the carp-group. */
  readonly routes: ReadonlyMap<string, Route>;
}

/** Of several that cannot be together the first stays and the others are refused, so what runs is not disturbed. */
export const planFor = (all: Iterable<Wanted>, watched: Iterable<WatchWish> = []): Plan => {
  const hosts = new Map<string, HostConfig>();
  const routes = new Map<string, Route>();
  const sockets = new Set<string>();
  let execPath: string | undefined;
  for (const wanted of all) {
    if (wanted.type === 'refused') {
      routes.set(wanted.id, { type: 'refused', problem: wanted.problem });
      continue;
    }
    const { node, group } = wanted;
    if (wanted.type === 'service') {
      sockets.add(wanted.socket);
      routes.set(wanted.id, { type: 'agent', socket: wanted.socket, node, group });
      continue;
    }
    const before = hosts.get(node);
    const together = joined(before, wanted.config);
    const problem = conflict(wanted, before, execPath) ?? problemIn(together);
    if (problem !== undefined) {
      routes.set(wanted.id, { type: 'refused', problem });
      continue;
    }
    execPath ??= wanted.execPath;
    hosts.set(node, together);
    const mqttProblem = mqttConflict(wanted, before);
    routes.set(wanted.id, { type: 'agent', socket: undefined, node, group, ...present('mqttProblem', mqttProblem) });
  }
  let runs = hosts.size > 0;
  for (const wish of watched) {
    if (wish.socket === undefined) runs = true;
    else sockets.add(wish.socket);
    // Whoever only listens goes along with what a group says.
    execPath ??= wish.execPath;
  }
  return { hosts: [...hosts.values()], runs, execPath, sockets: [...sockets], routes };
};

type Own = Extract<Wanted, { readonly type: 'own' }>;

/** A group without MQTT joins a host that has it: a host has one connection, and tells of all its groups there. */
const joined = (host: HostConfig | undefined, more: HostConfig): HostConfig => {
  if (host === undefined) return more;
  const mqtt = host.mqtt ?? more.mqtt;
  return { ...host, ...(mqtt === undefined ? {} : { mqtt }), groups: [...host.groups, ...more.groups] };
};

const conflict = (wanted: Own, host: HostConfig | undefined, execPath: string | undefined): Problem | undefined => {
  if (execPath !== undefined && wanted.execPath !== undefined && wanted.execPath !== execPath)
    return {
      code: 'CARP_CONFIG',
      message: `one agent runs all groups of this Node-RED, and another group starts it with ${execPath}`,
      remedy: `give all groups the same "agent started with", or leave it empty here`,
    };
  if (host === undefined) return undefined;
  const [group] = wanted.config.groups;
  const twin = host.groups.find((other) => group !== undefined && clashes(other, group));
  if (twin !== undefined)
    return {
      code: 'CARP_DUPLICATE',
      message: `${wanted.node} already takes part in vhid ${twin.vhid} on ${twin.interface} as group "${twin.name}"`,
      remedy: 'choose the existing group in your nodes, or another vhid, interface, group name or node name here',
    };
  return undefined;
};

/** Told where the others of its host are told: an election is worth more than who hears of it. */
const mqttConflict = (wanted: Own, host: HostConfig | undefined): Problem | undefined => {
  const { mqtt } = wanted.config;
  if (host?.mqtt === undefined || mqtt === undefined || JSON.stringify(host.mqtt) === JSON.stringify(mqtt))
    return undefined;
  return {
    code: 'CARP_CONFIG',
    message: `the groups of node ${wanted.node} share one MQTT connection, and another group chose a different one, which is used for this one as well`,
    remedy: 'choose the same carp-mqtt in all groups of this node',
  };
};

/** Groups that are right by themselves may not go together, such as two that share one address. */
const problemIn = (host: HostConfig): Problem | undefined => {
  if (host.groups.length === 1) return undefined;
  const checked = checkedHost(host);
  return 'problem' in checked ? checked.problem : undefined;
};

const clashes = (one: GroupConfig, other: GroupConfig): boolean =>
  one.name === other.name || (one.interface === other.interface && one.vhid === other.vhid);
