import { UCARP_OPTIONS } from '../config/import/ucarp-table.ts';
import { CarpError } from '../ports/error.ts';
import { type Cidr, type Family, type IpAddress, isMulticast, parseAddress, parseCidr } from '../protocol/address.ts';
import { CARP_GROUP_IPV4 } from '../protocol/constants.ts';
import { getoptLong, type OptionRule } from './ucarp-getopt.ts';
import { type NumberRule, readNumber } from './ucarp-number.ts';

/** ucarp's options, and then ours. */
export const OPTION_RULES = [
  ...UCARP_OPTIONS,
  { name: 'addressing', takes: 'value', isOurs: true },
  { name: 'pidfile', takes: 'value', isOurs: true },
  { name: 'script-timeout', takes: 'value', isOurs: true },
  { name: 'socket', takes: 'value', isOurs: true },
  { name: 'state', takes: 'value', isOurs: true },
] as const satisfies readonly OptionRule[];
type OptionName = (typeof OPTION_RULES)[number]['name'];

/** Codes of syslog(3), RFC 5424 6.2.1. */
export const FACILITIES = {
  auth: 4,
  authpriv: 10,
  cron: 9,
  daemon: 3,
  ftp: 11,
  kern: 0,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
  lpr: 6,
  mail: 2,
  news: 7,
  security: 4,
  syslog: 5,
  user: 1,
  uucp: 8,
} as const;
export type Facility = keyof typeof FACILITIES | 'none';

const ADDRESSINGS = ['scripts', 'interface', 'virtual-mac'] as const;
/** Who sets the addresses: the scripts, as with ucarp, or this program. */
export type UcarpAddressing = (typeof ADDRESSINGS)[number];

const NUMBERS = {
  vhid: { from: 1, to: 255, ucarpKeeps: 'refused' },
  advbase: { from: 0, to: 255, ucarpKeeps: 8 },
  advskew: { from: 0, to: 255, ucarpKeeps: 8 },
  deadratio: { from: 1, to: 255, ucarpKeeps: 32 },
  'script-timeout': { from: 1, to: 86_400, ucarpKeeps: 'refused' },
} as const satisfies Partial<Record<OptionName, NumberRule>>;

/** As a farewell has it; the highest that a host may have for itself is one less. */
const FAREWELL_SKEW = 255;
const SCRIPT_TIMEOUT_S = 60;

/** A command line that makes sense. Names of files are as they were given. */
export interface UcarpOptions {
  /** Missing: the one that has the first source address. */
  readonly interface?: string;
  /** One for each family at most. */
  readonly sources: readonly IpAddress[];
  /** Missing: 224.0.0.18. */
  readonly group?: IpAddress;
  readonly vhid: number;
  readonly secret: { readonly pass: string } | { readonly passfile: string };
  readonly preempt: boolean;
  readonly neutral: boolean;
  /** Without a prefix length on the command line, that of one address: /32 or /128. */
  readonly addresses: readonly Cidr[];
  readonly advbase: number;
  readonly advskew: number;
  readonly upscript?: string;
  readonly downscript?: string;
  readonly deadratio: number;
  readonly debug: boolean;
  /** Only to be said: the down script runs at the end with and without. */
  readonly shutdown: boolean;
  readonly daemonize: boolean;
  readonly ignoreLink: boolean;
  readonly broadcast: boolean;
  readonly facility: Facility;
  readonly xparam?: string;
  readonly addressing: UcarpAddressing;
  readonly pidfile?: string;
  /** Seconds. */
  readonly scriptTimeout: number;
  readonly socket?: string;
  readonly state?: string;
  /** What was accepted, and is probably not as it was meant. */
  readonly hints: readonly string[];
}

