/** Rules about what all hosts of a group, and all groups of a sync, have to have in common. */
import type { MemberSight, SyncedSight, SyncSight } from './alarm-sight.ts';
import {
  groupInterval,
  isReadyBy,
  listed,
  namesOf,
  type Rule,
  type Suspicion,
  sortedNames,
  wholeSeconds,
} from './alarm-suspicion.ts';

/** Two timers of one sync end up to one interval apart; and what they start is to be over. */
const SYNC_INTERVALS = 2;

/** On one host some groups of a sync are MASTER and others are not. A split sync heals by itself after two master-down times. */
export const mixedSync: Rule = (sight) => {
  const mixed = sight.members.flatMap(({ node, sync }) => {
    const sides = sync === undefined ? undefined : sidesOf(sync, sight.now);
    return sync === undefined || sides === undefined ? [] : [{ node, name: sync.name, ...sides }];
  });
  const [first] = mixed;
  if (first === undefined) return [];
  const downs = mixed.flatMap(({ masters, others }) => [...masters, ...others].map(({ downMs }) => downMs));
  const say = ({ node, masters, others }: (typeof mixed)[number]): string =>
    `${node} is MASTER of ${groupsOf(masters)} and not of ${groupsOf(others)}`;
  return [
    {
      code: 'mixed-sync',
      nodes: sortedNames(mixed),
      what: `the groups of sync ${first.name} are not together: ${mixed.map(say).join('; ')}`,
      remedy: 'give them the same advskew, advbase and demotion, and look at `carp status` for what demotes one alone',
      // Of groups with different timers one takes over so much later than the other.
      patienceMs: SYNC_INTERVALS * groupInterval(sight) + wholeSpread(downs),
    },
  ];
};

interface Sides {
  readonly masters: readonly SyncedSight[];
  readonly others: readonly SyncedSight[];
}

/** Of a sync that is seen in each of its groups: a sight stands for one moment. */
const judged = new WeakMap<SyncSight, Sides | 'together'>();

const sidesOf = (sync: SyncSight, now: number): Sides | undefined => {
  const known = judged.get(sync) ?? judge(sync, now);
  judged.set(sync, known);
  return known === 'together' ? undefined : known;
};

const judge = ({ groups }: SyncSight, now: number): Sides | 'together' => {
  const present = groups.filter((one) => one.role !== 'STOPPED' && now >= isReadyBy(one));
  const masters = present.filter(({ role }) => role === 'MASTER');
  const others = present.filter(({ role }) => role !== 'MASTER');
  return masters.length === 0 || others.length === 0 ? 'together' : { masters, others };
};

const groupsOf = (groups: readonly SyncedSight[]): string => listed(groups.map(({ group }) => group));

/** Differences of skew alone are within the intervals. */
const wholeSpread = (downs: readonly number[]): number => wholeSeconds(Math.max(...downs) - Math.min(...downs));

export const differentVhid: Rule = (sight) => {
  const vhids = byValue(sight.members, ({ vhid }) => vhid);
  if (vhids.size < 2) return [];
  const what = [...vhids].map(([vhid, members]) => `${vhid} on ${namesOf(members)}`).join(', ');
  return [
    {
      code: 'different-vhid',
      nodes: sortedNames(sight.members),
      what: `${sight.group} is another virtual host on each side: vhid ${what}`,
      remedy: 'give the group the same `vhid` everywhere, or another name on one side',
      patienceMs: groupInterval(sight),
    },
  ];
};

/** Compared among those of one virtual host: it is part of the fingerprint. */
export const differentAddresses: Rule = (sight) =>
  [...byValue(sight.members, ({ vhid }) => vhid).values()].flatMap((members): readonly Suspicion[] => {
    const known = members.filter(({ fingerprint }) => fingerprint !== undefined);
    const sets = byValue(known, ({ fingerprint }) => fingerprint);
    if (sets.size < 2) return [];
    const sides = [...sets.values()].map((side) => namesOf(side)).join(' against ');
    return [
      {
        code: 'different-addresses',
        nodes: sortedNames(known),
        what: `the addresses of ${sight.group} are not the same everywhere: ${sides}`,
        remedy:
          'give the group the same `addresses` on all hosts: adverts sign all of them, so these hosts cannot agree',
        patienceMs: groupInterval(sight),
      },
    ];
  });

export const duplicateNode: Rule = ({ duplicates }) =>
  duplicates.length === 0
    ? []
    : [
        {
          code: 'duplicate-node',
          nodes: [...duplicates].sort(),
          what: `two hosts call themselves ${[...duplicates].sort().join(', ')}`,
          remedy: 'give each host a `node` of its own in its configuration',
          patienceMs: 0,
        },
      ];

const byValue = <T>(
  members: readonly MemberSight[],
  of: (member: MemberSight) => T,
): ReadonlyMap<T, readonly MemberSight[]> => {
  const sides = new Map<T, MemberSight[]>();
  for (const member of members) {
    const side = sides.get(of(member));
    if (side === undefined) sides.set(of(member), [member]);
    else side.push(member);
  }
  return sides;
};
