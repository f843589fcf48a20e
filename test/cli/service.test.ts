/** The unit file, as far as it can be tested without a machine that systemd has started. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missingCapabilities } from '../../src/agent/privileges.ts';
import { parseConfig } from '../../src/config/load.ts';
import { toolPath } from '../support/requirements.ts';

const UNIT = readFileSync(new URL('../../../examples/carp.service', import.meta.url), 'utf8');
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const analyze = toolPath('systemd-analyze');

/** All values of a directive, in order. */
const values = (key: string): readonly string[] =>
  UNIT.split('\n').flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));

test('systemd knows each directive of the unit, and finds its commands', {
  skip: analyze === undefined && 'needs systemd-analyze: apt-get install systemd',
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'carp-unit-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const verify = (name: string, text: string): Promise<{ failed: boolean; said: string }> =>
    new Promise((resolve) => {
      const file = join(folder, name);
      writeFileSync(file, text);
      execFile(analyze ?? '', ['verify', '--man=no', file], (error, _stdout, stderr) => {
        // What is wrong with other units of this machine is not ours.
        const said = stderr.split('\n').filter((line) => line.includes(name));
        resolve({ failed: error !== null, said: said.join('\n') });
      });
    });
  const here = UNIT.replaceAll('=carp ', `=${process.execPath} ${MAIN} `);
  assert.notEqual(here, UNIT);
  const good = await verify('carp.service', here);
  assert.deepEqual(good, { failed: false, said: '' });
  const bad = await verify('carp-misspelt.service', here.replace('WatchdogSec=', 'WatchDogSecs='));
  assert.match(bad.said, /Unknown key .*WatchDogSecs/);
});

test('the unit gives what the agent needs: capabilities, and the folders of the defaults', () => {
  const bits: Readonly<Record<string, bigint>> = { CAP_NET_ADMIN: 1n << 12n, CAP_NET_RAW: 1n << 13n };
  for (const key of ['AmbientCapabilities', 'CapabilityBoundingSet']) {
    const names = values(key).flatMap((value) => value.split(' '));
    const mask = names.reduce((sum, name) => sum | (bits[name] ?? 0n), 0n);
    assert.deepEqual(missingCapabilities(`CapEff:\t${mask.toString(16)}`), [], key);
    assert.equal(names.length, 2, `${key}: nothing else`);
  }
  const parsed = parseConfig({ groups: [] });
  const config = parsed.ok ? parsed.config : assert.fail(JSON.stringify(parsed.errors));
  assert.equal(config.socket, `/run/${values('RuntimeDirectory')[0]}/agent.sock`);
  assert.equal(config.state, `/var/lib/${values('StateDirectory')[0]}`);
  // A raw socket, netlink, gratuitous ARP, and the socket of clients.
  assert.deepEqual(values('RestrictAddressFamilies')[0]?.split(' ').sort(), [
    'AF_INET',
    'AF_INET6',
    'AF_NETLINK',
    'AF_PACKET',
    'AF_UNIX',
  ]);
  assert.deepEqual(values('RestartPreventExitStatus'), ['2 77']);
});
