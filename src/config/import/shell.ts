/**
 * Reads scripts of sh(1), as far as they can be understood without being run: words, quotes, continuation lines,
 * comments, and variables that have been given a plain value before. Pure, bounded, never throws.
 */

export interface Word {
  readonly text: string;
  /** What is known only when the script runs: `$1`, `$(hostname)`. Their place in the text is empty. */
  readonly unknown: readonly string[];
  /** Variables whose values are a part of it, at most `NAMES_MAX`. */
  readonly from?: readonly string[];
}

export interface Command {
  /** Of its first word, from 1. */
  readonly line: number;
  readonly words: readonly Word[];
  /** Inside of `if`, `for`, `while`, `case` or a function: whether and how often it runs is not told by the file. */
  readonly conditional: boolean;
}

export interface Assignment {
  readonly line: number;
  readonly name: string;
  readonly value: Word;
}

export interface Script {
  readonly commands: readonly Command[];
  readonly assignments: readonly Assignment[];
  /** What could not be read, with its line. */
  readonly faults: readonly { readonly line: number; readonly message: string }[];
}

/** A variable that grows by itself, and one that is put into many others, end here. */
const WORD_MAX = 65_536;

/** A name with its sign of equality is shorter. */
const NAME_MAX = 128;
/** All that variables may add to one file: a few letters can stand for a lot. */
const EXPANDED_MAX = 4 * 1024 * 1024;
/** Longer substitutions are not understood anyway. */
const EXPANSION_MAX = 512;

/** Of more variables in one word nobody wants to be told. */
const NAMES_MAX = 20;

const NAME = /^[A-Za-z_]\w*/;
const ASSIGNMENT = /^([A-Za-z_]\w*)(\+?)=/;

interface Token {
  readonly line: number;
  readonly word: Word;
  /** As it stands in the file: `"if"` is no keyword. */
  readonly raw: string;
}

/** Words that open and close what may not run, and those that only come before a command. */
const OPENING = new Set(['if', 'for', 'while', 'until', 'case', 'select', '{']);
const CLOSING = new Set(['fi', 'done', 'esac', '}']);
const LEADING = new Set(['then', 'else', 'do', '!', 'elif', 'local', 'export', 'readonly', 'declare', 'typeset']);

class Reader {
  readonly #text: string;
  readonly #values: Map<string, Word>;
  readonly #bracedIsWhole: boolean;
  readonly commands: Command[] = [];
  readonly assignments: Assignment[] = [];
  readonly faults: { line: number; message: string }[] = [];
  #at = 0;
  #budget = EXPANDED_MAX;
  #line: number;
  #tokens: Token[] = [];
  #depth = 0;

  constructor(text: string, { values = {}, firstLine = 1, bracedIsWhole = false }: ScriptOptions) {
    this.#text = text;
    this.#line = firstLine;
    this.#bracedIsWhole = bracedIsWhole;
    this.#values = new Map(Object.entries(values).map(([name, value]) => [name, { text: value, unknown: [] }]));
  }

