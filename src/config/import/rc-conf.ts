/**
 * FreeBSD: rc.conf(5) with carp(4) of FreeBSD 10 and later (`vhid` on an address of the interface), with the carpN
 * interfaces of FreeBSD 9 and earlier, and the lines of sysctl.conf(5) and loader.conf(5) that are about CARP.
 */
import type { Cidr } from '../../protocol/address.ts';
import { BsdGroup, type OwnAddress, type Place as Placed } from './bsd-group.ts';
import type { Draft, Remark, Setting } from './draft.ts';
import { setting } from './draft.ts';
import { addressWord, expandRange, prefixOfMask, wholePrefix } from './ifconfig.ts';
import { type Assignment, readScript } from './shell.ts';
import { placeIn, type Source, show, showWords, unrelatedRemark } from './source.ts';
import { bsdSysctls, type Sysctl, sysctlsIn } from './sysctl.ts';

const HEAD: readonly Remark[] = [
  'Made from the configuration of FreeBSD. Interfaces have other names on Linux: `ip link` shows them.\n' +
    'A host of this configuration joins a group of FreeBSD hosts only with the same vhid, password and all addresses.',
  'FreeBSD gives an address that shares a subnet with its host the prefix /32 (/128). That is kept: on Linux, too, the\n' +
    'address is added like that where the interface has an address of the subnet. Elsewhere, write the real prefix.',
  'Scripts that devd(8) ran at changes of the role: hooks.change gets the same arguments, such as 1@em0 and MASTER.',
];

/** `ifconfig_em0`, `ifconfig_em0_alias0`, `ifconfig_em0_aliases`, `ifconfig_em0_ipv6`, `ipv4_addrs_em0`. */
const VARIABLE = /^(?:ifconfig_(\w+?)(?:_(alias\d+|aliases|ipv6|name|descr))?|ipv[46]_addrs_(\w+))$/;

/** Words of ifconfig that are followed by a value. */
const WITH_VALUE = new Set(
  (
    'vhid advbase advskew pass state peer peer6 carpver vrrpprio vrrpinterval netmask broadcast prefixlen mtu metric ' +
    'media mediaopt mode description descr group vlan vlandev laggproto laggport addm fib ssid channel country pltime vltime name'
  ).split(' '),
);

interface Item {
  readonly line: number;
  readonly device: string;
  readonly words: readonly string[];
}

/** A list of `inet …` and `inet6 …` is as many items; what stands before the first is one more. */
const itemsOf = (words: readonly string[]): readonly (readonly string[])[] => {
  const items: string[][] = [];
  for (const word of words) {
    if (items.length === 0 || /^(inet6?|link|ether)$/.test(word)) items.push([]);
    items.at(-1)?.push(word);
  }
  return items;
};

interface Parsed {
  readonly options: ReadonlyMap<string, string>;
  readonly addresses: readonly Cidr[];
  readonly flags: readonly string[];
  readonly unknown: readonly string[];
}

const FLAGS = new Set(['inet', 'inet6', 'alias', 'add', 'up', 'mcast', 'mcast6', 'auto_linklocal', '-ifdisabled']);

const parseItem = (words: readonly string[], expand: typeof expandRange): Parsed => {
  const options = new Map<string, string>();
  const plain: { address: Cidr['address']; prefix?: number }[] = [];
  const ranges: Cidr[] = [];
  const flags: string[] = [];
  const unknown: string[] = [];
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    const address = addressWord(word);
    const range = expand(word);
    if (WITH_VALUE.has(word)) {
      i += 1;
      options.set(word, words[i] ?? '');
    } else if (address !== undefined) plain.push(address);
    else if (range !== undefined && range.length > 0) ranges.push(...range);
    else if (FLAGS.has(word)) flags.push(word);
    else unknown.push(word);
  }
  const length = options.get('prefixlen');
  const told = prefixOfMask(options.get('netmask') ?? '') ?? (length === undefined ? undefined : Number(length));
  const addresses = plain.map(({ address, prefix }) => ({
    address,
    // Without one, FreeBSD takes the mask of the address's old class, which nobody means any more; IPv6 has 64.
    prefix: prefix ?? told ?? (address.family === 6 ? 64 : wholePrefix(address)),
  }));
  return { options, addresses: [...addresses, ...ranges], flags, unknown };
};

/** Addresses that ranges may stand for in all files together. */
const EXPANDED_MAX = 16_384;

const UNDERSCORE = 'rc.conf has _ where the name of an interface has a dot or the like, as in em0.10.';

class Import {
  readonly #groups = new Map<string, BsdGroup>();
  readonly #own: OwnAddress[] = [];
  readonly #sysctls: Sysctl[] = [];
  readonly #tail: Remark[] = [];
  readonly #sources: readonly Source[];
  #room = EXPANDED_MAX;

  constructor(sources: readonly Source[]) {
    this.#sources = sources;
  }

