/** The texts of the editor, as they lie in nodes/locales: what forms, statuses and the sidebar say, and the help. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './built.ts';

const NODES = join(ROOT, 'nodes');
const LOCALES = join(NODES, 'locales');

/** What all other languages are translated from. */
export const SOURCE = 'en-US';
export const LANGUAGES: readonly string[] = readdirSync(LOCALES);

const filesIn = (folder: string, extension: string): readonly string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith(extension))
    .map((file) => file.slice(0, -extension.length))
    .sort();

/** Node types and plugins that have texts; each has a file of its own. */
export const SETS = filesIn(join(LOCALES, SOURCE), '.json');
/** Those that are nodes: all but the sidebar. */
export const TYPES = SETS.filter((set) => page(set).includes(`data-template-name="${set}"`));
export const OTHER_LANGUAGES = LANGUAGES.filter((language) => language !== SOURCE);

/** The form of a node type, or the style of the sidebar, as it is written. */
export function page(set: string): string {
  const file = join(NODES, `${set}.html`);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

export const setsOf = (language: string): readonly string[] => filesIn(join(LOCALES, language), '.json');

const flat = (level: object, path: string): readonly [string, unknown][] =>
  Object.entries(level).flatMap(([step, value]: [string, unknown]) => {
    const key = path === '' ? step : `${path}.${step}`;
    return typeof value === 'object' && value !== null ? flat(value, key) : [[key, value]];
  });

/** All texts of a set, by their whole key: `carp-role.label.group`. What is no text is as it is. */
export const textsOf = (language: string, set: string): ReadonlyMap<string, unknown> =>
  new Map(flat(JSON.parse(readFileSync(join(LOCALES, language, `${set}.json`), 'utf8')), ''));

/** The help of a node type, with its script tags. Empty if there is none. */
export const helpOf = (language: string, type: string): string => {
  const file = join(LOCALES, language, `${type}.html`);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
};

/** The sources of a folder of nodes/, by file name. */
export const sources = (folder: '.' | 'editor'): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(join(NODES, folder))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
      .map((file) => [file.slice(0, -'.ts'.length), readFileSync(join(NODES, folder, file), 'utf8')]),
  );
