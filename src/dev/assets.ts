/**
 * The second half of `npm run build`: what the compiler does not do. Puts beside the compiled nodes what Node-RED looks
 * for there, puts the editor's scripts into the pages that belong to them, writes the JSON Schema, makes the command
 * executable, and removes what was compiled from files that are gone, so that a deleted test does not go on passing.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CODE_FILE, schemaCode } from '../config/compiled-schema.ts';
import { configSchema } from '../config/schema.ts';
import { bundleScripts } from './bundle-scripts.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const dist = join(root, 'dist');

/** All files below a folder, relative to the root of the project; none if there is no such folder. */
const filesBelow = (folder: string): readonly string[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    : [];

/** Writes only what differs: another process may be reading it, and an unchanged file is not caught half written. */
const write = (file: string, content: Buffer): void => {
  if (existsSync(file) && readFileSync(file).equals(content)) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
};

/** Destination and source of everything that is copied: Node-RED looks for all three beside the node's script. */
const copies = new Map<string, string>([
  ...filesBelow('nodes')
    .filter((file) => /^nodes[\\/][^\\/]+\.html$/.test(file))
    .map((file) => [join('dist', file), file] as const),
  ...filesBelow('nodes/locales').map((file) => [join('dist', file), file] as const),
  ...filesBelow('icons').map((file) => [join('dist', 'nodes', file), file] as const),
]);

/** What tsc makes of one source file. */
const COMPILED = /\.(?:js|d\.ts)(?:\.map)?$/;

/** The validator of the configuration file, beside the module that loads it. */
const validator = join('dist', 'src', 'config', CODE_FILE);

const hasSource = (file: string): boolean =>
  copies.has(file) ||
  file === validator ||
  file.endsWith('.tsbuildinfo') ||
  (COMPILED.test(file) && existsSync(join(root, relative('dist', file).replace(COMPILED, '.ts'))));

for (const folder of ['dist/src', 'dist/nodes', 'dist/test'])
  for (const file of filesBelow(folder)) if (!hasSource(file)) rmSync(join(root, file));

/** Pages that have a script: `nodes/carp-role.html` has `nodes/editor/carp-role.ts`, which is compiled by now. */
const scripts = new Map(
  [...copies.values()].flatMap((page): [string, string][] => {
    const name = /^nodes[\\/]([^\\/]+)\.html$/.exec(page)?.[1];
    const has = name !== undefined && existsSync(join(root, 'nodes', 'editor', `${name}.ts`));
    return has ? [[page, join(dist, 'nodes', 'editor', `${name}.js`)]] : [];
  }),
);
const bundled = await bundleScripts([...scripts.values()]);

/** Node-RED's tools read the definitions of nodes where they stand in a classic script of the page, not elsewhere. */
const withScript = (source: string): Buffer => {
  const content = readFileSync(join(root, source));
  const script = bundled.get(scripts.get(source) ?? '');
  return script === undefined
    ? content
    : Buffer.concat([content, Buffer.from(`\n<script type="text/javascript">\n${script}</script>\n`)]);
};

for (const [destination, source] of copies) write(join(root, destination), withScript(source));

write(join(dist, 'config.schema.json'), Buffer.from(`${JSON.stringify(configSchema, undefined, 2)}\n`));
write(join(root, validator), Buffer.from(schemaCode()));

chmodSync(join(dist, 'src', 'cli', 'main.js'), 0o755);