/** @returns the options, or `help` where that was asked for. @throws CarpError CARP_CONFIG with all mistakes */
export const parseUcarp = (args: readonly string[]): UcarpOptions | 'help' => {
  const { given, rest } = getoptLong(args, OPTION_RULES);
  if (given.some(({ name }) => name === 'help')) return 'help';
  const problems: string[] = [];
  const hints = rest.map((word) => `"${word}" is no option and is ignored, as ucarp does`);
  const all = (name: OptionName): readonly string[] =>
    given.filter((option) => option.name === name).map(({ value }) => value);
  const last = (name: OptionName): string | undefined => all(name).at(-1);
  const isGiven = (name: OptionName): boolean => all(name).length > 0;
  const wrong = (name: OptionName, problem: string): void => void problems.push(`--${name} ${problem}`);
  const number = (name: keyof typeof NUMBERS, preset: number): number => {
    const text = last(name);
    if (text === undefined) return preset;
    const read = readNumber(text, NUMBERS[name]);
    if (!read.ok) wrong(name, read.problem);
    else if (read.hint !== undefined) hints.push(`--${name}: ${read.hint}`);
    return read.ok ? read.value : preset;
  };
  const word = <T extends string>(name: OptionName, allowed: readonly T[], preset: T): T => {
    const text = last(name)?.toLowerCase();
    const found = allowed.find((each) => each === text);
    if (text !== undefined && found === undefined)
      wrong(name, `must be one of ${allowed.join(', ')}, but is "${text}"`);
    return found ?? preset;
  };
  /** A value where there must be something. */
  const text = (name: OptionName): string | undefined => {
    const value = last(name);
    if (value === '') wrong(name, 'must not be empty; give it a value, or leave it out');
    // Node reads arguments as UTF-8; of others it makes question marks, with which no peer would agree.
    if (value?.includes('�') === true) wrong(name, 'is not UTF-8 text; write it so, a password into a --passfile');
    return value === '' ? undefined : value;
  };

  if (!isGiven('vhid')) wrong('vhid', 'is missing: give the number of the virtual host, 1 to 255');
  const addressing = word('addressing', ADDRESSINGS, 'scripts');
  const addresses = addressesOf(all('addr'), addressing, (problem) => wrong('addr', problem));
  const sources = sourcesOf(all('srcip'), addresses, (problem) => wrong('srcip', problem));
  const broadcast = isGiven('nomcast');
  const group = groupOf(last('mcastip'), (problem) => wrong('mcastip', problem));
  const advskew = number('advskew', 0);
  if (advskew === FAREWELL_SKEW)
    hints.push(`--advskew: ${FAREWELL_SKEW} is what a farewell says; ${FAREWELL_SKEW - 1} is sent instead`);
  const optional = <Key extends string, Value>(key: Key, value: Value | undefined) =>
    (value === undefined ? {} : { [key]: value }) as { readonly [K in Key]?: Value };
  const options: UcarpOptions = {
    ...optional('interface', text('interface')),
    sources,
    ...optional('group', group),
    vhid: number('vhid', 1),
    secret: secretOf(given, (problem) => problems.push(problem)),
    preempt: isGiven('preempt'),
    neutral: isGiven('neutral'),
    addresses,
    advbase: number('advbase', 1),
    advskew: Math.min(advskew, FAREWELL_SKEW - 1),
    ...optional('upscript', text('upscript')),
    ...optional('downscript', text('downscript')),
    deadratio: number('deadratio', 3),
    debug: isGiven('debug'),
    shutdown: isGiven('shutdown'),
    daemonize: isGiven('daemonize'),
    ignoreLink: isGiven('ignoreifstate'),
    broadcast,
    facility: word('facility', [...(Object.keys(FACILITIES) as Facility[]), 'none'], 'daemon'),
    ...optional('xparam', last('xparam')),
    addressing,
    ...optional('pidfile', text('pidfile')),
    scriptTimeout: number('script-timeout', SCRIPT_TIMEOUT_S),
    ...optional('socket', text('socket')),
    ...optional('state', text('state')),
    hints,
  };
  if (options.advbase === 0 && advskew === 0) wrong('advbase', '0 needs an --advskew of 1 or more, as with ucarp');
  if (problems.length === 0) return options;
  throw new CarpError('CARP_CONFIG', problems.join('\n      '), { remedy: 'carp ucarp --help lists the options' });
};

type Complain = (problem: string) => void;

/** The last one of both counts, as with ucarp. */
const secretOf = (given: readonly { readonly name: string; readonly value: string }[], complain: Complain) => {
  const secret = given.findLast(({ name }) => name === 'pass' || name === 'passfile');
  if (secret === undefined) {
    complain('--pass is missing: give the password of the group, or better --passfile FILE');
    return { pass: '' };
  }
  if (secret.value === '') complain(`--${secret.name} must not be empty`);
  if (secret.name === 'passfile') return { passfile: secret.value };
  if (secret.value.includes('�')) complain('--pass is not UTF-8 text; write the password into a --passfile');
  return { pass: secret.value };
};

const addressesOf = (texts: readonly string[], addressing: UcarpAddressing, complain: Complain): readonly Cidr[] => {
  if (texts.length === 0) complain('is missing: give the address that the hosts share');
  return texts.flatMap((text) => {
    const address = parseAddress(text);
    const cidr = address === undefined ? parseCidr(text) : { address, prefix: address.bytes.length * 8 };
    if (cidr === undefined) complain(`must be an address such as 192.0.2.100, but is "${text}"`);
    else if (address !== undefined && addressing !== 'scripts')
      complain(
        `${text} needs a prefix length with --addressing ${addressing}, such as ${text}/${address.family === 4 ? 24 : 64}`,
      );
    return cidr === undefined ? [] : [cidr];
  });
};

/** Of each family the last one, as ucarp takes the last. */
const sourcesOf = (texts: readonly string[], addresses: readonly Cidr[], complain: Complain): readonly IpAddress[] => {
  const found = new Map<Family, IpAddress>();
  for (const text of texts) {
    const address = parseAddress(text);
    if (address === undefined) complain(`must be an address of this host such as 192.0.2.11, but is "${text}"`);
    else found.set(address.family, address);
  }
  const [first] = addresses;
  const isFit = first === undefined || addresses.some(({ address }) => found.has(address.family));
  if (texts.length === 0) complain('is missing: give the address of this host that adverts come from');
  else if (found.size > 0 && !isFit)
    complain(
      `is of another family than --addr ${first.address.text}; adverts go out in the family of the shared address`,
    );
  return [...found.values()];
};

const groupOf = (text: string | undefined, complain: Complain): IpAddress | undefined => {
  if (text === undefined || text === CARP_GROUP_IPV4) return undefined;
  const group = parseAddress(text);
  if (group !== undefined && group.family === 4 && isMulticast(group)) return group;
  complain(`must be an IPv4 multicast address such as ${CARP_GROUP_IPV4}, but is "${text}"`);
  return undefined;
};
