/**
 * The tarball, installed into a fresh user directory as the palette manager does it, with install scripts and without,
 * and run by the Node-RED and the Node.js of this run. `.ci/run` has two of each.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { manifest, ourDefinitions, ROOT } from '../support/built.ts';
import { LocalNodeRed, probed } from '../support/local-node-red.ts';
import { PACKAGE, pack } from '../support/packed.ts';
import { install, missingForInstall } from '../support/registry.ts';
import { until } from '../support/wait.ts';

const skip = missingForInstall();
const nodeRed = createRequire(import.meta.url)('node-red/package.json') as { readonly version: string };
const NODE_MAJOR = Number(process.versions.node.split('.')[0]);
const TAKEOVER_MS = 60_000;
const EXAMPLE = 'run-jobs-only-on-the-master.json';

interface Way {
  readonly name: string;
  readonly options: readonly string[];
  /** The version of npm that is brought for it. */
  readonly npm?: string;
  readonly skip?: string | false;
}

const WAYS: readonly Way[] = [
  { name: 'npm and its scripts', options: [] },
  { name: 'npm, and no script may run', options: ['--ignore-scripts'] },
  {
    name: 'npm 12, which asks before it runs scripts',
    options: [],
    npm: 'npm@12',
    skip: NODE_MAJOR < 22 && 'npm 12 needs Node.js 22',
  },
];

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
}

describe(`the tarball in Node-RED ${nodeRed.version} with Node.js ${process.version}`, {
  skip,
  timeout: 900_000,
}, () => {
  let folder: string;
  let tarball: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carp-palette-'));
    tarball = await pack(folder);
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  });

  const empty = (name: string): string => {
    const place = join(folder, name);
    mkdirSync(place);
    writeFileSync(join(place, 'package.json'), '{ "name": "node-red-project", "private": true }');
    return place;
  };

  const npmCli = async (version: string): Promise<string> => {
    const place = empty('npm');
    await install({ folder: place, packages: [version] });
    return join(place, 'node_modules', 'npm', 'bin', 'npm-cli.js');
  };

  for (const [index, way] of WAYS.entries())
    test(`installed by ${way.name}, registers all nodes, and an example fails over`, {
      skip: way.skip ?? false,
    }, async (t) => {
      const npm = way.npm === undefined ? {} : { npm: await npmCli(way.npm) };
      const userDir = empty(`user-${index}`);
      const begun = Date.now();
      await install({ folder: userDir, packages: [tarball], options: ['--omit=dev', ...way.options], ...npm });
      const installedMs = Date.now() - begun;
      const main = join(userDir, 'node_modules', PACKAGE, 'dist', 'src', 'cli', 'main.js');
      assert.match(execFileSync(process.execPath, [main, '--version'], { encoding: 'utf8' }), /\d+\.\d+\.\d+/);

      const flow = JSON.parse(readFileSync(join(ROOT, 'examples', EXAMPLE), 'utf8')) as readonly FlowNode[];
      const started = await LocalNodeRed.start(t, { userDir });
      const sets = await started.ours('nodes');
      for (const set of sets) assert.equal(set.err, undefined, JSON.stringify(set));
      const types = sets.flatMap((set) => set.types ?? []).sort();
      assert.deepEqual(types, [...ourDefinitions().keys()].sort());
      const plugins = (await started.ours('plugins')).map(({ id }) => id);
      const { plugins: promised = {} } = manifest['node-red'];
      assert.deepEqual(
        plugins.sort(),
        Object.keys(promised)
          .map((name) => `${PACKAGE}/${name}`)
          .sort(),
      );
      const offered = await started.get<readonly (string | { readonly fn: string })[]>(
        `library/examples/flows/${PACKAGE}/`,
      );
      assert.deepEqual(
        offered.map((one) => (typeof one === 'string' ? one : one.fn).replace(/(\.json)?$/, '.json')).sort(),
        readdirSync(join(ROOT, 'examples'))
          .filter((file) => file.endsWith('.json'))
          .sort(),
      );

      await started.deploy(probed(flow));
      const jobOn = (host: string, from = 0): Promise<unknown> =>
        until(
          `a job on ${host}`,
          TAKEOVER_MS,
          () =>
            started
              .seen()
              .slice(from)
              .some(({ at }) => at === `job on ${host}`),
          () => started.child.report(),
        );
      await jobOn('plc1');
      const before = started.seen();
      assert.ok(before.every(({ at }) => at === 'job on plc1'));
      const plug = flow.find(({ type, name }) => type === 'inject' && name === 'Pull the plug of plc1');
      await started.press(plug?.id ?? '');
      await jobOn('plc2', before.length);
      assert.deepEqual(started.problems(), []);
      await stopped(started);
      t.diagnostic(`installed in ${(installedMs / 1000).toFixed(1)} s`);
    });
});

/** Its end is part of the story: nothing of it stays behind. */
const stopped = async ({ child }: LocalNodeRed): Promise<void> => {
  child.signal('SIGTERM');
  const { code, signal } = await child.untilExit(20_000);
  assert.deepEqual([code, signal], [0, null], child.report());
};
