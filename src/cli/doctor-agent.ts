/** What there is to say about the agent that runs here. */
import { connectSocket } from '../agent/client.ts';
import type { AgentStatus } from '../agent/rpc.ts';
import { packageVersion } from '../agent/version.ts';
import type { Counters, GroupStatus } from '../engine/status.ts';
import { CarpError } from '../ports/error.ts';
import { type Finding, missing, missingBecause, ok, warning } from './doctor-finding.ts';

export interface AgentLook {
  /** Something listens on the socket, whether or not it talks to us. */
  readonly runs: boolean;
  readonly findings: readonly Finding[];
}

/** Whether a group names its peers, and so does not depend on multicast. */
type HasPeers = (group: string) => boolean;

/** What one group of the agent that runs has found out. There has to be one: nothing else hears the group's peers. */
export const lookAtGroup = async (socket: string, name: string, hasPeers: HasPeers): Promise<readonly Finding[]> => {
  const about = `group ${name}`;
  try {
    const client = await connectSocket(socket);
    try {
      const { hosts } = await client.status();
      const groups = hosts.flatMap((host) => host.groups.filter(({ group }) => group === name));
      if (groups.length > 0) return groups.flatMap((group) => groupFindings(group, hasPeers(name)));
      return [missing(about, `the agent runs no group ${name}`, '`carp status` lists the groups')];
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof CarpError)) throw error;
    return [missingBecause(about, error)];
  }
};

export const lookAtAgent = async (socket: string, hasPeers: HasPeers): Promise<AgentLook> => {
  try {
    const client = await connectSocket(socket);
    try {
      return { runs: true, findings: agentFindings(await client.status(), socket, hasPeers) };
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof CarpError)) throw error;
    if (error.code === 'CARP_NO_AGENT')
      return { runs: false, findings: [warning('agent', error.message, 'systemctl start carp, or: carp run -c FILE')] };
    return { runs: error.code === 'CARP_NO_PERMISSION', findings: [missingBecause('agent', error)] };
  }
};

const agentFindings = (
  { version, pid, hosts }: AgentStatus,
  socket: string,
  hasPeers: HasPeers,
): readonly Finding[] => {
  const own = packageVersion();
  const text = `carp ${version} runs as process ${pid} and listens on ${socket}`;
  return [
    version === own
      ? ok('agent', text)
      : warning('agent', `${text}, and this is carp ${own}`, 'systemctl restart carp: it hands over first'),
    ...hosts.flatMap(({ groups }) => groups.flatMap((group) => groupFindings(group, hasPeers(group.group)))),
  ];
};

const groupFindings = (group: GroupStatus, hasPeers: boolean): readonly Finding[] => {
  const about = `group ${group.group}`;
  return [
    roleFinding(about, group),
    ...peerFindings(about, group),
    ...refusedFindings(about, group.counters),
    ...aloneFindings(about, group, hasPeers),
  ];
};

const roleFinding = (about: string, { role, detail, problem }: GroupStatus): Finding => {
  if (problem !== undefined) return missing(about, `the agent says ${role}: ${problem.message}`, problem.remedy);
  if (role === 'INIT')
    return missing(
      about,
      `the agent says INIT: ${detail}`,
      'until that changes it takes no part: `ip addr`, `ip link`',
    );
  return ok(about, `the agent says ${role}`);
};

/** A peer that is not understood is as bad as none: both are MASTER. One that sends otherwise is understood so far. */
const peerFindings = (about: string, { mismatches = [], hints = [] }: GroupStatus): readonly Finding[] => [
  ...mismatches.map(({ detail, remedy }) => missing(about, detail, remedy)),
  ...hints.map(({ detail, remedy }) => warning(about, detail, remedy)),
];

const REFUSALS = {
  badttl: 'they come from beyond a router, or from something that is no CARP',
  badsum: 'they were damaged on their way: look at the switch and at checksum offloading',
  badauth:
    'give all hosts of the group the same password and the same list of addresses; what differs is told above while it does',
} as const satisfies Partial<Record<keyof Counters, string>>;

const refusedFindings = (about: string, counters: Counters): readonly Finding[] =>
  Object.entries(REFUSALS).flatMap(([name, remedy]) => {
    const count = counters[name as keyof typeof REFUSALS];
    return count === 0 ? [] : [warning(about, `${count} adverts were refused as ${name}`, remedy)];
  });

/** A MASTER cannot tell silent BACKUPs from a switch that keeps adverts to itself. */
const aloneFindings = (about: string, { role, counters }: GroupStatus, hasPeers: boolean): readonly Finding[] => {
  if (role !== 'MASTER' || counters.received > 0) return [];
  return [
    warning(
      about,
      'it has not heard any other host; all is well if the others are BACKUP, since a BACKUP is silent',
      hasPeers
        ? 'carp status on another host: if it is MASTER too, a firewall may drop IP protocol 112 between the two'
        : 'carp status on another host: if it is MASTER too, the switch or a firewall drops 224.0.0.18 or ff02::12; switch IGMP and MLD snooping off for this segment, or give it a querier, or list the other hosts in `peers`',
    ),
  ];
};
