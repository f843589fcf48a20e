/** One start of ucarp(8) as a group. The 8-bit casts and the limits are those of its source. */
import { parseAddress } from '../../protocol/address.ts';
import { PASSWORD_LENGTH_MAX } from '../../protocol/constants.ts';
import { type GroupDraft, type Remark, type Secret, type Setting, setting, settings } from './draft.ts';
import type { Word } from './shell.ts';
import { type Place, show } from './source.ts';
import { strtoul } from './strtoul.ts';
import { readUcarpOptions, type UcarpOption } from './ucarp-options.ts';
import type { UcarpStart } from './ucarp-starts.ts';

/** Scripts of Debian's package, which do nothing but add and remove the address. */
const GLUE = /^\/usr\/share\/ucarp\/vip-(up|down)$/;

/** What ucarp needs, and `carp` does in another way or by itself. */
const NEEDLESS: readonly (readonly [UcarpOption, string])[] = [
  ['B', '-B: `carp run` stays in the foreground; a service manager starts it'],
  ['z', '-z: the addresses are always given back at the end'],
  ['n', '-n: no script is run at the start, only at changes'],
  ['D', '-D: `carp run --verbose` tells every decision'],
  ['f', '-f: messages go to standard error, which a service manager logs'],
  ['h', '-h: with it, ucarp shows its usage and ends'],
];

/** So many values of one variable are shown. */
const CHOICES_MAX = 8;

const CARRIAGE_RETURN =
  'A carriage return at the end of its first line is a part of the password for ucarp, and is left out here: if an editor\n' +
  "of another system wrote the file, look (file FILE says CRLF then), and remove it on all hosts (sed -i 's/\\r$//' FILE).";

class Options {
  readonly remarks: Remark[] = [];
  readonly #values: ReadonlyMap<UcarpOption, Word>;
  readonly #ambiguous: NonNullable<UcarpStart['ambiguous']>;

  constructor(values: ReadonlyMap<UcarpOption, Word>, ambiguous: UcarpStart['ambiguous'] = new Map()) {
    this.#values = values;
    this.#ambiguous = ambiguous;
  }

  /** Where the file does not say which of several values this option has: a script may choose one when it runs. */
  choices(option: UcarpOption): readonly Remark[] {
    const names = new Set(this.#values.get(option)?.from?.filter((name) => this.#ambiguous.has(name)));
    return [...names].map((name) => {
      const values = this.#ambiguous.get(name) ?? [];
      const shown = values.slice(0, CHOICES_MAX).map((value) => show(value) || 'nothing');
      const list = [...shown, ...(values.length > CHOICES_MAX ? ['…'] : [])].join(', ');
      return (
        `-${option}: the variable ${show(name)} has several values in this script${option === 'p' ? '' : ` (${list})`}: ` +
        'this is the last one above the command. See which of them holds on this host'
      );
    });
  }

  has(option: UcarpOption): boolean {
    return this.#values.has(option);
  }

  /** The value, if the file tells it. */
  text(option: UcarpOption): string | undefined {
    const word = this.#values.get(option);
    if (word === undefined) return undefined;
    if (word.unknown.length === 0) return word.text;
    // The name of a variable is no secret, but what a command says may be.
    const what = option === 'p' ? 'a variable or command' : show(word.unknown.join(' '));
    this.remarks.push(`-${option}: the value of ${what} is known only when the script runs; fill it in`);
    return undefined;
  }

  /** As ucarp stores it: eight bits, without a check. */
  byte(option: UcarpOption): number | undefined {
    const value = this.#converted(option);
    if (value === undefined) return undefined;
    const stored = BigInt.asUintN(8, value);
    if (stored !== value)
      this.remarks.push(
        `-${option} ${show(this.text(option) ?? '')}: ucarp keeps eight bits of it, and works with ${stored}`,
      );
    return Number(stored);
  }

  number(option: UcarpOption): number | undefined {
    const value = this.#converted(option);
    return value === undefined ? undefined : Number(value);
  }

  #converted(option: UcarpOption): bigint | undefined {
    const text = this.text(option);
    if (text === undefined) return undefined;
    const { value, rest } = strtoul(text);
    if (rest === text) {
      this.remarks.push(`-${option} ${show(text)} is no number`);
      return undefined;
    }
    if (String(value) !== text.trim()) this.remarks.push(`-${option} ${show(text)}: ucarp reads it as ${value}`);
    return value;
  }
}

const secretOf = (options: Options, place: string): Secret | undefined => {
  const password = options.text('p');
  if (password === undefined) return undefined;
  const { length } = Buffer.from(password);
  if (length <= PASSWORD_LENGTH_MAX) return { password, place };
  options.remarks.push(`-p: ucarp refuses this password, which has ${length} bytes: set one of at most 19`);
  return undefined;
};

