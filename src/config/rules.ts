/** What a schema cannot say. All rules look at everything, so that all mistakes are told at once. */
import { type IpAddress, isLinkLocal, parseCidr } from '../protocol/address.ts';
import { addressRules } from './address-rules.ts';
import { hookAndTrackRules } from './command-rules.ts';
import { dialectRules } from './dialect-rules.ts';
import { error, type Finding, formatPath, type Path, show, warning } from './findings.ts';
import type { Loose } from './loose.ts';
import { metricsRules } from './metrics-rules.ts';
import { mqttRules } from './mqtt-rules.ts';
import { nameRules } from './name-rules.ts';
import { passwordRules, type Surroundings } from './secret-rules.ts';
import type { GroupConfig, HostConfig } from './types.ts';

/** Linux: dev_valid_name in net/core/dev.c, IFNAMSIZ. */
const INTERFACE_BYTES_MAX = 15;

const interfaceRules = (name: string | undefined, path: Path): readonly Finding[] => {
  if (name === undefined) return [];
  const bytes = Buffer.byteLength(name);
  const isValid = bytes >= 1 && bytes <= INTERFACE_BYTES_MAX && !/[/:\s\p{Cc}]/u.test(name) && !/^\.\.?$/.test(name);
  return isValid
    ? []
    : [
        error(
          path,
          `must be the name of an interface (1 to 15 bytes, no / : or space), as ip link shows it, but is ${show(name)}`,
        ),
      ];
};

/** A longer base makes 3 x base, what the others wait, longer than the 255 s of a bow-out (protocol.md 4.3). */
const ADVBASE_BOW_OUT_MAX = 85;

const timingRules = (group: Loose<GroupConfig>, at: Path): readonly Finding[] => {
  const { advbase, deadratio, preempt, preemptDelay } = group;
  const hints: readonly (Finding | false)[] = [
    deadratio === 1 &&
      warning([...at, 'deadratio'], 'with 1, a single lost advert makes two hosts MASTER; use 3, as all systems do'),
    advbase !== undefined &&
      advbase > ADVBASE_BOW_OUT_MAX &&
      warning(
        [...at, 'advbase'],
        'above 85, an orderly stop no longer makes a BSD or ucarp host take over at once; use 85 or less',
      ),
    advbase === 0 &&
      warning(
        [...at, 'advbase'],
        'with 0, a killed agent leaves its address behind for up to 2 s after the takeover, and any host whose ' +
          'master-down time is shorter than the interval of the MASTER takes over, whatever `preempt` says; use 1 or more',
      ),
    preemptDelay !== undefined &&
      preemptDelay > 0 &&
      preempt === false &&
      warning([...at, 'preemptDelay'], 'has no effect without preempt: true'),
  ];
  return hints.filter((hint) => hint !== false);
};

const groupRules = (group: Loose<GroupConfig>, at: Path, around: Surroundings): readonly Finding[] => [
  ...nameRules(group.name, [...at, 'name']),
  ...interfaceRules(group.interface, [...at, 'interface']),
  ...passwordRules(group, at, around),
  ...addressRules(group, at),
  ...timingRules(group, at),
  ...hookAndTrackRules(group, at, around),
  ...dialectRules(group, at),
];

interface Claimed {
  /** Two that are equal in this clash. */
  readonly key: string;
  readonly path: Path;
  readonly what: string;
}

const clashes = (claims: readonly Claimed[]): readonly Finding[] => {
  const first = new Map<string, Claimed>();
  return claims.flatMap((claim) => {
    const earlier = first.get(claim.key);
    if (earlier === undefined) first.set(claim.key, claim);
    return earlier === undefined
      ? []
      : [error(claim.path, `${claim.what} is already used by ${formatPath(earlier.path)}`)];
  });
};

const claimsOf = (group: Loose<GroupConfig>, i: number): readonly Claimed[] => {
  const at: Path = ['groups', i];
  const { name, interface: link, vhid, addresses = [] } = group;
  const names =
    name === undefined ? [] : [{ key: `name ${name}`, path: [...at, 'name'], what: `the name ${show(name)}` }];
  const vhids =
    vhid === undefined || link === undefined
      ? []
      : [{ key: `vhid ${vhid} ${link}`, path: [...at, 'vhid'], what: `vhid ${vhid} on ${show(link)}` }];
  const shared = addresses.flatMap((text, j) => {
    const cidr = text === undefined ? undefined : parseCidr(text);
    // Twice in one group is told by the rules of that group.
    const isFirst =
      addresses.findIndex((other) => other !== undefined && parseCidr(other)?.address.text === cidr?.address.text) ===
      j;
    if (cidr === undefined || !isFirst) return [];
    // One host, one holder: the kernel would answer for it on each of its interfaces. A link-local one is another there.
    const scope = isLinkLocal(cidr.address) ? (link ?? '') : '';
    return [{ key: `address ${cidr.address.text} ${scope}`, path: [...at, 'addresses', j], what: cidr.address.text }];
  });
  return [...names, ...vhids, ...shared];
};

const sharedAddresses = ({ groups = [] }: Loose<HostConfig>): readonly IpAddress[] =>
  groups
    .flatMap((group) => group?.addresses ?? [])
    .flatMap((text) => (text === undefined ? [] : (parseCidr(text)?.address ?? [])));

/** All that is wrong with a configuration beyond its form. */
export const rules = (config: Loose<HostConfig>, around: Surroundings): readonly Finding[] => {
  const groups = [...(config.groups ?? []).entries()].flatMap(([i, group]) =>
    group === undefined ? [] : [{ group, i }],
  );
  return [
    ...nameRules(config.node, ['node']),
    ...(config.mqtt === undefined ? [] : mqttRules(config.mqtt, around)),
    ...(config.metrics === undefined ? [] : metricsRules(config.metrics, sharedAddresses(config))),
    ...groups.flatMap(({ group, i }) => groupRules(group, ['groups', i], around)),
    ...clashes(groups.flatMap(({ group, i }) => claimsOf(group, i))),
  ];
};
