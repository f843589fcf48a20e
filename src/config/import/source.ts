/** One file that is imported, and how its lines are named and quoted in remarks. */

export interface Source {
  /** As it was given; `-` is standard input. */
  readonly name: string;
  readonly text: string;
}

/** Names lines: with the name of the file where there are several. */
export type Place = (...lines: readonly number[]) => string;

export const placeIn = (source: Source, sources: readonly Source[]): Place => {
  const file = sources.length === 1 ? '' : `${source.name === '-' ? 'standard input' : show(source.name)} `;
  return (...lines) => `${file}${lines.length === 1 ? 'line' : 'lines'} ${lineRanges(lines)}`;
};

/** What is quoted from a file is cut here: a remark is no copy. */
const SHOWN_MAX = 160;

/** Words that are followed by a password in one of the formats, or that contain one after a sign of equality. */
const SECRET = /^(-p|--?pass(w(or)?d)?|pass|passphrase|ucarp[-_]password|auth_pass)$/i;
/** A variable whose name says what it has, a long option, or a short one with its value. */
const ASSIGNED = /^((?:export\s+)?[\w-]*pass[\w-]*=).+$/i;

/** The same text without passwords, as far as their place tells them. */
const withoutSecrets = (text: string): string => {
  let hidden = false;
  return text.replace(/("[^"]*"?|'[^']*'?|[^\s"']+)+/g, (word) => {
    const bare = word.replace(/^["']/, '').replace(/["';]+$/, '');
    if (hidden) {
      hidden = false;
      return '***';
    }
    if (SECRET.test(bare)) {
      hidden = true;
      return word;
    }
    // What is quoted as one word may be a whole command line.
    if (bare !== word && /\s/.test(bare)) return `"${withoutSecrets(bare)}"`;
    const [, start] = ASSIGNED.exec(word) ?? /^(-[A-Za-z]*p)(?!reempt)[^-\s].*$/.exec(word) ?? [];
    return start === undefined ? word : `${start}***`;
  });
};

/** Text of a file, fit for a comment: one line, short, without control characters and without passwords. */
export const show = (text: string): string => {
  const line = withoutSecrets(text.replace(/[\p{Cc}\p{Cs}\u2028\u2029\ufeff]+/gu, ' ')).trim();
  return line.length > SHOWN_MAX ? `${line.slice(0, SHOWN_MAX)}…` : line;
};

/** The same for words that have been taken apart: one of them may contain spaces. */
export const showWords = (words: readonly string[]): string =>
  show(words.map((word, i) => (SECRET.test(words[i - 1] ?? '') ? '***' : word)).join(' ')).replaceAll('*** ***', '***');

/** Numbers of lines as people write them: `1, 4-9, 12`. */
export const lineRanges = (lines: readonly number[]): string => {
  const ranges: { from: number; to: number }[] = [];
  for (const line of [...new Set(lines)].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last.to === line - 1) last.to = line;
    else ranges.push({ from: line, to: line });
  }
  const shown = ranges.slice(0, 20).map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`));
  return [...shown, ...(ranges.length > 20 ? ['…'] : [])].join(', ');
};

/** One remark for all the lines of a file that are about something else. */
export const unrelatedRemark = (lines: readonly number[], source: Source, sources: readonly Source[]): string[] => {
  if (lines.length === 0) return [];
  const file = sources.length === 1 ? '' : `${source.name === '-' ? 'standard input' : show(source.name)}: `;
  return [`${file}lines that are not about shared addresses were left out: ${lineRanges(lines)}`];
};
