/**
 * /etc/network/interfaces of Debian, with the options of the package ucarp (README.Debian there): its script in
 * if-up.d starts one ucarp for each `iface` that has ucarp-vid, ucarp-vip and ucarp-password.
 */
import { parseAddress, parseCidr } from '../../protocol/address.ts';
import { prefixOfMask } from './ifconfig.ts';
import { readScript, type Word } from './shell.ts';
import { type Place, show } from './source.ts';
import { type FoundStarts, nestedRemarks, startsIn, type UcarpStart } from './ucarp-starts.ts';

interface Option {
  readonly line: number;
  readonly name: string;
  readonly value: string;
}

interface Stanza {
  readonly line: number;
  readonly name: string;
  readonly family: string;
  readonly options: readonly Option[];
}

const word = (text: string): Word => ({ text, unknown: [] });

/** What the script of the package gives to ucarp, in its order. */
const OPTIONS = {
  vid: '-v',
  password: '-p',
  vip: '-a',
  upscript: '-u',
  downscript: '-d',
  advskew: '-k',
  advbase: '-b',
  deadratio: '-r',
  xparam: '-x',
} as const;
const FLAGS = { master: '-P', nomcast: '-M' } as const;

/** As the script of the package asks: `expr VALUE : "no\|off\|false\|0"`, which looks at the beginning only. */
const isNo = (value: string): boolean => value === '' || /^(no|off|false|0)/.test(value);

interface Read {
  readonly stanzas: readonly Stanza[];
  readonly others: number[];
  readonly remarks: string[];
}

const readStanzas = (text: string, place: Place): Read => {
  const stanzas: (Stanza & { options: Option[] })[] = [];
  const others: number[] = [];
  const remarks: string[] = [];
  let inside: (Stanza & { options: Option[] }) | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const [name = '', ...words] = raw.trim().split(/\s+/);
    if (name === '' || name.startsWith('#')) continue;
    if (name === 'iface') {
      const [device = '', family = ''] = words;
      inside = { line, name: device, family, options: [] };
      stanzas.push(inside);
    } else if (/^(source|source-directory)$/.test(name)) {
      inside = undefined;
      remarks.push(`${place(line)}: ${show(words.join(' '))} is not read; name that file, too`);
    } else if (/^(auto|allow-\S+|mapping|no-auto-down|no-scripts|rename|template)$/.test(name)) {
      inside = undefined;
      others.push(line);
    } else if (inside === undefined) others.push(line);
    else inside.options.push({ line, name: name.replaceAll('_', '-'), value: raw.trim().slice(name.length).trim() });
  }
  return { stanzas, others, remarks };
};

const optionOf = ({ options }: Stanza, name: string): string | undefined =>
  options.findLast((option) => option.name === name)?.value;

/** `address 192.0.2.11/24`, or with a `netmask`. */
const addressOf = (stanza: Stanza): { readonly text: string; readonly prefix: number | undefined } | undefined => {
  const text = optionOf(stanza, 'address') ?? '';
  const cidr = parseCidr(text);
  const address = cidr?.address ?? parseAddress(text);
  return address && { text: address.text, prefix: cidr?.prefix ?? prefixOfMask(optionOf(stanza, 'netmask') ?? '') };
};

const optionsOf = (stanza: Stanza, device: string): readonly Word[] => {
  const own = addressOf(stanza);
  const words = [word('-i'), word(device), ...(own === undefined ? [] : [word('-s'), word(own.text)])];
  for (const [name, option] of Object.entries(OPTIONS)) {
    const value = optionOf(stanza, `ucarp-${name}`);
    if (value !== undefined) words.push(word(option), word(value));
  }
  for (const [name, option] of Object.entries(FLAGS))
    if (!isNo(optionOf(stanza, `ucarp-${name}`) ?? '')) words.push(word(option));
  for (const [name, option] of [
    ['upscript', '-u'],
    ['downscript', '-d'],
  ] as const)
    if (optionOf(stanza, `ucarp-${name}`) === undefined)
      words.push(word(option), word(`/usr/share/ucarp/vip-${option === '-u' ? 'up' : 'down'}`));
  return words;
};

const COMMANDS = /^(pre-up|up|post-up|down|pre-down|post-down)$/;
const KNOWN = new Set([...Object.keys(OPTIONS), ...Object.keys(FLAGS)].map((name) => `ucarp-${name}`));

export const readInterfaces = (text: string, place: Place): FoundStarts => {
  const { stanzas, others, remarks } = readStanzas(text, place);
  const prefixes = new Map<string, number>();
  for (const stanza of stanzas) {
    const found = addressOf(stanza);
    if (found?.prefix !== undefined) prefixes.set(found.text, found.prefix);
  }
  const prefixOf = (address: string): number | undefined => prefixes.get(address);
  const starts: UcarpStart[] = [];
  for (const stanza of stanzas) {
    const { line, name, options } = stanza;
    // The name of the address that the package's scripts add, as in `iface eth0:ucarp`, is no other interface.
    const device = name.split(':')[0] ?? name;
    const mine = options.filter((option) => option.name.startsWith('ucarp-'));
    if (mine.length > 0) {
      const missing = ['vid', 'vip', 'password'].filter((each) => (optionOf(stanza, `ucarp-${each}`) ?? '') === '');
      const unknown = mine.filter((option) => !KNOWN.has(option.name));
      starts.push({
        line,
        words: optionsOf(stanza, device),
        prefixOf,
        remarks: [
          ...(missing.length === 0
            ? []
            : [`without ${missing.map((each) => `ucarp-${each}`).join(' and ')}, Debian's script does not start it`]),
          ...unknown.map((option) => `${place(option.line)}: ${show(option.name)} is no option of the package ucarp`),
        ],
      });
    }
    const before = starts.length;
    for (const option of options) {
      if (option.name.startsWith('ucarp-')) continue;
      const commands = COMMANDS.test(option.name)
        ? readScript(option.value, { values: { IFACE: device }, firstLine: option.line }).commands
        : [];
      const { starts: found, nested } = startsIn(commands);
      starts.push(...found.map((start) => ({ ...start, prefixOf })));
      remarks.push(...nestedRemarks(nested, place));
      if (found.length + nested.length === 0) others.push(option.line);
    }
    if (mine.length === 0 && starts.length === before) others.push(line);
  }
  return { starts, others, remarks };
};
