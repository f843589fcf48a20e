/**
 * What npm makes of the two native modules, for each Node.js and npm, with a compiler and without. Installs everything
 * from the registry fourteen times, and so runs only where CARP_INSTALL_MATRIX=1 asks for it; its results are the table
 * of the README.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { PACKAGE, pack } from '../support/packed.ts';

const execute = promisify(execFile);
const STEP_MS = 300_000;
const { CARP_INSTALL_MATRIX, PATH = '' } = process.env;
const skip = CARP_INSTALL_MATRIX !== '1' && 'takes minutes and a registry: CARP_INSTALL_MATRIX=1';

const NODES = [20, 22, 24, 26] as const;
/** npm 12 does not run on Node.js 20. */
const runs = (node: number, npm: number): boolean => npm < 12 || node >= 22;
/** Whatever builds native code, by the names that node-gyp and make look for. */
const BUILDS = /^(g?make|python|cc$|c\+\+|cpp|gcc|g\+\+|clang|x86_64-linux-gnu-g|aarch64-linux-gnu-g)/;

/** Says of each module `loads`, or why not. */
const LOAD = `
  const adapters = new URL('./node_modules/${PACKAGE}/dist/src/adapters/', import.meta.url);
  const { libc } = await import(new URL('linux/libc.js', adapters));
  const { loadRawSocket } = await import(new URL('raw-socket/load-raw-socket.js', adapters));
  for (const load of [libc, loadRawSocket])
    try {
      load();
      console.log('loads');
    } catch (error) {
      console.log(error.message);
    }
`;

describe('installing the package', { skip }, () => {
  let folder: string;
  let tarball: string;

  /** A folder with one package from the registry in it. */
  const fetch = async (name: string): Promise<string> => {
    const place = join(folder, name);
    mkdirSync(place);
    writeFileSync(join(place, 'package.json'), '{}');
    await execute('npm', ['install', '--prefer-offline', name], { cwd: place, timeout: STEP_MS });
    return join(place, 'node_modules');
  };
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carp-matrix-'));
    tarball = await pack(folder);
    for (const node of NODES) await fetch(`node@${node}`);
    for (const npm of [11, 12]) await fetch(`npm@${npm}`);
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** A PATH on which this Node.js and npm are, and no others; without a compiler, links to all other programs. */
  const pathWith = (node: number, npm: number, compiler: boolean): string => {
    const place = mkdtempSync(join(folder, 'bin-'));
    const binary = join(folder, `node@${node}`, 'node_modules/node/bin/node');
    const cli = join(folder, `npm@${npm}`, 'node_modules/npm/bin/npm-cli.js');
    symlinkSync(binary, join(place, 'node'));
    writeFileSync(join(place, 'npm'), `#!/bin/sh\nexec ${binary} ${cli} "$@"\n`, { mode: 0o755 });
    if (compiler) return `${place}:${PATH}`;
    for (const name of readdirSync('/usr/bin'))
      if (!BUILDS.test(name) && !existsSync(join(place, name))) symlinkSync(join('/usr/bin', name), join(place, name));
    return place;
  };
  /** Node's headers came with it. */
  const headersOf = (node: number): string => {
    const modules = join(folder, `node@${node}`, 'node_modules/node/node_modules');
    const headers = (name: string): boolean => existsSync(join(modules, name, 'include/node/node.h'));
    const name = readdirSync(modules).find(headers);
    assert.ok(name, `no headers in ${modules}`);
    return join(modules, name);
  };

  for (const node of NODES)
    for (const npm of [11, 12].filter((each) => runs(node, each)))
      for (const compiler of [true, false])
        test(`with Node.js ${node} and npm ${npm}, ${compiler ? 'with' : 'without'} a compiler`, async (t) => {
          const place = mkdtempSync(join(folder, 'project-'));
          writeFileSync(join(place, 'package.json'), '{"private":true}');
          writeFileSync(join(place, 'load.mjs'), LOAD);
          const env = {
            ...process.env,
            PATH: pathWith(node, npm, compiler),
            npm_config_nodedir: headersOf(node),
            npm_config_prefer_offline: 'true',
            npm_config_update_notifier: 'false',
          };
          const call = async (file: string, ...argv: readonly string[]): Promise<string> =>
            (await execute(file, argv, { cwd: place, env, timeout: STEP_MS })).stdout;
          const loads = async (): Promise<readonly string[]> => (await call('node', 'load.mjs')).trim().split('\n');

          await call('npm', 'install', tarball);
          const [koffi, rawSocket] = await loads();
          t.diagnostic(`koffi: ${koffi}; raw-socket: ${rawSocket}`);
          assert.equal(koffi, 'loads');
          if (npm === 12) {
            assert.equal(rawSocket, 'the module raw-socket is installed, but was not built');
            if (!compiler) return;
            await call('npm', 'install-scripts', 'approve', '@justjam2013/raw-socket');
            await call('npm', 'rebuild', 'raw-socket');
            assert.deepEqual(await loads(), ['loads', 'loads']);
          } else {
            assert.equal(rawSocket, compiler ? 'loads' : 'the module raw-socket is not installed');
          }
        });
});
