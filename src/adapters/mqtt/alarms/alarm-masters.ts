/** Rules about who is MASTER, and who hears whom. */
import type { GroupSight, MemberSight } from './alarm-sight.ts';
import { groupInterval, isReadyBy, namesOf, type Rule, sortedNames, speakTheSame } from './alarm-suspicion.ts';

/** Of a group that is wrong in many ways, the first are enough to begin with. */
const SAID_MAX = 8;

/**
 * Two hosts of the bus are MASTER; or one is, and hears another speaker that does not give way; or one is, and a BACKUP
 * follows somebody else. The others may be BSD kernels or ucarp: nobody on the bus speaks for them.
 */
export const twoMasters: Rule = (sight) => {
  const { group, members } = sight;
  const masters = mastersOf(sight);
  const insistent = masters.filter((one) => insists(one, sight));
  const rivals = insistent.length > 1 ? insistent : [];
  // Of a host of the bus its own word is newer than what was heard of it last.
  const known = new Set(members.filter((one) => one.role !== 'MASTER' || rivals.includes(one)).flatMap(addressOf));
  const heard = masters.flatMap((member) =>
    rivalsOf(member)
      .filter((address) => !known.has(address))
      .map((address) => `${member.node} is MASTER and ${address} goes on advertising beside it`),
  );
  const [only, ...others] = masters;
  const isOnly = only !== undefined && others.length === 0 && insists(only, sight);
  const strayed = isOnly ? members.filter((member) => followsAnother(member, only)) : [];
  const says = [
    ...(rivals.length > 0 ? [`${namesOf(rivals)} are MASTER of ${group} at once`] : []),
    ...heard,
    ...strayed.map(({ node, master }) => `${node} follows ${master?.address}, but ${only?.node} is MASTER`),
  ].slice(0, SAID_MAX);
  if (says.length === 0) return [];
  return [
    {
      code: 'two-masters',
      nodes: sortedNames([...(rivals.length > 0 ? rivals : masters), ...strayed]),
      what: says.join('; '),
      remedy:
        'find out why they do not hear each other: `carp watch` on each shows what arrives, `carp status` what is refused',
      // A rival has been heard for one and a half intervals already.
      patienceMs: heard.length > 0 ? 0 : groupInterval(sight),
    },
  ];
};

/**
 * Nobody is MASTER, and nobody hears one, although the slowest BACKUP should have taken over by now: it has listened in
 * vain for its master-down time since it last heard one, or since it became BACKUP. Hosts in INIT cannot take over, and
 * hear nobody; while they have just started they get time. STOPPED ones take no part.
 */
export const noMaster: Rule = (sight) => {
  const { members, now, group } = sight;
  const candidates = members.filter(({ role }) => role === 'BACKUP' || role === 'INIT');
  if (candidates.length === 0 || members.some(({ role }) => role === 'MASTER')) return [];
  const backups = candidates.filter(({ role }) => role === 'BACKUP');
  if (backups.some(hearsAMaster) || (backups.length === 0 && mayHaveAnother(candidates))) return [];
  const due = Math.max(...(backups.length > 0 ? backups.map(takesOverBy) : candidates.map(isReadyBy)));
  if (now < due) return [];
  const remedy =
    backups.length > 0
      ? '`carp status` on each says what keeps it from taking over (mode, demotion, a problem with its addresses)'
      : '`carp status` on each says what it lacks: link, source address, privileges';
  const what = `nobody is MASTER of ${group}: ${candidates.map(({ node, role }) => `${node} is ${role}`).join(', ')}`;
  return [{ code: 'no-master', nodes: sortedNames(candidates), what, remedy, patienceMs: groupInterval(sight) }];
};

/** Whether hosts without a link have heard somebody who is not among them: that one may be MASTER, and cannot be heard now. */
const mayHaveAnother = (members: readonly MemberSight[]): boolean => {
  const known = new Set(members.flatMap(addressOf));
  return members.some(({ peers }) => peers.some(({ address }) => !known.has(address)));
};

/** A host that tells of no peers at all has a version that does not. */
const hearsAMaster = ({ peers, master }: MemberSight): boolean =>
  peers.length === 0 ? master?.self === false : peers.some(({ advertises }) => advertises);

const takesOverBy = ({ roleSince, downMs, peers }: MemberSight): number =>
  Math.max(roleSince, ...peers.map(({ heardAt }) => heardAt)) + downMs;

/**
 * Of two MASTERs one hears the other and is not heard, or neither hears the other; or a BACKUP does not hear the only
 * MASTER, and yet does not take over (it only observes, or cannot). That a silent BACKUP is not heard says nothing.
 * Hosts whose virtual host or addresses differ cannot understand each other, and have another alarm.
 */
