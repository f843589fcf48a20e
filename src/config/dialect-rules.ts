/** How a group sends: settings that do not go together, or do not do what they seem to. */
import { isMulticast, parseAddress, parseCidr } from '../protocol/address.ts';
import { DEMOTED_SKEW } from '../protocol/constants.ts';
import { isGroupMac, parseMac, sameMac, virtualMac } from '../protocol/mac.ts';
import { error, type Finding, type Path, show, warning } from './findings.ts';
import type { Loose } from './loose.ts';
import type { GroupConfig } from './types.ts';

type Group = Loose<GroupConfig>;

const sharedFamilies = ({ addresses }: Group): readonly (4 | 6)[] =>
  (addresses ?? []).flatMap((text) => parseCidr(text ?? '')?.address.family ?? []);

const peerFamilies = ({ peers }: Group): readonly (4 | 6)[] =>
  (peers ?? []).flatMap((text) => parseAddress(text ?? '')?.family ?? []);

/** Adverts go out in the families of the shared addresses: peers of the other one get none. */
const peerRules = (group: Group, at: Path): readonly Finding[] => {
  const shared = sharedFamilies(group);
  const peers = peerFamilies(group);
  if (shared.length === 0 || peers.length === 0 || peers.some((family) => shared.includes(family))) return [];
  return [
    warning(
      [...at, 'peers'],
      `has no effect: the shared addresses are IPv${shared[0]}, and so are adverts, which go to the multicast group; give addresses of IPv${shared[0]}`,
    ),
  ];
};

const lladdrRules = ({ lladdr, vhid, addressing }: Group, at: Path): readonly Finding[] => {
  if (lladdr === undefined) return [];
  const path = [...at, 'lladdr'];
  const mac = parseMac(lladdr);
  if (mac === undefined)
    return [error(path, `must be a MAC address, such as 02:00:5e:10:20:30, but is ${show(lladdr)}`)];
  if (vhid !== undefined && sameMac(mac, virtualMac(vhid)))
    return [warning(path, `${lladdr} is the virtual MAC of vhid ${vhid}, which OpenBSD does not sign; remove it`)];
  return addressing === 'virtual-mac' && isGroupMac(mac)
    ? [error(path, `${lladdr} is a group address, which no interface can have; use one whose first byte is even`)]
    : [];
};

const broadcastRules = (group: Group, at: Path): readonly Finding[] => {
  if (group.broadcast !== true) return [];
  const path = [...at, 'broadcast'];
  if (peerFamilies(group).includes(4))
    return [error(path, 'does not go with IPv4 peers, to which adverts are sent one by one; keep one of the two')];
  if (group.transport === 'raw-socket')
    return [error(path, 'needs frames of our own, which transport raw-socket cannot send; use transport: koffi')];
  return withoutIpv4(group, path);
};

const withoutIpv4 = (group: Group, path: Path): readonly Finding[] => {
  const families = sharedFamilies(group);
  return families.length > 0 && !families.includes(4)
    ? [warning(path, 'has no effect without a shared IPv4 address')]
    : [];
};

/** `auto` may come to the same, where koffi does not load: then the transport says so. */
const rawSocketRules = ({ addressing, checkTtl = 'always', ...group }: Group, at: Path): readonly Finding[] => {
  if (group.transport !== 'raw-socket') return [];
  const path = [...at, 'transport'];
  const findings: readonly (Finding | false)[] = [
    checkTtl === 'always' &&
      sharedFamilies(group).includes(6) &&
      error(
        path,
        'raw-socket cannot see hop limits of IPv6; use koffi, or checkTtl: ipv4 where routers drop protocol 112',
      ),
    addressing === 'virtual-mac' &&
      error(path, 'raw-socket cannot send the frames of a virtual MAC; use koffi, or addressing: interface'),
  ];
  return findings.filter((finding) => finding !== false);
};

const multicastRules = (group: Group, at: Path): readonly Finding[] => {
  const { multicast } = group;
  if (multicast === undefined) return [];
  const path = [...at, 'multicast'];
  const address = parseAddress(multicast);
  if (address === undefined || address.family !== 4 || !isMulticast(address))
    return [error(path, `must be an IPv4 multicast address, such as 224.0.0.18, but is ${show(multicast)}`)];
  return peerFamilies(group).includes(4)
    ? [error(path, 'does not go with IPv4 peers, to which adverts are sent one by one; keep one of the two')]
    : withoutIpv4(group, path);
};

const ttlRules = (group: Group, at: Path): readonly Finding[] => {
  const { checkTtl = 'always', transport } = group;
  const families = peerFamilies(group);
  const open = checkTtl === 'never' ? families.length > 0 : families.includes(6);
  if (checkTtl === 'always' || open || transport === 'raw-socket') return [];
  return [
    warning(
      [...at, 'checkTtl'],
      'lets adverts in that came through a router, and without peers behind one there are none that should; use always',
    ),
  ];
};

/** What the system of a profile cannot do, so that its hosts would not understand this group. */
const profileRules = (group: Group, at: Path): readonly Finding[] => {
  const { compatibility, advskew = 0, advbase = 1 } = group;
  const path = [...at, 'compatibility'];
  const shared = sharedFamilies(group);
  const hints: readonly (Finding | false)[] = [
    compatibility === 'ucarp' &&
      (shared.length > 1 || shared.includes(6)) &&
      warning(path, 'a ucarp host signs exactly one IPv4 address, and refuses a group of any others as a bad digest'),
    (compatibility === 'openbsd' || compatibility === 'netbsd') &&
      peerFamilies(group).includes(6) &&
      warning([...at, 'peers'], `${compatibility} has no IPv6 peers; hosts of that system will not hear these adverts`),
    compatibility === 'netbsd' &&
      peerFamilies(group).includes(4) &&
      warning([...at, 'peers'], 'netbsd has no unicast peers; it hears these adverts, and answers to the group'),
    compatibility === 'freebsd' &&
      advskew > DEMOTED_SKEW &&
      warning([...at, 'advskew'], `freebsd sends at most ${DEMOTED_SKEW}; use that or less`),
    advbase === 0 &&
      compatibility !== undefined &&
      compatibility !== 'auto' &&
      compatibility !== 'openbsd' &&
      warning([...at, 'advbase'], `${compatibility} has no sub-second mode; use 1 or more`),
  ];
  return hints.filter((hint) => hint !== false);
};

/** Rules for compatibility, peers and what goes with them. */
export const dialectRules = (group: Group, at: Path): readonly Finding[] => [
  ...peerRules(group, at),
  ...lladdrRules(group, at),
  ...broadcastRules(group, at),
  ...multicastRules(group, at),
  ...rawSocketRules(group, at),
  ...ttlRules(group, at),
  ...profileRules(group, at),
];
