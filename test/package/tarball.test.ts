/** What is in the package that npm gets, and what is not. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { CODE_FILE } from '../../src/config/compiled-schema.ts';
import { manifest, ourDefinitions } from '../support/built.ts';
import { pack } from '../support/packed.ts';
import { toolPath } from '../support/requirements.ts';

const execute = promisify(execFile);
const skip = toolPath('npm') === undefined || toolPath('tar') === undefined ? 'needs npm and tar' : false;
/** The palette manager fetches it over whatever line a plant has. */
const PACKED_BYTES_MAX = 1_000_000;
/** As tsc writes them: statements from the start of a line, `import('…')`, and the programs that are started by name. */
const IMPORTS = [
  /^(?:import|export)\b[^'"();]*?from ["']([^"']+)["']/gm,
  /^import ["']([^"']+)["']/gm,
  /\bimport\(["']([^"']+)["']\)/g,
  /new URL\(["'](\.[^"']+\.js)["'], import\.meta\.url\)/g,
];

describe('the packed package', { skip }, () => {
  let folder: string;
  let tarball: string;
  let home: string;
  let files: readonly string[];
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carp-tarball-'));
    tarball = await pack(folder);
    home = join(folder, 'package');
    mkdirSync(home);
    await execute('tar', ['-xzf', tarball, '-C', folder]);
    files = readdirSync(home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(home, join(entry.parentPath, entry.name)));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test('is small, and has no tests, no sources and nothing that only a build needs', (t) => {
    const bytes = statSync(tarball).size;
    t.diagnostic(`${files.length} files, ${Math.round(bytes / 1000)} kB packed`);
    assert.ok(bytes < PACKED_BYTES_MAX, `${bytes} bytes`);
    const strange = files.filter(
      (file) => !/^(dist\/(src|nodes)\/|dist\/config\.schema\.json$|examples\/|[^/]+$)/.test(file),
    );
    assert.deepEqual(strange, []);
    const useless =
      /\.tsbuildinfo$|\.map$|\.test\.|(^|\/)tsconfig|^dist\/(test|src\/dev|nodes\/editor)\/|(?<!\.d)\.ts$/;
    assert.deepEqual(
      files.filter((file) => useless.test(file)),
      [],
    );
    for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json'])
      assert.ok(files.includes(name), `${name} is missing`);
  });

  test('has script, form, texts and icon of every node, and of every plugin', () => {
    const { nodes, plugins = {} } = manifest['node-red'];
    for (const script of [...Object.values(nodes), ...Object.values(plugins)]) {
      assert.ok(files.includes(script), script);
      assert.ok(files.includes(script.replace(/\.js$/, '.html')), `${script} has no HTML beside it`);
    }
    for (const [name, script] of Object.entries(nodes))
      assert.ok(files.includes(`${dirname(script)}/locales/en-US/${name}.json`), `${name} has no texts`);
    for (const [type, { icon }] of ourDefinitions())
      assert.ok(typeof icon === 'string' && files.includes(`dist/nodes/icons/${icon}`), `${type} has no icon ${icon}`);
    assert.ok(files.some((file) => /^examples\/.*\.json$/.test(file)));
  });

  test('imports nothing that is not in it or in its dependencies', () => {
    const allowed = new Set([
      ...builtinModules.flatMap((name) => [name, `node:${name}`]),
      ...Object.keys(manifest.dependencies),
      ...Object.keys(manifest.optionalDependencies),
    ]);
    let imports = 0;
    for (const file of files.filter((name) => name.endsWith('.js'))) {
      const code = readFileSync(join(home, file), 'utf8');
      for (const [, wanted = ''] of IMPORTS.flatMap((pattern) => [...code.matchAll(pattern)])) {
        imports += 1;
        const name = /^(@[^/]+\/)?[^/]+/.exec(wanted)?.[0] ?? '';
        if (wanted.startsWith('.')) assert.ok(existsSync(join(home, dirname(file), wanted)), `${file}: ${wanted}`);
        else assert.ok(allowed.has(name) || allowed.has(wanted), `${file}: ${wanted}`);
      }
    }
    assert.ok(imports > 100);
  });

  test('has the schema of the configuration, for editors and as code: starts are quick', () => {
    for (const name of ['dist/config.schema.json', `dist/src/config/${CODE_FILE}`])
      assert.ok(files.includes(name), name);
  });

  test('has a command and a library that can be run from there', async () => {
    const { bin, exports } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
      readonly bin: Readonly<Record<string, string>>;
      readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
    };
    for (const file of [
      ...Object.values(bin),
      ...Object.values(exports).flatMap((one) => (typeof one === 'string' ? [one] : Object.values(one))),
    ])
      assert.ok(files.includes(file.replace(/^\.\//, '')), file);
    assert.match(readFileSync(join(home, bin['carp'] ?? ''), 'utf8'), /^#!\/usr\/bin\/env node\n/);
  });

  test('runs no script of its own when it is installed', () => {
    const { scripts } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { readonly scripts: object };
    // npm asks before it runs these, or does not run them at all. `prepare` is for checkouts.
    for (const name of ['preinstall', 'install', 'postinstall']) assert.ok(!Object.hasOwn(scripts, name), name);
  });
});
