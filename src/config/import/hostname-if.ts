/** OpenBSD: hostname.if(5) of carp(4) interfaces (the name of the file tells which), and lines of sysctl.conf(5). */
import type { Cidr } from '../../protocol/address.ts';
import { BsdGroup, type OwnAddress } from './bsd-group.ts';
import type { Draft, GroupDraft, Remark, Setting } from './draft.ts';
import { setting } from './draft.ts';
import { addressWord, prefixOfMask, wholePrefix } from './ifconfig.ts';
import { readScript } from './shell.ts';
import { type Place, placeIn, type Source, show, showWords, unrelatedRemark } from './source.ts';
import { bsdSysctls, type Sysctl, sysctlsIn } from './sysctl.ts';

const HEAD: readonly Remark[] = [
  'Made from the configuration of OpenBSD. Interfaces have other names on Linux: `ip link` shows them.\n' +
    'A host of this configuration joins a group of OpenBSD hosts only with the same vhid, password and all addresses.',
  'OpenBSD gives the addresses a MAC address of the group: 00:00:5e:00:01 and the vhid. `addressing: virtual-mac` does so, too.',
];

/** Words that are followed by a value, and what becomes of them where it is no setting. */
const WITH_VALUE: Readonly<Record<string, string>> = {
  vhid: '',
  advbase: '',
  advskew: '',
  pass: '',
  carpdev: '',
  carppeer: '',
  carpnodes: '',
  lladdr: '',
  netmask: '',
  prefixlen: '',
  broadcast: '',
  balancing: 'sharing one address between several MASTERs has no equivalent',
  state: 'a role is no setting; use carp hand-over',
  group: 'groups of interfaces are demoted together there; `sync` does that here',
  description: 'no equivalent',
  descr: 'no equivalent',
  mtu: 'no equivalent',
  rdomain: 'no equivalent: name the interface that is in that domain',
  priority: 'no equivalent',
  rtlabel: 'no equivalent',
  metric: 'no equivalent',
  label: 'no equivalent',
};

const FLAGS = new Set(['up', 'alias', 'inet', 'inet6', 'NONE']);
const REMOVED = /^-(inet6?|carppeer|group|lladdr|alias|description|autoconf)$/;

interface Node {
  readonly vhid: string;
  readonly advskew: string;
}

const nodeOf = (text: string): Node => {
  const [vhid = '', advskew = '0'] = text.split(':');
  return { vhid, advskew };
};

/** One file: one carp interface, which may be several virtual hosts with the same addresses. */
class CarpInterface {
  readonly #group: BsdGroup;
  readonly #place: Place;
  readonly #name: string;
  #nodes: { readonly line: number; readonly list: readonly Node[] } | undefined;
  #empty = true;
  #hasParent = false;

  constructor(name: string, place: Place) {
    this.#name = name;
    this.#place = place;
    this.#group = new BsdGroup(name);
    this.#group.replaceInterface('eth0');
  }

