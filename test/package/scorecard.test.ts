/** What flows.nodered.org says of the package: `node-red-dev validate` on the tarball, without the network. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ourDefinitions, ROOT } from '../support/built.ts';
import { PACKAGE, pack, unpack } from '../support/packed.ts';
import { install, missingForInstall } from '../support/registry.ts';

// Its 440 packages, some of them old, are none that every developer should install.
const TOOL = 'node-red-dev@0.1.6';
const RUN_MS = 120_000;
const skip = missingForInstall();
const offline = new URL('../support/scorecard-offline.js', import.meta.url).href;

interface Score {
  readonly test: boolean;
  readonly nodes?: readonly string[];
}

describe('the scorecard of the packed package', { skip, timeout: 600_000 }, () => {
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carp-scorecard-'));
    const tool = join(folder, 'tool');
    mkdirSync(tool);
    writeFileSync(join(tool, 'package.json'), '{ "private": true }');
    await install({ folder: tool, packages: [TOOL], options: ['--ignore-scripts'] });
    await unpack(join(folder, 'plain'), await pack(folder), 'absent');
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const validate = async (place: string) => {
    const output = join(folder, 'scorecard.json');
    rmSync(output, { force: true });
    const bin = join(folder, 'tool', 'node_modules', 'node-red-dev', 'bin', 'run');
    const argv = ['--import', offline, bin, 'validate', '-p', place, '-o', output];
    const env = { ...process.env, SCORECARD_TOOL: join(folder, 'tool'), SCORECARD_ROOT: ROOT };
    const said = await new Promise<string>((resolve) => {
      execFile(process.execPath, argv, { env, timeout: RUN_MS }, (error, stdout, stderr) =>
        resolve(`${stdout}${stderr}${error === null ? '' : error.message}`),
      ).stdin?.end();
    });
    return { said, score: JSON.parse(readFileSync(output, 'utf8')) as Readonly<Record<string, Score>> };
  };

  test('has no warning, and has looked at every node type of the palette', async () => {
    const { said, score } = await validate(join(folder, 'plain', 'node_modules', PACKAGE));
    assert.match(said, /Complete/);
    assert.doesNotMatch(said, /Warning|Error|Unable to parse/i, said);
    const { package: _name, ...tests } = score;
    assert.deepEqual(
      Object.keys(tests).sort(),
      ['D01', 'D02', 'D03', 'N01', 'N02', 'P01', 'P03', 'P04', 'P05', 'P06', 'P07', 'P08'],
      said,
    );
    for (const [name, { test: passed }] of Object.entries(tests)) assert.equal(passed, true, `${name}\n${said}`);
    const palette = [...ourDefinitions()].filter(([, { category }]) => category !== 'config').map(([type]) => type);
    assert.ok(palette.length >= 2);
    // Files that the tool cannot parse have no types, and types that are not there pass every test.
    assert.deepEqual([...(score['N02']?.nodes ?? [])].sort(), palette.sort());
  });

  test('would warn of a licence, an example and an old Node.js that are missing', async () => {
    const home = await unpackedWithout(folder);
    const { said, score } = await validate(home);
    for (const name of ['P01', 'P07', 'N02']) assert.equal(score[name]?.test, false, `${name}\n${said}`);
    assert.match(said, /Warning/);
  });
});

/** The same package with mistakes in it. */
const unpackedWithout = async (folder: string): Promise<string> => {
  const place = join(folder, 'broken');
  await unpack(place, await pack(folder), 'absent');
  const home = join(place, 'node_modules', PACKAGE);
  rmSync(join(home, 'examples'), { recursive: true });
  const { license: _license, ...rest } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as object & {
    readonly license: unknown;
  };
  writeFileSync(join(home, 'package.json'), JSON.stringify({ ...rest, engines: { node: '>=24' } }));
  return home;
};
