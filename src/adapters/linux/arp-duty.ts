/**
 * Who speaks ARP for which address. Without this both interfaces, parent and macvlan, answer for all addresses of the
 * host, and clients take the answer that comes first. The settings are those of keepalived, and two more were needed:
 * `arp_announce` and `rp_filter`.
 */
import { CarpError } from '../../ports/error.ts';
import type { Family } from '../../protocol/address.ts';
import { readSetting, type Setting, settingCommand, writeSetting } from './interface-settings.ts';

const ipv4 = (name: string, key: string): Setting => ({ family: 'ipv4', interface: name, key });
const ipv6 = (name: string, key: string): Setting => ({ family: 'ipv6', interface: name, key });

/**
 * What the parent does: it answers for its own addresses only, and only where they are routed; and it asks in the name
 * of its own addresses. What leaves with a shared address as its source leaves through the parent, and if the kernel has
 * to ask for the neighbour's MAC, by default it asks in the name of that source: the neighbour then believes that the
 * shared address has the parent's MAC (measured). IPv6 asks in the name of the interface's own addresses anyway.
 */
const PARENT = { arp_ignore: 1, arp_filter: 1, arp_announce: 2 } as const;
type ParentKey = keyof typeof PARENT;
const PARENT_KEYS: readonly ParentKey[] = ['arp_ignore', 'arp_filter', 'arp_announce'];

/** What the parent had before. */
export type ParentSettings = Readonly<Record<ParentKey, number>>;

const MACVLAN_IPV4: readonly (readonly [key: string, value: number])[] = [
  ['arp_ignore', 1],
  // Answers to neighbours are routed through the parent: with 1 the macvlan would not answer ARP at all.
  ['arp_filter', 0],
  // Loose. The kernel takes the maximum of this and of `all`, and strict (1) would drop what comes for the shared
  // address, because the way back leads through the parent. keepalived writes 0, which `all` = 1 overrides.
  ['rp_filter', 2],
  ['accept_local', 1],
];

const MACVLAN_IPV6: readonly (readonly [key: string, value: number])[] = [
  ['disable_ipv6', 0],
  // A router's advertisement would give it addresses and routes of its own.
  ['accept_ra', 0],
  ['autoconf', 0],
];

const mustBe = (setting: Setting, value: number): void => {
  const failure = writeSetting(setting, value);
  if (failure === undefined) return;
  const { family, interface: name, key } = setting;
  throw new CarpError(
    'CARP_NO_PERMISSION',
    `addressing virtual-mac needs net.${family}.conf.${name}.${key}=${value}, which could not be written: ${failure}`,
    { remedy: `${settingCommand(setting, value)}, or use addressing: interface` },
  );
};

/** Values for all interfaces that no setting of one interface can make good. @throws CarpError CARP_NO_INTERFACE */
export const refuseHostSettings = (): void => {
  const wrong = [
    { key: 'arp_filter', isWrong: (value: number) => value !== 0, right: 0 },
    { key: 'arp_ignore', isWrong: (value: number) => value > 1, right: 1 },
  ].find(({ key, isWrong }) => isWrong(readSetting(ipv4('all', key)) ?? 0));
  if (wrong === undefined) return;
  const setting = ipv4('all', wrong.key);
  throw new CarpError(
    'CARP_NO_INTERFACE',
    `net.ipv4.conf.all.${wrong.key} is ${readSetting(setting)}: nobody would answer ARP for a shared address on an interface of its own`,
    { remedy: `${settingCommand(setting, wrong.right)}, or use addressing: interface` },
  );
};

const eachKey = (readKey: (key: ParentKey) => number): ParentSettings => ({
  arp_ignore: readKey('arp_ignore'),
  arp_filter: readKey('arp_filter'),
  arp_announce: readKey('arp_announce'),
});

export const parentSettings = (parent: string): ParentSettings => eachKey((key) => readSetting(ipv4(parent, key)) ?? 0);

/** @throws CarpError CARP_NO_PERMISSION with the command that helps */
export const restrainParent = (parent: string): void => {
  for (const key of PARENT_KEYS) mustBe(ipv4(parent, key), PARENT[key]);
};

/** Gives the parent back what it had, except for what somebody else has changed since. Never throws. */
export const restoreParent = (parent: string, former: ParentSettings): void => {
  for (const key of PARENT_KEYS)
    if (readSetting(ipv4(parent, key)) === PARENT[key]) writeSetting(ipv4(parent, key), former[key]);
};

/** @throws CarpError CARP_NO_PERMISSION with the command that helps */
export const prepareMacvlan = (name: string, family: Family): void => {
  if (family === 4) for (const [key, value] of MACVLAN_IPV4) mustBe(ipv4(name, key), value);
  else for (const [key, value] of MACVLAN_IPV6) mustBe(ipv6(name, key), value);
};

/** The alias of a macvlan remembers what its parent had, so that a successor of a killed agent can give it back. */
export const aliasOf = (vhid: number, parent: string, former: ParentSettings): string =>
  `CARP vhid ${vhid} on ${parent}; before: ${PARENT_KEYS.map((key) => `${key}=${former[key]}`).join(' ')}`;

/** `undefined` if it is not an alias of `aliasOf`. */
export const formerIn = (alias = ''): ParentSettings | undefined => {
  const [, list] = /^CARP vhid \d+ on \S+; before:((?: \w+=\d+)+)$/.exec(alias) ?? [];
  if (list === undefined) return undefined;
  const values = new Map(
    list
      .trim()
      .split(' ')
      .map((each) => each.split('=') as [string, string]),
  );
  return PARENT_KEYS.every((key) => values.has(key)) ? eachKey((key) => Number(values.get(key))) : undefined;
};
