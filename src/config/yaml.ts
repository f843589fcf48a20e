import {
  type Document,
  isAlias,
  isMap,
  isNode,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import type { ConfigError, Path } from './findings.ts';

export type ReadText =
  | { readonly ok: true; readonly value: unknown; readonly lineOf: (path: Path) => number | undefined }
  | { readonly ok: false; readonly errors: readonly ConfigError[] };

/** So many copies of anchored values may a document ask for; a "billion laughs" asks for more. */
const ALIASES_MAX = 100;

/** The first mistakes cause most of the others. */
const FAULTS_MAX = 20;

/**
 * What the parser's codes mean. Its own messages are not shown: they quote the text of the file, which may be a
 * password that should have been put in quotes.
 */
const EXPLANATION = {
  BAD_ALIAS: 'a value that begins with * is an alias; put it in quotes',
  BAD_SCALAR_START: 'a value cannot begin with this character; put it in quotes',
  BAD_DQ_ESCAPE: 'unknown escape after a backslash; use single quotes to keep backslashes as they are',
  BAD_INDENT: 'the indentation does not fit the lines above',
  BLOCK_AS_IMPLICIT_KEY: 'a second ": " on one line; put the value in quotes',
  DUPLICATE_KEY: 'this key is there twice; remove one',
  MISSING_CHAR: 'a quote, bracket, brace, comma or ":" is missing here',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line; perhaps a ":" is missing',
  MULTIPLE_DOCS: 'a second document begins here; a configuration is one',
  RESOURCE_EXHAUSTION: 'it is nested too deeply',
  TAB_AS_INDENT: 'lines are indented with spaces, not with tabs',
  TAG_RESOLVE_FAILED: 'a value that begins with ! is a tag, and tags are not used here; put it in quotes',
  UNEXPECTED_TOKEN: 'this was not expected here; look for a missing comma, quote or space',
} as const satisfies Partial<Record<YAMLError['code'], string>>;

const explain = ({ code }: YAMLError): string =>
  (EXPLANATION as Partial<Record<YAMLError['code'], string>>)[code] ?? `this is not valid YAML (${code})`;

/** The node that a line can be told of: that of the key, or of the item. */
const nodeAt = (document: Document, path: Path): unknown => {
  const parent = document.getIn(path.slice(0, -1), true);
  const pair = isMap(parent) ? parent.items.find(({ key }: Pair) => String(key) === path.at(-1)) : undefined;
  return pair?.key ?? document.getIn(path, true);
};

interface Fault {
  readonly code: keyof typeof EXPLANATION;
  readonly offset: number;
}

const offsetOf = (node: unknown): number => (isNode(node) ? (node.range?.[0] ?? 0) : 0);

/**
 * Keys that are there twice, and aliases whose anchor does not exist, most likely values that were not meant to be one.
 * The parser would find both itself, but compares each key with each other one, and tells of aliases without a place.
 */
const inspect = (document: Document): readonly Fault[] => {
  const faults: Fault[] = [];
  const anchors = new Set<string>();
  visit(document, {
    Node: (_key, node) => {
      if (isAlias(node)) {
        if (!anchors.has(node.source)) faults.push({ code: 'BAD_ALIAS', offset: offsetOf(node) });
      } else if (node.anchor !== undefined) anchors.add(node.anchor);
      if (!isMap(node)) return;
      const keys = new Set<string>();
      for (const { key } of node.items) {
        if (keys.has(String(key))) faults.push({ code: 'DUPLICATE_KEY', offset: offsetOf(key) });
        keys.add(String(key));
      }
    },
  });
  return faults;
};

/** Reads YAML 1.2 or JSON, which is a part of it. Anchors may be used, tags may not. Never throws. */
export const readText = (text: string): ReadText => {
  const lines = new LineCounter();
  const failure = (message: string, offset?: number): ConfigError => {
    if (offset === undefined) return { path: '', message };
    const { line, col } = lines.linePos(offset);
    return { path: '', message: `${message} (column ${col})`, line };
  };
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      logLevel: 'error',
      uniqueKeys: false,
    });
    const faults = [...document.errors, ...document.warnings];
    if (faults.length > 0)
      return { ok: false, errors: faults.slice(0, FAULTS_MAX).map((fault) => failure(explain(fault), fault.pos[0])) };
    const found = inspect(document);
    if (found.length > 0)
      return {
        ok: false,
        errors: found.slice(0, FAULTS_MAX).map(({ code, offset }) => failure(EXPLANATION[code], offset)),
      };
    const lineOf = (path: Path): number | undefined => {
      // The nearest that exists: something missing is told of the object that lacks it.
      for (let end = path.length; end > 0; end -= 1) {
        const node = nodeAt(document, path.slice(0, end));
        if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
      }
      return undefined;
    };
    return { ok: true, value: document.toJS({ maxAliasCount: ALIASES_MAX }) as unknown, lineOf };
  } catch (error) {
    // Too many aliases are a ReferenceError, too deep a nesting is a RangeError of the stack.
    const problem =
      error instanceof ReferenceError ? 'it repeats anchored values too often' : 'it is nested too deeply';
    return { ok: false, errors: [failure(`${problem}; write it out plainly`)] };
  }
};