  read(): void {
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? '';
      if (char === '\\' && this.#text[this.#at + 1] === '\n') this.#skip(2);
      else if (char === '\\' && this.#text.startsWith('\r\n', this.#at + 1)) this.#skip(3);
      else if (char === '#') while (this.#at < this.#text.length && this.#text[this.#at] !== '\n') this.#at += 1;
      else if (char === '\n' || char === ';' || char === '|' || char === '&' || char === '(' || char === ')') {
        this.#endOfCommand();
        this.#skip(1);
      } else if (/\s/.test(char)) this.#skip(1);
      else this.#readWord();
    }
    this.#endOfCommand();
  }

  #skip(count: number): void {
    for (let i = 0; i < count; i += 1) {
      if (this.#text[this.#at] === '\n') this.#line += 1;
      this.#at += 1;
    }
  }

  #readWord(): void {
    const line = this.#line;
    const start = this.#at;
    // The value of a variable is split at its spaces, unless it is quoted, or assigned to another.
    const splits = !ASSIGNMENT.test(this.#text.slice(start, start + NAME_MAX));
    let pieces: string[] = [];
    let unknown: string[] = [];
    let from: readonly string[] = [];
    let length = 0;
    const add = ({ text, unknown: more, from: names }: Word): void => {
      if (names !== undefined) from = from.length === 0 ? names : [...from, ...names].slice(0, NAMES_MAX);
      length += text.length;
      if (length <= WORD_MAX) pieces.push(text);
      else if (unknown.at(-1) !== 'a value that is too long') unknown.push('a value that is too long');
      if (unknown.length < 100) unknown.push(...more);
    };
    const literal = (text: string): void => add({ text, unknown: [] });
    const endWord = (): void => {
      const text = pieces.join('');
      const word: Word = from.length === 0 ? { text, unknown } : { text, unknown, from };
      this.#tokens.push({ line, word, raw: this.#text.slice(start, this.#at) });
      pieces = [];
      unknown = [];
      from = [];
    };
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined || /[\s;|&()]/.test(char)) break;
      if (char === '\\') {
        const next = this.#text[this.#at + 1] ?? '';
        if (next !== '\n') literal(next);
        this.#skip(2);
      } else if (char === "'") literal(this.#readSingle());
      else if (char === '"') this.#readDouble(add);
      else if (char === '$' || char === '`') {
        const isWhole = this.#bracedIsWhole && this.#text.startsWith('${', this.#at);
        const value = this.#affordable(this.#readExpansion());
        const [first = '', ...others] = splits && !isWhole ? value.text.split(/\s+/) : [value.text];
        add({ ...value, text: first });
        const rest: Word = { ...value, unknown: [] };
        for (const other of others) {
          if (length > WORD_MAX) break;
          endWord();
          add({ ...rest, text: other });
        }
      } else {
        literal(char);
        this.#skip(1);
      }
    }
    if (this.#text.slice(start, this.#at).startsWith('$') && pieces.join('') === '' && unknown.length === 0) return;
    endWord();
  }

  #readSingle(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end === -1) return this.#unclosed("'");
    const inside = this.#text.slice(this.#at + 1, end);
    this.#skip(end + 1 - this.#at);
    return inside;
  }

  #readDouble(add: (word: Word) => void): void {
    const opened = { at: this.#at, line: this.#line };
    this.#skip(1);
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) {
        this.faults.push({ line: opened.line, message: 'a quote that begins here has no end' });
        return;
      }
      if (char === '"') {
        this.#skip(1);
        return;
      }
      if (char === '$' || char === '`') add(this.#affordable(this.#readExpansion()));
      else if (char === '\\') {
        const next = this.#text[this.#at + 1] ?? '';
        if (next !== '\n') add({ text: /["$`\\]/.test(next) ? next : `\\${next}`, unknown: [] });
        this.#skip(2);
      } else {
        add({ text: char, unknown: [] });
        this.#skip(1);
      }
    }
  }

  /** Everything from here to the end of the file would be inside of the quote: only this line is taken. */
  #unclosed(quote: string): string {
    this.faults.push({ line: this.#line, message: `a quote (${quote}) that begins here has no end` });
    const end = this.#text.indexOf('\n', this.#at);
    const inside = this.#text.slice(this.#at + 1, end === -1 ? undefined : end);
    this.#at = end === -1 ? this.#text.length : end;
    return inside;
  }

  #affordable(word: Word): Word {
    this.#budget -= word.text.length;
    return this.#budget < 0 ? { text: '', unknown: ['a value that is too long'] } : word;
  }

  #readExpansion(): Word {
    const rest = this.#text.slice(this.#at, this.#at + EXPANSION_MAX);
    const ran = /^\$\((?:[^()]|\([^()]*\))*\)|^`[^`]*`/.exec(rest)?.[0];
    if (ran !== undefined) {
      this.#skip(ran.length);
      return { text: '', unknown: [ran] };
    }
    const [whole, name = '', rule = '', fallback = ''] =
      /^\$\{([A-Za-z_]\w*|[\d@*#?!$-])(:?[-=]|[^}]*?)([^{}]*)\}/.exec(rest) ?? [];
    if (whole !== undefined) {
      this.#skip(whole.length);
      const value = this.#valueOf(name);
      if (rule === '' && fallback === '') return value ?? { text: '', unknown: [whole] };
      const isDefault = /^:?[-=]$/.test(rule) && !/[$`]/.test(fallback);
      if (!isDefault) return { text: '', unknown: [whole] };
      return value !== undefined && value.text !== ''
        ? value
        : { text: fallback.replace(/^(["'])(.*)\1$/, '$2'), unknown: [] };
    }
    const bare = NAME.exec(rest.slice(1))?.[0] ?? /^[\d@*#?!$-]/.exec(rest.slice(1))?.[0];
    if (bare === undefined) {
      this.#skip(1);
      return { text: rest[0] ?? '', unknown: [] };
    }
    this.#skip(bare.length + 1);
    return this.#valueOf(bare) ?? { text: '', unknown: [`$${bare}`] };
  }

  #valueOf(name: string): Word | undefined {
    const value = this.#values.get(name);
    return value && { ...value, from: [name, ...(value.from ?? [])].slice(0, NAMES_MAX) };
  }

  #endOfCommand(): void {
    const tokens = this.#tokens;
    this.#tokens = [];
    let conditional = this.#depth > 0;
    while (tokens.length > 0) {
      const [first] = tokens;
      const raw = first?.raw ?? '';
      if (OPENING.has(raw)) {
        this.#depth += 1;
        conditional = true;
        // A variable of a loop has as many values as the loop has turns; a `case` compares.
        if (raw === 'for') this.#forget(tokens[1]?.word.text);
        if (raw === 'for' || raw === 'case' || raw === 'select') return;
      } else if (CLOSING.has(raw)) this.#depth = Math.max(0, this.#depth - 1);
      else if (!LEADING.has(raw)) break;
      tokens.shift();
    }
    for (;;) {
      const [first] = tokens;
      const assigned = first === undefined ? undefined : ASSIGNMENT.exec(first.raw);
      if (first === undefined || assigned == null) break;
      tokens.shift();
      const [all, name = '', grows] = assigned;
      const text = first.word.text.slice(all.length);
      const value = {
        text: grows === '+' ? `${this.#values.get(name)?.text ?? ''}${text}` : text,
        unknown: first.word.unknown,
        ...(first.word.from === undefined ? {} : { from: first.word.from }),
      };
      this.assignments.push({ line: first.line, name, value });
      this.#values.set(name, value.text.length > WORD_MAX ? { text: '', unknown: [`$${name}`] } : value);
    }
    const [first] = tokens;
    if (first !== undefined)
      this.commands.push({ line: first.line, words: tokens.map(({ word }) => word), conditional });
  }

  #forget(name: string | undefined): void {
    if (name !== undefined) this.#values.delete(name);
  }
}

export interface ScriptOptions {
  /** Variables that have a value before the first line. */
  readonly values?: Readonly<Record<string, string>>;
  /** The number of the first line. */
  readonly firstLine?: number;
  /** As in units of systemd: the value of `${NAME}` is not split at its spaces. */
  readonly bracedIsWhole?: boolean;
}

export const readScript = (text: string, options: ScriptOptions = {}): Script => {
  const reader = new Reader(text, options);
  reader.read();
  return { commands: reader.commands, assignments: reader.assignments, faults: reader.faults };
};
