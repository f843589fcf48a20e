import { closest } from '../config/closest.ts';
import { usageError } from './options.ts';

/** An option as getopt_long(3) is told of it. */
export interface OptionRule {
  /** The long name, without dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  readonly takes: 'value' | 'nothing';
  /** Not of ucarp: never in the way of an abbreviation that ucarp understands. */
  readonly isOurs?: true;
}

export interface GivenOption {
  readonly name: string;
  /** Empty where the option takes none. */
  readonly value: string;
}

export interface CommandLine {
  /** In their order: of most options the last one counts. */
  readonly given: readonly GivenOption[];
  /** What is no option. */
  readonly rest: readonly string[];
}

const wrong = (message: string) => usageError('ucarp', message);

/** Exact names first; then beginnings of ucarp's names; then of ours. @throws CarpError CARP_CONFIG */
const ruleOf = (name: string, rules: readonly OptionRule[]): OptionRule => {
  const exact = rules.find((rule) => rule.name === name);
  if (exact !== undefined) return exact;
  const begin = rules.filter((rule) => rule.name.startsWith(name));
  const theirs = begin.filter(({ isOurs }) => isOurs !== true);
  const candidates = theirs.length > 0 ? theirs : begin;
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) return only;
  if (only !== undefined)
    throw wrong(`--${name} may be ${candidates.map((rule) => `--${rule.name}`).join(' or ')}; write more of it`);
  const suggestion = closest(
    name,
    rules.map((rule) => rule.name),
  );
  throw wrong(`there is no option --${name}${suggestion === undefined ? '' : `; did you mean --${suggestion}?`}`);
};

/**
 * Reads a command line as getopt_long(3) does: `--name value`, `--name=value`, unambiguous beginnings of long names,
 * `-n value`, `-nvalue`, flags in one word (`-Pzn`), options and other words mixed, `--` as the end of options.
 * @throws CarpError CARP_CONFIG at what getopt_long refuses
 */
export const getoptLong = (args: readonly string[], rules: readonly OptionRule[]): CommandLine => {
  const given: GivenOption[] = [];
  const rest: string[] = [];
  const words = args.values();
  const nextWord = (option: string): string => {
    const { value, done } = words.next();
    if (done === true) throw wrong(`${option} needs a value`);
    return value;
  };

  const long = (word: string): void => {
    const [, written = '', value] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    const { name, takes } = ruleOf(written, rules);
    if (takes === 'nothing' && value !== undefined) throw wrong(`--${name} takes no value, but is given one`);
    given.push({ name, value: takes === 'nothing' ? '' : (value ?? nextWord(`--${name}`)) });
  };
  const bundle = (word: string): void => {
    for (let i = 1; i < word.length; i++) {
      const letter = word[i];
      const rule = rules.find(({ short }) => short === letter);
      if (rule === undefined) throw wrong(`there is no option -${letter}`);
      if (rule.takes === 'value') {
        const attached = word.slice(i + 1);
        given.push({ name: rule.name, value: attached === '' ? nextWord(`-${letter}`) : attached });
        return;
      }
      given.push({ name: rule.name, value: '' });
    }
  };

  for (const word of words) {
    if (word === '--') rest.push(...words);
    else if (word.startsWith('--')) long(word);
    else if (word.startsWith('-') && word !== '-') bundle(word);
    else rest.push(word);
  }
  return { given, rest };
};
