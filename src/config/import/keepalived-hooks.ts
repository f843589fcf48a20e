/** `notify_…` of keepalived.conf(5) as hooks, and how keepalived takes a command apart. */
import type { Remark } from './draft.ts';
import type { Line } from './keepalived-text.ts';
import { type Place, show, showWords } from './source.ts';

/** What a shell would do something with. */
const OF_A_SHELL = /[<>|;&$`*?(){}~\n]/;

/**
 * A program and its arguments, as keepalived splits them: at spaces outside of quotes. It runs what only a shell
 * understands with /bin/sh, and so does this.
 */
export const commandOf = (text: string): readonly string[] => {
  if (OF_A_SHELL.test(text)) return ['/bin/sh', '-c', text];
  return [...text.matchAll(/(?:"([^"]*)"|'([^']*)'|\\(.)|[^\s"'\\])+/g)]
    .map(([word]) =>
      word.replace(
        /"([^"]*)"|'([^']*)'|\\(.)/g,
        (_all, double?: string, single?: string, escaped?: string) => double ?? single ?? escaped ?? '',
      ),
    )
    .slice(0, 64);
};

export interface Hooks {
  readonly hooks: Readonly<Record<string, readonly string[]>> | undefined;
  readonly above: readonly Remark[];
  readonly remarks: readonly Remark[];
}

/** What keepalived runs when, and what it is here. The first that is there becomes `down`. */
const DOWN = ['notify_backup', 'notify_fault', 'notify_stop'] as const;

export const hooksOf = (name: string, priority: number, block: readonly Line[], place: Place): Hooks => {
  const remarks: Remark[] = [];
  const find = (word: string): Line | undefined => {
    const found = block.findLast(({ words }) => words[0] === word);
    if (found !== undefined && found.words.length > 2)
      remarks.push(
        `${place(found.line)}: ${word}: hooks run as the user of the agent, not as ${show(found.words.slice(2).join(' '))}`,
      );
    return found?.words[1] === undefined ? undefined : found;
  };
  const textOf = (line: Line | undefined): string | undefined => line?.words[1];
  const any = find('notify');
  // With the four arguments that keepalived adds, so that the same script goes on working.
  const withState = (state: string): readonly string[] | undefined => {
    const text = textOf(any);
    return text === undefined ? undefined : [...commandOf(text), 'INSTANCE', name, state, String(priority)];
  };
  const up = find('notify_master');
  const downs = DOWN.flatMap((word) => {
    const found = find(word);
    return found === undefined ? [] : [found];
  });
  const [down, ...others] = downs;
  for (const other of others)
    if (textOf(other) !== textOf(down))
      remarks.push(
        `${place(other.line)}: ${showWords(other.words)}: there is one hook for all ends of a MASTER, and it runs ${show(textOf(down) ?? '')}`,
      );
  if (any !== undefined && up !== undefined && down !== undefined)
    remarks.push(
      `${place(any.line)}: ${showWords(any.words)}: see hooks.change, which gets other arguments (vhid@interface and the role)`,
    );
  const commands = {
    up: up === undefined ? withState('MASTER') : commandOf(textOf(up) ?? ''),
    down: down === undefined ? withState('BACKUP') : commandOf(textOf(down) ?? ''),
  };
  const hooks = Object.fromEntries(
    Object.entries(commands).flatMap(([hook, argv]) =>
      argv === undefined || argv.length === 0 ? [] : [[hook, argv] as const],
    ),
  );
  const above = [
    'up runs at each promotion, down at each end of one; keepalived also runs its scripts for BACKUP and FAULT at the start.',
  ];
  return { hooks: Object.keys(hooks).length === 0 ? undefined : hooks, above, remarks };
};