/** The scripts as hooks, with the arguments that ucarp gives them. */
const hooksOf = (options: Options, device: string, address: string): readonly Setting[] => {
  const [up, down, parameter] = [options.text('u'), options.text('d'), options.text('x')];
  const scripts = Object.entries({ up, down }).flatMap(([hook, script]) =>
    script === undefined || script === '' ? [] : [[hook, script] as const],
  );
  if (scripts.length === 0) {
    if (parameter !== undefined) options.remarks.push('-x: without scripts, nobody gets this parameter');
    return [];
  }
  if (scripts.every(([, script]) => GLUE.test(script))) {
    options.remarks.push(
      `${scripts.map(([, script]) => script).join(' and ')} only add and remove the address (the stanza ${show(device)}:ucarp):\n` +
        'carp does that itself. Remove that stanza, and put other commands in it into hooks.up and hooks.down.',
    );
    return [];
  }
  const argumentsOf = [device, address, ...(parameter === undefined ? [] : [parameter])];
  const hooks = Object.fromEntries(scripts.map(([hook, script]) => [hook, [script, ...argumentsOf]]));
  return [
    setting(
      'addressing',
      'manual',
      'The scripts add and remove the address, as they do for ucarp. If they do nothing else, remove this line and hooks:\n' +
        'carp then does it itself, and the kernel takes the address back when carp dies.',
    ),
    setting('hooks', hooks),
  ];
};

const addressOf = (
  options: Options,
  start: UcarpStart,
): { readonly text: string; readonly cidr: string } | undefined => {
  const text = options.text('a');
  if (text === undefined) return undefined;
  const address = parseAddress(text.trim());
  if (address === undefined) {
    options.remarks.push(`-a ${show(text)} is no address`);
    return undefined;
  }
  const prefix = start.prefixOf?.(address.text);
  return { text: address.text, cidr: `${address.text}/${prefix ?? 32}` };
};

/** One start of ucarp as a group. */
export const groupOf = (start: UcarpStart, place: Place): GroupDraft => {
  const { values, problems } = readUcarpOptions(start.words);
  const options = new Options(values, start.ambiguous);
  const vhid = options.number('v');
  const device = options.text('i');
  const address = addressOf(options, start);
  const secret = secretOf(options, place(start.line));
  const passfile = secret === undefined ? options.text('o') : undefined;
  const group = options.text('m');
  const source = options.text('s');
  const advbase = options.byte('b');
  const advskew = options.byte('k');
  const deadratio = options.number('r');
  const shown = device ?? 'eth0';
  const all = settings(
    setting(
      'interface',
      shown,
      ...(device === undefined ? ['Not told: ucarp takes the first that it finds. Name the right one.'] : []),
      ...options.choices('i'),
    ),
    vhid !== undefined && setting('vhid', vhid, ...options.choices('v')),
    passfile !== undefined && setting('passfile', passfile, CARRIAGE_RETURN, ...options.choices('o')),
    address !== undefined &&
      setting(
        'addresses',
        [address.cidr],
        ...(address.cidr.endsWith('/32')
          ? ['ucarp is not told the prefix; /32 is right where the interface has an address of that subnet.']
          : []),
        ...options.choices('a'),
      ),
    source !== undefined && setting('source', source, ...options.choices('s')),
    advbase !== undefined && setting('advbase', advbase, ...options.choices('b')),
    advskew !== undefined &&
      setting(
        'advskew',
        advskew === 255 ? 254 : advskew,
        ...(advskew === 255 ? ['255 in ucarp, where it means: one advert and then silence'] : []),
        ...options.choices('k'),
      ),
    deadratio !== undefined && setting('deadratio', Math.min(deadratio, 255), ...options.choices('r')),
    options.has('P') && setting('preempt', true, ...options.choices('P')),
    setting(
      'compatibility',
      'ucarp',
      'While there are hosts with ucarp in the group; afterwards, remove it on all hosts.',
    ),
    group !== undefined && group !== '224.0.0.18' && setting('multicast', group, ...options.choices('m')),
    options.has('M') && setting('broadcast', true, ...options.choices('M')),
    options.has('S') && setting('ignoreLink', true, ...options.choices('S')),
    ...hooksOf(options, shown, address?.text ?? ''),
  );
  const needless = NEEDLESS.filter(([option]) => options.has(option)).map(([, remark]) => remark);
  const missing = [vhid === undefined && 'vhid (-v)', address === undefined && 'address (-a)'].filter(
    (each) => each !== false,
  );
  return {
    name: `${shown}-${vhid ?? 'unknown'}`,
    settings: all,
    remarks: [
      `${place(start.line)}: ucarp`,
      ...start.remarks,
      ...problems,
      ...options.remarks,
      ...(['p', 'u', 'd', 'x'] as const).flatMap((option) => options.choices(option)),
      ...needless,
    ],
    ...(secret === undefined ? {} : { secret }),
    ...(missing.length === 0 ? {} : { disabled: `the file does not tell its ${missing.join(' and ')}` }),
  };
};
