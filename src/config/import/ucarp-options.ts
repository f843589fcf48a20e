/** The options of ucarp(8) as its getopt_long reads them: clusters, joined values, and unique prefixes of long names. */
import type { Word } from './shell.ts';
import { UCARP_OPTIONS } from './ucarp-table.ts';

type Rule = (typeof UCARP_OPTIONS)[number];
/** Its letter. */
export type UcarpOption = Rule['short'];

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
const longRule = (name: string): Rule | undefined => {
  const rules = UCARP_OPTIONS.filter((each) => each.name.startsWith(name));
  return rules.find((each) => each.name === name) ?? (rules.length === 1 ? rules[0] : undefined);
};

/** `-m` is missing in ucarp's own list of letters. */
const shortRule = (letter: string): Rule | undefined =>
  letter === 'm' ? undefined : UCARP_OPTIONS.find(({ short }) => short === letter);

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
      const rule = longRule(long);
      if (rule === undefined) problems.push(`--${long.slice(0, 40)} is no option of ucarp, or is not unique`);
      else if (rule.takes === 'nothing') set(rule.short, flag(word), `--${long}`);
      else set(rule.short, joined === undefined ? following(`--${long}`) : { ...word, text: joined }, `--${long}`);
    } else if (/^-[^-]/.test(word.text)) {
      for (let at = 1; at < word.text.length; at += 1) {
        const letter = word.text[at] ?? '';
        const rule = shortRule(letter);
        if (rule === undefined) {
          problems.push(
            letter === 'm'
              ? '-m is missing in ucarp itself, which shows its usage and ends: --mcastip is meant'
              : `-${letter} is no option of ucarp`,
          );
          // What would be its value is unknown, too.
          break;
        }
        if (rule.takes === 'nothing') set(rule.short, flag(word), `-${letter}`);
        else {
          const rest = word.text.slice(at + 1);
          set(
            rule.short,
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
