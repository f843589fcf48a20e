/**
 * The text of keepalived.conf(5) as a tree of lines: words, quotes, comments, braces, and simple variables. Nothing is
 * run or included. Pure, bounded, never throws.
 */

import type { Remark } from './draft.ts';
import { type Place, show, showWords } from './source.ts';

export interface Line {
  /** From 1. */
  readonly line: number;
  readonly words: readonly string[];
  /** What stands between its braces, if it has some. */
  readonly block?: readonly Line[];
  /** The last line of its block. */
  readonly end: number;
  /** `@main …`: only on hosts that are called so (`@!main`, `@^main` … in other cases). */
  readonly condition?: string;
}

export interface Tree {
  readonly lines: readonly Line[];
  readonly faults: readonly { readonly line: number; readonly message: string }[];
}

const DEPTH_MAX = 16;
/** Variables may be put into variables: a value ends here. */
const VALUE_MAX = 4096;

interface Open {
  readonly line: number;
  readonly words: readonly string[];
  readonly condition?: string;
  readonly block: Line[];
}

/** Words of one line: a comment begins with `#` or `!` outside of quotes. Braces are words of their own. */
const wordsOf = (text: string): { readonly words: readonly string[]; readonly closed: boolean } => {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i] ?? '';
    if (quote !== '') {
      if (char === quote) quote = '';
      // The script itself takes a backslash away from what is quoted, not this file: it stays.
      else word = (word ?? '') + char;
    } else if (char === '"' || (char === "'" && word === undefined)) {
      quote = char;
      word ??= '';
    } else if (char === '#' || char === '!') {
      if (word === undefined || !/^@/.test(word)) break;
      word += char;
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if ((char === '{' && !word?.endsWith('$')) || (char === '}' && !word?.includes('${'))) {
      if (word !== undefined) words.push(word);
      words.push(char);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return { words, closed: quote === '' };
};

const DEFINITION = /^\s*\$([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/;

/** All that variables may add to one file: a few letters can stand for a lot. */
const EXPANDED_MAX = 4 * 1024 * 1024;

/** Puts in the values of variables, as long as there is room. */
const expander = (values: ReadonlyMap<string, string>): ((text: string) => string) => {
  let budget = EXPANDED_MAX;
  return (text) =>
    text.replace(/\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)/g, (whole: string, braced?: string, bare?: string) => {
      const value = values.get(braced ?? bare ?? '') ?? whole;
      budget -= value.length;
      return budget < 0 ? whole : value;
    });
};

export const readKeepalived = (text: string): Tree => {
  const faults: { line: number; message: string }[] = [];
  const values = new Map<string, string>();
  const expand = expander(values);
  const top: Open = { line: 0, words: [], block: [] };
  const open: Open[] = [top];
  const inside = (): Open => open.at(-1) ?? top;
  /** A line whose `{` may still come, at the beginning of the next one. */
  let waiting: Line | undefined;
  const settle = (): void => {
    if (waiting !== undefined) inside().block.push(waiting);
    waiting = undefined;
  };
  let joined: { text: string; line: number } | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = joined?.line ?? index + 1;
    const whole = (joined?.text ?? '') + raw;
    joined = undefined;
    if (/\\$/.test(whole) && whole.length < VALUE_MAX) {
      joined = { text: `${whole.slice(0, -1)} `, line };
      continue;
    }
    const [, name, value = ''] = DEFINITION.exec(whole) ?? [];
    if (name !== undefined) {
      values.set(name, expand(value.replace(/^"(.*)"$/, '$1')).slice(0, VALUE_MAX));
      continue;
    }
    const { words: all, closed } = wordsOf(whole.includes('$') ? expand(whole) : whole);
    if (!closed) faults.push({ line, message: 'a quote that begins here has no end in this line' });
    const isConditional = /^@./.test(all[0] ?? '');
    const condition = isConditional ? all[0] : undefined;
    let words: string[] = [];
    const finish = (): void => {
      if (words.length === 0) return;
      settle();
      waiting = { line, words, end: line, ...(condition === undefined ? {} : { condition }) };
      words = [];
    };
    for (const word of isConditional ? all.slice(1) : all) {
      if (word === '{') {
        finish();
        if (open.length > DEPTH_MAX) {
          faults.push({ line, message: 'braces are nested too deeply' });
          return { lines: top.block, faults };
        }
        if (waiting === undefined) faults.push({ line, message: 'a "{" without a name before it' });
        const { line: from, words: title, condition: on } = waiting ?? { line, words: ['?'], condition: undefined };
        waiting = undefined;
        open.push({ line: from, words: title, block: [], ...(on === undefined ? {} : { condition: on }) });
      } else if (word === '}') {
        finish();
        settle();
        const done = open.length > 1 ? open.pop() : undefined;
        if (done === undefined) faults.push({ line, message: 'a "}" without a "{"' });
        else inside().block.push({ ...done, end: line });
      } else words.push(word);
    }
    finish();
  }
  settle();
  while (open.length > 1) {
    const left = open.pop();
    if (left === undefined) break;
    faults.push({ line: left.line, message: 'a "{" that begins here has no "}"' });
    inside().block.push({ ...left, end: left.line });
  }
  return { lines: top.block, faults };
};

/** The lines that hold on every host, at all depths. Those of some hosts only are told. */
export const unconditional = (lines: readonly Line[], tell: (line: Line) => void): readonly Line[] =>
  lines.flatMap((line) => {
    if (line.condition === undefined)
      return [line.block === undefined ? line : { ...line, block: unconditional(line.block, tell) }];
    tell(line);
    return [];
  });

/** For people: what of it, and on which hosts. */
export const conditionalRemark = (line: Line): string =>
  `only on some hosts (${show(line.condition ?? '')}): ${quoted(line)}; set it on those`;

/** As it is quoted in a remark. */
export const quoted = ({ words, block }: Line): string => `${showWords(words)}${block === undefined ? '' : ' { … }'}`;

/** Tells numbers that are there and cannot be read: what is taken instead of them must not be taken in silence. */
export class Numbers {
  readonly remarks: Remark[] = [];
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  /** The value of the last line with this word. @param otherwise - what happens without it, for people */
  of(block: readonly Line[], word: string, otherwise: string): number | undefined {
    const found = block.findLast(({ words }) => words[0] === word);
    const value = numberOf(found?.words[1]);
    if (found !== undefined && value === undefined)
      this.remarks.push(`${this.#place(found.line)}: ${quoted(found)}: no plain decimal number; ${otherwise}`);
    return value;
  }
}

/** A plain decimal number. */
export const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^[+-]?\d{1,6}(\.\d{1,6})?$/.test(text) ? Number(text) : undefined;
