/** The options of ucarp(8) as its getopt_long reads them: clusters, joined values, and unique prefixes of long names. */
import type { Word } from './shell.ts';

/** Long name -> short one (`m` exists as `--mcastip` alone: the short one is missing in ucarp's own list). */
const LONG = {
  interface: 'i',
  srcip: 's',
  mcastip: 'm',
  vhid: 'v',
  pass: 'p',
  passfile: 'o',
  preempt: 'P',
  neutral: 'n',
  addr: 'a',
  help: 'h',
  advbase: 'b',
  advskew: 'k',
  upscript: 'u',
  downscript: 'd',
  deadratio: 'r',
  debug: 'D',
  daemonize: 'B',
  ignoreifstate: 'S',
  shutdown: 'z',
  facility: 'f',
  xparam: 'x',
  nomcast: 'M',
} as const;

export type UcarpOption = (typeof LONG)[keyof typeof LONG];

const WITH_VALUE = new Set<string>('ismvpoabkudrfx');
const SHORT = new Set<string>(Object.values(LONG).filter((letter) => letter !== 'm'));

export interface UcarpOptions {
  /** A flag has an empty value. */
  readonly values: ReadonlyMap<UcarpOption, Word>;
  /** What ucarp would refuse, or does not look at; never with a value in it. */
  readonly problems: readonly string[];
}

const NOTHING: Word = { text: '', unknown: [] };
/** A flag has no value; where it comes from is the same. */
const flag = ({ from }: Word): Word => (from === undefined ? NOTHING : { ...NOTHING, from });

/** A unique prefix of a long name, or the name itself. */
const longName = (name: string): UcarpOption | undefined => {
  const names = Object.keys(LONG).filter((each) => each === name || each.startsWith(name));
  const [only] = names.includes(name) ? [name] : names;
  return names.length === 1 || names.includes(name) ? LONG[only as keyof typeof LONG] : undefined;
};

/** @param words - those after the program's name */
export const readUcarpOptions = (words: readonly Word[]): UcarpOptions => {
  const values = new Map<UcarpOption, Word>();
  const problems: string[] = [];
  const set = (option: UcarpOption, value: Word, shown: string): void => {
    if (values.has(option)) problems.push(`${shown} is there more than once: ucarp takes the last, and so does this`);
    values.set(option, value);
  };
  let ignored = 0;
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? NOTHING;
    const following = (shown: string): Word => {
      i += 1;
      if (words[i] === undefined) problems.push(`${shown} has no value`);
      return words[i] ?? { text: '', unknown: ['nothing'] };
    };
    const [, long, joined] = /^--([\w-]+)(?:=([\s\S]*))?$/.exec(word.text) ?? [];
    if (/^\d*[<>]/.test(word.text)) {
      // A redirection: its file may be the next word.
      if (/^\d*[<>]+$/.test(word.text)) i += 1;
    } else if (word.text === '--') {
      ignored += words.length - i - 1;
      break;
    } else if (long !== undefined) {
      const option = longName(long);
      if (option === undefined) problems.push(`--${long.slice(0, 40)} is no option of ucarp, or is not unique`);
      else if (!WITH_VALUE.has(option)) set(option, flag(word), `--${long}`);
      else set(option, joined === undefined ? following(`--${long}`) : { ...word, text: joined }, `--${long}`);
    } else if (/^-[^-]/.test(word.text)) {
      for (let at = 1; at < word.text.length; at += 1) {
        const letter = word.text[at] ?? '';
        if (!SHORT.has(letter)) {
          problems.push(
            letter === 'm'
              ? '-m is missing in ucarp itself, which shows its usage and ends: --mcastip is meant'
              : `-${letter} is no option of ucarp`,
          );
          // What would be its value is unknown, too.
          break;
        }
        const option = letter as UcarpOption;
        if (!WITH_VALUE.has(letter)) set(option, flag(word), `-${letter}`);
        else {
          const rest = word.text.slice(at + 1);
          set(
            option,
            rest === '' && word.unknown.length === 0 ? following(`-${letter}`) : { ...word, text: rest },
            `-${letter}`,
          );
          break;
        }
      }
    } else if (word.text !== '' || word.unknown.length > 0) ignored += 1;
  }
  if (ignored > 0)
    problems.push(`${ignored === 1 ? 'one word is' : `${ignored} words are`} no option: ucarp ignores such words`);
  return { values, problems };
};

/** What C's strtoul with base 0 makes of a number: `0x10`, `010`, and what stands before other characters. */
export const strtoul = (text: string): number | undefined => {
  const [, sign, hex, octal, decimal] = /^\s*([+-]?)(?:0[xX]([\da-fA-F]+)|(0[0-7]*)|([1-9]\d*))/.exec(text) ?? [];
  const digits = hex ?? octal ?? decimal;
  if (digits === undefined) return undefined;
  const value = Number.parseInt(digits, hex === undefined ? (octal === undefined ? 10 : 8) : 16);
  return sign === '-' ? -value : value;
};