export const oneWay: Rule = (sight) => {
  const says = [...deafMasters(sight), ...deafBackups(sight)].slice(0, SAID_MAX);
  if (says.length === 0) return [];
  return [
    {
      code: 'one-way',
      nodes: sortedNames(says.flatMap(({ members }) => members)),
      what: says.map(({ what }) => what).join('; '),
      remedy:
        'look at what drops adverts on the way: firewall (IP protocol 112, TTL 255), multicast filters of switch or Wi-Fi, `peers`, another passphrase',
      patienceMs: groupInterval(sight),
    },
  ];
};

interface Deafness {
  readonly members: readonly MemberSight[];
  readonly what: string;
}

const deafMasters = (sight: GroupSight): readonly Deafness[] => {
  const masters = mastersOf(sight).filter((one) => insists(one, sight));
  return masters.flatMap((a, i) =>
    masters.slice(i + 1).flatMap((b): readonly Deafness[] => {
      if (!speakTheSame(a, b)) return [];
      const [ofB, ofA] = [hears(a, b), hears(b, a)];
      if (ofB === undefined || ofA === undefined || (ofA && ofB)) return [];
      const what =
        ofA === ofB
          ? `neither ${a.node} nor ${b.node} hears the other`
          : `${ofB ? a.node : b.node} hears ${ofB ? b.node : a.node}, but ${ofB ? b.node : a.node} does not hear ${ofB ? a.node : b.node}`;
      return [{ members: [a, b], what }];
    }),
  );
};

const deafBackups = (sight: GroupSight): readonly Deafness[] => {
  const [master, ...others] = mastersOf(sight);
  if (master === undefined || others.length > 0 || !insists(master, sight)) return [];
  return sight.members.flatMap((member): readonly Deafness[] => {
    const due = deafSince(member, master);
    if (due === undefined || sight.now < due) return [];
    return [{ members: [member, master], what: `${member.node} does not hear ${master.node}, which is MASTER` }];
  });
};

/** Whether one MASTER hears another; undefined if that is not known. */
const hears = ({ peers }: MemberSight, { master }: MemberSight): boolean | undefined =>
  master === undefined ? undefined : peers.some(({ address, advertises }) => address === master.address && advertises);

const mastersOf = ({ members }: GroupSight): readonly MemberSight[] => members.filter(({ role }) => role === 'MASTER');

/**
 * When somebody last said on the bus what cannot be if this member is the only MASTER. What it says of itself counts from
 * then on only if it says it again: it may be dead. Undefined: nothing speaks against it.
 */
export const contradictedAt = (member: MemberSight, sight: GroupSight): number | undefined => {
  if (member.role !== 'MASTER') return undefined;
  const times = sight.members.flatMap((other): readonly number[] => {
    if (other === member) return [];
    if (other.role === 'MASTER') return [other.roleSince];
    if (followsAnother(other, member)) return [other.master?.since ?? sight.now];
    const due = deafSince(other, member);
    return due !== undefined && due <= sight.now ? [due] : [];
  });
  return times.length === 0 ? undefined : Math.max(...times);
};

/** Whether it has insisted on being MASTER, in spite of what others have said. */
const insists = (member: MemberSight, sight: GroupSight): boolean =>
  member.saidAt !== undefined && member.saidAt >= (contradictedAt(member, sight) ?? Number.NEGATIVE_INFINITY);

/** Who does not give way to a MASTER: once, if it speaks in both families. Hosts tell their address in one, IPv4 first. */
const rivalsOf = ({ address: own, peers }: MemberSight): readonly string[] => {
  const rivals = peers.filter(({ isRival }) => isRival).map(({ address }) => address);
  const ofFamily = rivals.filter((address) => own !== undefined && familyOf(address) === familyOf(own));
  return ofFamily.length > 0 ? ofFamily : rivals;
};

const addressOf = ({ address }: MemberSight): readonly string[] => (address === undefined ? [] : [address]);

/** Whether a BACKUP follows another MASTER than this one; judged within one family only. */
const followsAnother = ({ role, master: followed, peers }: MemberSight, { master }: MemberSight): boolean =>
  role === 'BACKUP' &&
  followed !== undefined &&
  master !== undefined &&
  !followed.self &&
  followed.address !== master.address &&
  familyOf(followed.address) === familyOf(master.address) &&
  peers.some(({ address, advertises }) => advertises && address === followed.address);

/** From when on a BACKUP that hears nobody should have heard this MASTER, or taken over. */
const deafSince = (member: MemberSight, master: MemberSight): number | undefined =>
  member.role !== 'BACKUP' || hearsAMaster(member) || !speakTheSame(member, master)
    ? undefined
    : Math.max(takesOverBy(member), master.roleSince + member.downMs);

const familyOf = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4);
