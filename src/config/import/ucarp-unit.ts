/** systemd units that start ucarp. */
import type { Remark } from './draft.ts';
import { readScript, type Word } from './shell.ts';
import { type Place, show } from './source.ts';
import { type FoundStarts, nestedRemarks, startsIn, type UcarpStart } from './ucarp-starts.ts';

/** `ExecStart=` and `Environment=` of systemd.service(5). */
export const readUnit = (text: string, place: Place): FoundStarts => {
  const values: Record<string, string> = {};
  const found = { starts: [] as UcarpStart[], others: [] as number[], remarks: [] as Remark[] };
  for (const { line, text: whole } of joinedLines(text)) {
    const [, key = '', value = ''] = /^\s*([A-Za-z]+)\s*=\s*([\s\S]*)$/.exec(whole) ?? [];
    if (key === 'Environment') {
      for (const { words } of readScript(`: ${value}`).commands)
        for (const word of words) {
          const [, name, assigned = ''] = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(word.text) ?? [];
          if (name !== undefined) values[name] = assigned;
        }
    } else if (key === 'EnvironmentFile')
      found.remarks.push(`${place(line)}: the variables in ${show(value)} are not known here`);
    else if (key.startsWith('Exec')) {
      // Before the program there may be characters that say how it is run (systemd.service(5), "Command lines").
      const { commands } = readScript(value.replace(/^[-@:+!|]+/, ''), {
        values,
        firstLine: line,
        bracedIsWhole: true,
      });
      const { starts, nested, others } = startsIn(commands);
      found.starts.push(...starts.map((start) => ({ ...start, words: start.words.map(withoutSpecifiers) })));
      found.remarks.push(...nestedRemarks(nested, place));
      found.others.push(...others);
    } else if (whole.trim() !== '' && !/^\s*[#;[]/.test(whole)) found.others.push(line);
  }
  return found;
};

/** `%i` and the like: known when the unit is started. */
const withoutSpecifiers = ({ text, unknown }: Word): Word => {
  const specifiers = text.match(/%[A-Za-z]/g) ?? [];
  return { text: text.replaceAll('%%', '%'), unknown: [...unknown, ...specifiers] };
};

/** Lines with those that a backslash at their end adds to them. */
const joinedLines = (text: string): readonly { readonly line: number; readonly text: string }[] => {
  const joined: { line: number; text: string; open: boolean }[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const last = joined.at(-1);
    const open = line.endsWith('\\');
    const own = open ? line.slice(0, -1) : line;
    if (last?.open === true) {
      last.text += ` ${own}`;
      last.open = open;
    } else joined.push({ line: index + 1, text: own, open });
  }
  return joined;
};