  read(source: Source): void {
    const place = placeIn(source, this.#sources);
    const { assignments, commands, faults } = readScript(source.text);
    const others: number[] = [];
    const items: Item[] = [];
    for (const { line, message } of faults) this.#tail.push(`${place(line)}: ${message}`);
    for (const assignment of assignments) {
      const found = this.#itemsOf(assignment, place);
      if (found === undefined) others.push(assignment.line);
      else items.push(...found);
    }
    const { sysctls, others: rest } = sysctlsIn(commands);
    this.#sysctls.push(...sysctls.map((each) => ({ ...each, place: place(each.line) })));
    others.push(...rest);
    for (const item of items) if (!this.#readItem(item, place)) others.push(item.line);
    this.#tail.push(...unrelatedRemark(others, source, this.#sources));
  }

  /** After so many, a range is not understood any more. */
  readonly #expand: typeof expandRange = (text) => {
    const range = this.#room > 0 ? expandRange(text) : undefined;
    this.#room -= range?.length ?? 0;
    return range;
  };

  /** `undefined`: it is about something else. */
  #itemsOf({ line, name, value }: Assignment, place: Placed): readonly Item[] | undefined {
    const [, first, kind, second] = VARIABLE.exec(name) ?? [];
    const device = first ?? second;
    if (device === undefined) {
      if (name === 'carp_load' || name === 'if_carp_load')
        this.#tail.push(`${place(line)}: no kernel module is needed`);
      else if (name === 'cloned_interfaces' && /\bcarp\d/.test(value.text))
        this.#tail.push(
          `${place(line)}: no carp interfaces are needed: the addresses are on the interface of the group`,
        );
      else return undefined;
      return [];
    }
    if (kind === 'name' || kind === 'descr') return undefined;
    if (value.unknown.length > 0)
      this.#tail.push(`${place(line)}: the value of ${show(value.unknown.join(' '))} is not known here; fill it in`);
    const words = value.text.split(/\s+/).filter((word) => word !== '');
    return itemsOf(words).map((item) => ({ line, device, words: item }));
  }

  #readItem({ line, device, words }: Item, place: Placed): boolean {
    const { options, addresses, flags, unknown } = parseItem(words, this.#expand);
    const vhid = options.get('vhid');
    const isOld = /^carp\d+$/.test(device);
    if (vhid === undefined && !(isOld && this.#groups.has(device))) {
      this.#own.push(...addresses.map((cidr) => ({ device, cidr })));
      return false;
    }
    const key = isOld ? device : `${device} ${vhid}`;
    const group = this.#groups.get(key) ?? new BsdGroup(isOld ? device : `${device}-${vhid}`);
    this.#groups.set(key, group);
    const where = place(line);
    group.at(place, line);
    group.set('interface', device, where, ...(device.includes('_') ? [UNDERSCORE] : []));
    if (vhid !== undefined) group.number('vhid', vhid, where);
    for (const name of ['advbase', 'advskew'] as const) {
      const value = options.get(name);
      if (value !== undefined) group.number(name, value, where);
    }
    group.password(options.get('pass'), where);
    for (const cidr of addresses) group.address(cidr);
    for (const name of ['peer', 'peer6'] as const) {
      const peer = options.get(name);
      if (peer !== undefined) group.peer(peer, where);
    }
    if (flags.includes('mcast')) group.dropPeers(4);
    if (flags.includes('mcast6')) group.dropPeers(6);
    this.#vrrp(group, options, where);
    if (options.has('state'))
      group.remark(`${where}: state ${show(options.get('state') ?? '')}: a role is no setting; use carp hand-over`);
    if (unknown.length > 0) group.remark(`${where}: not understood: ${showWords(words)}`);
    return true;
  }

  #vrrp(group: BsdGroup, options: ReadonlyMap<string, string>, where: string): void {
    if (options.get('carpver') === '3')
      group.disable(`${where}: carpver 3 is VRRP, which is another protocol: no host of the group can stay with it`);
    const known = ['vrrpprio', 'vrrpinterval'].filter((name) => options.has(name));
    if (known.length > 0) group.remark(`${where}: ${known.join(' and ')}: of VRRP, CARP has advskew and advbase`);
  }

  draft(): Draft {
    const groups = [...this.#groups.values()];
    // FreeBSD 9 and earlier.
    for (const group of groups)
      if (/^carp\d+$/.test(group.interface))
        group.findParent(this.#own, { system: 'FreeBSD', told: show(group.interface) });
    const { host, group: common, remarks, tail } = bsdSysctls(this.#sysctls, 'freebsd');
    const shared: readonly Setting[] = [
      ...common,
      setting(
        'compatibility',
        'freebsd',
        'While there are FreeBSD hosts in the group; afterwards, remove it on all hosts.',
      ),
    ];
    return {
      head: [...HEAD, ...remarks],
      host,
      groups: groups.map((group) => group.draft(shared)),
      tail: [...this.#tail, ...tail],
    };
  }
}

/** Reads files in any order: rc.conf, rc.conf.local, sysctl.conf, loader.conf. */
export const importRcConf = (sources: readonly Source[]): Draft => {
  const all = new Import(sources);
  for (const source of sources) all.read(source);
  return all.draft();
};
