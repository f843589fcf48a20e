import type { HeardAlarm } from '../adapters/mqtt/view/bus-payloads.ts';
import type { BusGroupView } from '../adapters/mqtt/view/bus-view-types.ts';
import type { FleetFinding, FleetMember } from './fleet-group.ts';

interface Evidence {
  readonly group: BusGroupView;
  readonly members: readonly FleetMember[];
  /** What the hosts say themselves. */
  readonly alarms: readonly (HeardAlarm & { readonly by: string })[];
}

/**
 * What is wrong with a group: alarms that its hosts raised, and what can be seen without them, because hosts may raise
 * none (`alarms: false`) or be gone. What both know is told once, in the words of the hosts.
 */
export const findingsOf = (evidence: Evidence): readonly FleetFinding[] => {
  const raised = evidence.alarms.map(
    ({ code, text, since, by }): FleetFinding => ({ severity: 'alarm', code, text, since, by }),
  );
  const seen = [...masterFindings(evidence), ...evidence.members.flatMap(memberFindings)];
  return [...raised, ...seen.filter(({ code }) => !raised.some((alarm) => alarm.code === code))];
};

const masterFindings = ({ group, members }: Evidence): readonly FleetFinding[] => {
  if (members.length === 0)
    return [warning('leftover', 'no host says that it takes part; clear its topics if it is gone for good')];
  const masters = members.filter(({ alive, role }) => alive && role === 'MASTER').map(({ node }) => node);
  if (masters.length === 0) return [{ severity: 'alarm', code: 'no-master', text: 'nobody is MASTER' }];
  const rivals = masters.filter((node) => isSure(group, node, masters));
  return rivals.length < 2
    ? []
    : [{ severity: 'alarm', code: 'two-masters', text: `${rivals.join(' and ')} say that they are MASTER` }];
};

/**
 * Whether a MASTER has said so again since the newest one took over. One that crashed has not, although the broker
 * takes some seconds to notice that it is gone.
 */
const isSure = ({ master, members }: BusGroupView, node: string, masters: readonly string[]): boolean => {
  const claim = master?.value;
  if (claim === undefined || claim.node === node || !masters.includes(claim.node)) return true;
  const said = members.get(node)?.state?.value;
  return said !== undefined && Date.parse(said.at) > Date.parse(claim.since);
};

const memberFindings = (member: FleetMember): readonly FleetFinding[] => {
  const { node, status, alive, role, reason, detail, problem, ageMs } = member;
  if (status === 'offline')
    return role === undefined || role === 'STOPPED'
      ? []
      : [warning('offline', `${node} is offline; the last that it said was ${role}`)];
  if (!alive) {
    const silence = ageMs === undefined ? 'nothing of late' : `nothing for ${Math.round(ageMs / 1000)} s`;
    const presence = status === 'online' ? 'is online' : 'has not said that it lives';
    return [warning('no-answer', `${node} ${presence}, and has said ${silence} about this group`)];
  }
  if (problem !== undefined) return [warning('problem', `${node}: ${problem}`)];
  return role === 'INIT' ? [warning('init', `${node} is INIT (${reason}): ${detail}`)] : [];
};

const warning = (code: string, text: string): FleetFinding => ({ severity: 'warning', code, text });
