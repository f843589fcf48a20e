/** Where ucarp is started, in commands of whatever file. */
import type { Remark } from './draft.ts';
import type { Command, Word } from './shell.ts';
import type { Place } from './source.ts';

/** One ucarp as it is started. */
export interface UcarpStart {
  readonly line: number;
  readonly words: readonly Word[];
  readonly remarks: readonly Remark[];
  /** Variables that are given several values, of which the words have the last one above. */
  readonly ambiguous?: ReadonlyMap<string, readonly string[]>;
  /** `address/prefix`, where the file tells the prefix of the shared address. */
  readonly prefixOf?: (address: string) => number | undefined;
}

const programOf = (word: Word | undefined): string => word?.text.split('/').at(-1) ?? '';

/** Programs that start another one, whose name is among their words. */
const WRAPPERS = new Set(
  'exec sudo doas nohup env setsid nice ionice command chrt taskset time timeout start-stop-daemon daemon'.split(' '),
);

/** The words of ucarp in a command that starts it, directly, through a wrapper, or in a list of processes. */
const ucarpWords = ({ words }: Command): readonly Word[] | undefined => {
  const first = programOf(words[0]);
  const isStart = first === 'ucarp' || WRAPPERS.has(first) || /^\d+$/.test(first);
  const at = isStart ? words.findIndex((word) => programOf(word) === 'ucarp') : -1;
  if (at === -1) return looksLikeUcarp(words) ? words.slice(1) : undefined;
  const rest = words.slice(at + 1);
  const separator = first === 'start-stop-daemon' ? rest.findIndex(({ text }) => text === '--') : -1;
  return rest.slice(separator + 1);
};

/** A program whose name a variable has, and which gets what only ucarp does. */
const looksLikeUcarp = (words: readonly Word[]): boolean =>
  words[0]?.text === '' && ['--vhid', '--addr'].every((name) => words.some(({ text }) => text.split('=')[0] === name));

/** In a word with spaces there may be a whole command: `su -c "ucarp -i eth0 …"`. */
const mentionsUcarp = ({ words }: Command): boolean =>
  words.some(({ text }) => /\s/.test(text) && /(?:^|[\s/])ucarp\s+-/.test(text));

/** Commands of a script that start ucarp, the lines of those that may, and of those that do not. */
export const startsIn = (
  commands: readonly Command[],
): { readonly starts: UcarpStart[]; readonly nested: number[]; readonly others: number[] } => {
  const starts: UcarpStart[] = [];
  const nested: number[] = [];
  const others: number[] = [];
  for (const command of commands) {
    const words = ucarpWords(command);
    if (words === undefined || words.length === 0) {
      (mentionsUcarp(command) ? nested : others).push(command.line);
      continue;
    }
    const remarks = command.conditional
      ? ['it stands inside of a condition, a loop or a function: whether it runs, this program cannot tell']
      : [];
    starts.push({ line: command.line, words, remarks });
  }
  // Of a line with several commands, one is about it.
  const told = new Set([...nested, ...starts.map(({ line }) => line)]);
  return { starts, nested, others: others.filter((line) => !told.has(line)) };
};

/** For people: ucarp is there, but inside of a word. */
export const nestedRemarks = (lines: readonly number[], place: Place): readonly Remark[] =>
  lines.map((line) => `${place(line)}: a ucarp that another program is told to start is not understood; give it alone`);

/** What a file says about ucarp. */
export interface FoundStarts {
  readonly starts: readonly UcarpStart[];
  /** Lines that are about something else. */
  readonly others: readonly number[];
  /** What could not be read. */
  readonly remarks: readonly Remark[];
}
