/** What is said by a package whose native code npm did not build: the normal state of an installation with npm 12. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Finding } from '../../src/cli/doctor-finding.ts';
import { Lan } from '../support/netns.ts';
import { pack, unpack } from '../support/packed.ts';
import { missingForWire, toolPath } from '../support/requirements.ts';

const sources = new URL('../../../node_modules/raw-socket/binding.gyp', import.meta.url);
const skip =
  toolPath('npm') === undefined || toolPath('tar') === undefined
    ? 'needs npm and tar'
    : !existsSync(sources) && 'needs raw-socket, built or not: npm install with a C++ compiler';
const START_MS = 20_000;
const hook = new URL('../support/without-koffi.js', import.meta.url).href;
const WITHOUT_KOFFI = { NODE_OPTIONS: `--import=${hook}` };
const BUILD = /: npm install-scripts approve @justjam2013\/raw-socket && npm rebuild raw-socket \(npm 10: npm rebuild/;

describe('the package as npm gets it', { skip }, () => {
  let folder: string;
  let carp: string;
  let bare: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carp-install-'));
    const tarball = await pack(folder);
    carp = await unpack(join(folder, 'unbuilt'), tarball, 'unbuilt');
    bare = await unpack(join(folder, 'absent'), tarball, 'absent');
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const write = (name: string, settings: object): string => {
    const place = join(folder, name);
    mkdirSync(join(place, 'state'), { recursive: true });
    const group = { name: 'plant', interface: 'eth0', vhid: 10, pass: 'secret', addresses: [], ...settings };
    const config = { socket: join(place, 'agent.sock'), state: join(place, 'state'), groups: [group] };
    writeFileSync(join(place, 'carp.yaml'), JSON.stringify(config));
    return join(place, 'carp.yaml');
  };

  /** What doctor finds about the two modules. */
  const diagnose = async (main: string, argv: readonly string[], env: object = {}): Promise<readonly Finding[]> => {
    const stdout = await new Promise<string>((resolve) => {
      const options = { env: { ...process.env, ...env }, timeout: START_MS };
      execFile(process.execPath, [main, 'doctor', '--json', ...argv], options, (_error, text) => resolve(text));
    });
    const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
    return findings.filter(({ about }) => about === 'koffi' || about === 'raw-socket');
  };

  test('koffi works without any script, and raw-socket says that it was not built', async () => {
    const [koffi, raw] = await diagnose(carp, []);
    assert.equal(koffi?.level, 'ok', koffi?.message);
    assert.deepEqual([raw?.level, raw?.remedy], ['ok', undefined]);
    assert.match(raw?.message ?? '', /raw-socket is installed, but was not built; koffi does its work/);
  });

  test('a group that wants raw-socket is told how it is built, and where it is missing, how it is installed', async () => {
    const file = write('wants', { transport: 'raw-socket' });
    const [, unbuilt] = await diagnose(carp, ['-c', file]);
    assert.equal(unbuilt?.level, 'missing');
    assert.match(unbuilt?.remedy ?? '', BUILD);
    const [, absent] = await diagnose(bare, ['-c', file]);
    assert.equal(absent?.level, 'missing');
    assert.match(absent?.remedy ?? '', /: npm install raw-socket@npm:@justjam2013\/raw-socket@\^1\.0\.0; /);
  });

  test('without either both are missing, and each has its command', async () => {
    const [koffi, raw] = await diagnose(carp, [], WITHOUT_KOFFI);
    assert.deepEqual([koffi?.level, raw?.level], ['missing', 'missing']);
    assert.match(koffi?.remedy ?? '', /^npm install koffi@/);
    assert.match(raw?.remedy ?? '', BUILD);
  });

  test('an agent that can run no group ends with what is missing and what to do', {
    skip: missingForWire(),
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const cases = [
      { name: 'raw', settings: { transport: 'raw-socket' }, env: {}, expected: [/not built/, BUILD] },
      {
        name: 'neither',
        settings: { transport: 'auto' },
        env: WITHOUT_KOFFI,
        expected: [/no native module.*koffi.*raw-socket/, /npm install koffi@/, BUILD],
      },
    ];
    for (const { name, settings, env, expected } of cases) {
      const argv = [process.execPath, carp, 'run', '-c', write(name, settings), '--json'];
      const agent = lan.start(lan.host(1), `carp ${name}`, argv, { env });
      const { code } = await agent.untilExit(START_MS);
      assert.equal(code, 1, agent.report());
      const said = agent.stderr.map(({ text }) => text).join('\n');
      for (const pattern of expected) assert.match(said, pattern);
    }
  });

  test('a group of koffi is MASTER beside an unbuilt raw-socket', { skip: missingForWire() }, async (t) => {
    const lan = await Lan.create(t, 1);
    const file = write('koffi', { addresses: ['192.0.2.100/24'] });
    const agent = lan.start(lan.host(1), 'carp', [process.execPath, carp, 'run', '-c', file, '--json']);
    await agent.untilLine(/"role":"MASTER"/, START_MS);
    await lan.untilHolders('192.0.2.100', ['h1'], 2000);
  });
});