  /** @returns whether the line is about CARP */
  line(line: number, words: readonly string[]): boolean {
    this.#empty = false;
    this.#group.at(this.#place, line);
    const [first = ''] = words;
    if (first.startsWith('!')) {
      this.#group.remark(
        `${this.#place(line)}: a command when the interface starts: ${show(words.join(' '))}\n  hooks.up runs at each promotion instead`,
      );
      return true;
    }
    if (first === 'dhcp' || first === 'rtsol' || words.includes('autoconf')) {
      this.#group.remark(`${this.#place(line)}: ${show(first)}: shared addresses have to be written out`);
      return true;
    }
    const { addresses, unknown } = readWords(words, {
      option: (word, value) => this.#option(word, value, line),
      removed: (word) => {
        if (word === '-carppeer') this.#group.dropPeers(4);
        else this.#group.remark(`${this.#place(line)}: ${word}: nothing to do`);
      },
    });
    for (const cidr of addresses) this.#group.address(cidr);
    if (unknown.length > 0) this.#group.remark(`${this.#place(line)}: not understood: ${showWords(words)}`);
    return true;
  }

  #option(word: string, value: string, line: number): void {
    const group = this.#group;
    const where = this.#place(line);
    switch (word) {
      case 'vhid':
      case 'advbase':
      case 'advskew':
        group.number(word, value, where);
        break;
      case 'pass':
        group.password(value, where);
        break;
      case 'carpdev':
        group.replaceInterface(value);
        this.#hasParent = true;
        break;
      case 'carppeer':
        group.peer(value, where);
        break;
      case 'lladdr':
        if (value === 'random') group.remark(`${where}: lladdr random: write out which it was`);
        else group.set('lladdr', value, where, 'OpenBSD signs it together with the addresses.');
        break;
      case 'carpnodes':
        this.#nodes = { line, list: value.split(',').map(nodeOf) };
        break;
      case 'netmask':
      case 'prefixlen':
      case 'broadcast':
        break;
      default:
        group.remark(`${where}: ${word} ${show(value)}: ${WITH_VALUE[word]}`);
    }
  }

  /** @param own - addresses of other interfaces */
  drafts(shared: readonly Setting[], own: readonly OwnAddress[]): readonly GroupDraft[] {
    if (this.#empty) return [];
    // carp(4) without carpdev.
    if (!this.#hasParent) this.#group.findParent(own, { system: 'OpenBSD', told: this.#name });
    const nodes = this.#nodes;
    if (nodes === undefined) return [this.#group.draft(shared)];
    const whole = this.#group.draft(shared);
    const several = nodes.list.length > 1;
    return nodes.list.slice(0, 32).map(({ vhid, advskew }, index): GroupDraft => {
      const numbers = Object.entries({ vhid, advskew }).map(([key, text]) =>
        setting(key, /^\d{1,3}$/.test(text) ? Number(text) : show(text)),
      );
      const [device, ...rest] = whole.settings.filter(({ key }) => key !== 'vhid' && key !== 'advskew');
      const { disabled: _disabled, ...others } = whole;
      return {
        ...others,
        name: several ? `${this.#name}-${show(vhid)}` : whole.name,
        settings: [...(device === undefined ? [] : [device]), ...numbers, ...rest],
        remarks: several
          ? [
              ...(index === 0 ? whole.remarks : []),
              `${this.#place(nodes.line)}: carpnodes, number ${index + 1} of ${nodes.list.length}`,
            ]
          : whole.remarks,
        ...(index === 0
          ? {}
          : {
              disabled:
                'carpnodes share one address between several MASTERs (balancing), which has no equivalent: one address\n' +
                'belongs to one group here. Give it addresses of its own, on all hosts, or leave it out.',
            }),
      };
    });
  }
}

interface Told {
  readonly addresses: readonly Cidr[];
  readonly unknown: readonly string[];
}

/** Takes one line apart. */
const readWords = (
  words: readonly string[],
  tell: { readonly option: (word: string, value: string) => void; readonly removed: (word: string) => void },
): Told => {
  const unknown: string[] = [];
  const found: NonNullable<ReturnType<typeof addressWord>>[] = [];
  const lengths = new Map<string, string>();
  let positional: string | undefined;
  let previous = '';
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    const address = addressWord(word);
    if (Object.hasOwn(WITH_VALUE, word)) {
      i += 1;
      const value = words[i] ?? '';
      if (word === 'netmask' || word === 'prefixlen') lengths.set(word, value);
      tell.option(word, value);
    } else if (REMOVED.test(word)) {
      tell.removed(word);
      if (word === '-group' || word === '-alias') i += 1;
    } else if (isMask(word, previous, found.length > 0)) positional ??= word;
    else if (address !== undefined) {
      // After address and mask comes the broadcast address.
      if (found.length === 0 || FLAGS.has(previous)) found.push(address);
    } else if (!FLAGS.has(word)) unknown.push(word);
    previous = word;
  }
  const told = lengths.get('prefixlen') ?? lengths.get('netmask') ?? positional ?? '';
  const addresses = found.map(({ address, prefix }): Cidr => {
    const length = address.family === 4 ? prefixOfMask(told) : /^\d{1,3}$/.test(told) ? Number(told) : undefined;
    return { address, prefix: prefix ?? length ?? (address.family === 6 ? 64 : wholePrefix(address)) };
  });
  return { addresses, unknown };
};

/** `255.255.255.0` or `0xffffff00` after an IPv4 address, `64` after an IPv6 address. */
const isMask = (word: string, previous: string, hasAddress: boolean): boolean =>
  hasAddress && addressWord(previous) !== undefined && (/^\d{1,3}$/.test(word) || prefixOfMask(word) !== undefined);

/** `hostname.carp0`, also with a folder before it and a suffix of a backup behind it. */
const nameOf = ({ name }: Source): string | undefined => /(?:^|[/.])(carp\d+)(?=[^/]*$)/.exec(name)?.[1];

/** `hostname.em0`: the interface below, which may have an address of the subnet. */
const deviceOf = ({ name }: Source): string | undefined => /(?:^|\/)hostname\.([a-z]+\d+)$/.exec(name)?.[1];

const NOTHING = { option: () => undefined, removed: () => undefined };

const LINE_WITH_CARP = /\b(vhid|carpdev|carpnodes|carppeer)\b/;

/** Files in any order; one that is not called hostname.carpN is taken as carp0, carp1 … if it is one by its content. */
export const importHostnameIf = (sources: readonly Source[]): Draft => {
  const tail: Remark[] = [];
  const sysctls: Sysctl[] = [];
  const interfaces: CarpInterface[] = [];
  const own: OwnAddress[] = [];
  const used = new Set<string>(sources.flatMap((source) => nameOf(source) ?? []));
  for (const source of sources) {
    const place = placeIn(source, sources);
    const lines = source.text.split(/\r?\n/).map((text, index) => ({ text: text.trim(), line: index + 1 }));
    const told = lines.filter(({ text }) => text !== '' && !text.startsWith('#') && !text.startsWith(';'));
    const settled = sysctlsIn(
      told.flatMap(({ text, line }) => readScript(text, { firstLine: line }).commands.slice(0, 1)),
    );
    sysctls.push(...settled.sysctls.map((each) => ({ ...each, place: place(each.line) })));
    const others = told.filter(({ line }) => !settled.sysctls.some((each) => each.line === line));
    const known = nameOf(source);
    if (known === undefined && !others.some(({ text }) => LINE_WITH_CARP.test(text))) {
      const device = deviceOf(source);
      if (device !== undefined)
        for (const { text } of others)
          own.push(...readWords(wordsOf(text), NOTHING).addresses.map((cidr) => ({ device, cidr })));
      tail.push(
        ...unrelatedRemark(
          others.map(({ line }) => line),
          source,
          sources,
        ),
      );
      continue;
    }
    let number = 0;
    while (known === undefined && used.has(`carp${number}`)) number += 1;
    const name = known ?? `carp${number}`;
    used.add(name);
    const each = new CarpInterface(name, place);
    for (const { text, line } of others) each.line(line, wordsOf(text));
    interfaces.push(each);
  }
  const { host, group, remarks, tail: rest } = bsdSysctls(sysctls, 'openbsd');
  const shared = [
    ...group,
    setting(
      'compatibility',
      'openbsd',
      'While there are OpenBSD hosts in the group; afterwards, remove it on all hosts.',
    ),
  ];
  return {
    head: [...HEAD, ...remarks],
    host,
    groups: interfaces.flatMap((each) => each.drafts(shared, own)),
    tail: [...tail, ...rest],
  };
};

/** netstart(8) reads words and quotes as the shell does; a line that begins with `!` is a command. */
const wordsOf = (text: string): readonly string[] => {
  if (text.startsWith('!')) return [text];
  // In a password, `$` is no variable and `;` is no end.
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|(#.*)|([^\s"']+)/g)].flatMap(([, double, single, comment, bare]) =>
    comment === undefined ? [double ?? single ?? bare ?? ''] : [],
  );
};
