/** The unit file for people with ucarp's options, as far as it can be tested without a machine that systemd has started. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseUcarp } from '../../src/cli/ucarp-options.ts';
import { toolPath } from '../support/requirements.ts';

const UNIT = readFileSync(new URL('../../../examples/carp-ucarp@.service', import.meta.url), 'utf8');
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const analyze = toolPath('systemd-analyze');

test('systemd knows each directive of the unit, and finds its command', {
  skip: analyze === undefined && 'needs systemd-analyze: apt-get install systemd',
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'carp-unit-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'carp-ucarp@web.service');
  writeFileSync(file, UNIT.replace('=carp ', `=${process.execPath} ${MAIN} `));
  const said = await new Promise<string>((resolve) => {
    execFile(analyze ?? '', ['verify', '--man=no', file], (_error, _stdout, stderr) => resolve(stderr));
  });
  // What is wrong with other units of this machine is not ours.
  assert.doesNotMatch(said, /carp-ucarp/);
});

test('the options in its head are those of the command, and its times are longer than those of the scripts', () => {
  const [, line = ''] = /'UCARP=(.*?)'/.exec(UNIT) ?? [];
  const [, fixed = ''] = /^ExecStart=carp ucarp (.*) \$UCARP$/m.exec(UNIT) ?? [];
  const options = parseUcarp([fixed, ...line.split(' ')]);
  assert.ok(options !== 'help');
  assert.deepEqual(options.hints, []);
  assert.equal(options.facility, 'none');
  const [, stop = ''] = /^TimeoutStopSec=(\d+)s$/m.exec(UNIT) ?? [];
  assert.ok(Number(stop) >= options.scriptTimeout + 5, stop);
});
