import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CODE_FILE } from '../../src/config/compiled-schema.ts';
import { configSchema } from '../../src/config/schema.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/** The script, and what it imports. */
const SCRIPTS = [
  ...['dev/assets', 'dev/bundle-scripts'],
  ...['config/compiled-schema', 'config/schema', 'config/schema-mqtt', 'config/default-socket'],
  'adapters/mqtt/settings',
];
/** A small project with the real script in it, because the script changes the project it lies in. */
let project = '';
const at = (file: string): string => join(project, file);
const build = (): void => void execFileSync(process.execPath, [at('dist/src/dev/assets.js')], { stdio: 'pipe' });

const put = (file: string, content = file): void => {
  mkdirSync(dirname(at(file)), { recursive: true });
  writeFileSync(at(file), content);
};

before(() => {
  project = mkdtempSync(join(tmpdir(), 'carp-assets-'));
  put('package.json', '{ "type": "module" }');
  for (const name of SCRIPTS) {
    mkdirSync(dirname(at(`dist/src/${name}.js`)), { recursive: true });
    cpSync(join(root, `dist/src/${name}.js`), at(`dist/src/${name}.js`));
    put(`src/${name}.ts`);
  }
  for (const file of ['nodes/carp-role.html', 'nodes/carp-role.ts', 'nodes/locales/en-US/carp-role.json']) put(file);
  for (const file of ['icons/carp-role.svg', 'src/cli/main.ts', 'test/wire/kept.test.ts']) put(file);
  for (const file of ['dist/nodes/carp-role.js', 'dist/src/cli/main.js', 'dist/test/wire/kept.test.js']) put(file);
  for (const file of ['nodes/carp-gate.html', 'nodes/editor/carp-gate.ts', 'nodes/editor/shared.ts']) put(file);
  put('dist/nodes/editor/shared.js', 'export const shared = "</script>";');
  put(
    'dist/nodes/editor/carp-gate.js',
    'import { shared } from "./shared.js";\nRED.register("carp-gate", { shared });',
  );
  symlinkSync(join(root, 'node_modules'), at('node_modules'), 'junction');
  build();
});
after(() => rmSync(project, { recursive: true, force: true }));

test('help, locales and icons lie beside the compiled nodes, where Node-RED looks for them', () => {
  assert.equal(readFileSync(at('dist/nodes/carp-role.html'), 'utf8'), 'nodes/carp-role.html');
  assert.ok(existsSync(at('dist/nodes/locales/en-US/carp-role.json')));
  assert.ok(existsSync(at('dist/nodes/icons/carp-role.svg')));
});

test('a page whose script is written apart gets it as one classic script, with what that imports', () => {
  const page = readFileSync(at('dist/nodes/carp-gate.html'), 'utf8');
  const [, script = ''] =
    /^nodes\/carp-gate\.html\n<script type="text\/javascript">\n([\s\S]*)<\/script>\n$/.exec(page) ?? [];
  assert.match(script, /^ *RED\.register\("carp-gate", \{ shared \}\);$/m);
  const registered: unknown[] = [];
  new Function('RED', script)({ register: (...all: readonly unknown[]) => void registered.push(...all) });
  assert.deepEqual(registered, ['carp-gate', { shared: '</script>' }]);
  assert.ok(!script.includes('</script>'), 'the end of the script would be the end of it in the page');
});

test('the schema is written as JSON, and the command can be executed', () => {
  assert.deepEqual(
    JSON.parse(readFileSync(at('dist/config.schema.json'), 'utf8')),
    JSON.parse(JSON.stringify(configSchema)),
  );
  assert.equal(statSync(at('dist/src/cli/main.js')).mode & 0o777, 0o755);
});

test('what was built from a file that is gone goes as well, and what has a source stays', () => {
  const stale = [
    'dist/test/wire/gone.test.js',
    'dist/test/wire/gone.test.js.map',
    'dist/test/wire/gone.test.d.ts',
    'dist/src/engine/gone.js',
    'dist/nodes/gone.html',
    'dist/nodes/locales/de/gone.json',
    'dist/nodes/icons/gone.svg',
  ];
  for (const file of stale) put(file);
  put('dist/test/tsconfig.tsbuildinfo');
  // From here on no page has a script: the bundler would take several times as long as all else.
  rmSync(at('nodes/editor'), { recursive: true });
  build();
  assert.deepEqual(
    stale.filter((file) => existsSync(at(file))),
    [],
  );
  for (const file of ['dist/test/wire/kept.test.js', 'dist/nodes/carp-role.js', 'dist/test/tsconfig.tsbuildinfo'])
    assert.ok(existsSync(at(file)), file);
  assert.ok(existsSync(at(`dist/src/config/${CODE_FILE}`)), 'that has no source of its own');
  assert.equal(readFileSync(at('dist/nodes/carp-gate.html'), 'utf8'), 'nodes/carp-gate.html');
});

test('a file that did not change is not written again, and one that changed is', () => {
  const long = new Date(0);
  utimesSync(at('dist/nodes/icons/carp-role.svg'), long, long);
  put('nodes/carp-role.html', 'new');
  build();
  assert.equal(statSync(at('dist/nodes/icons/carp-role.svg')).mtimeMs, 0);
  assert.equal(readFileSync(at('dist/nodes/carp-role.html'), 'utf8'), 'new');
});
