import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { carp, lines } from './carp.ts';

const folder = mkdtempSync(join(tmpdir(), 'carp-check-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

const VALID = `groups:
  - { name: a, interface: eth0, vhid: 1, pass: secret, addresses: [192.0.2.100/24] }
  - { name: b, interface: eth0, vhid: 2, pass: secret, addresses: [192.0.2.101/24] }
`;

test('a valid file is told so in one line, with exit code 0', async () => {
  const file = write('valid.yaml', VALID);
  assert.deepEqual(await carp(['check', '-c', file]), { code: 0, stdout: `${file} is valid: 2 groups\n`, stderr: '' });
});

test('a file with warnings is valid; they are on stderr', async () => {
  const file = write('warnings.yaml', `${VALID}  - { name: c, interface: eth0, vhid: 3, deadratio: 1 }\n`);
  const { code, stdout, stderr } = await carp(['check', '--config', file]);
  assert.equal(code, 0);
  assert.equal(stdout, `${file} is valid: 3 groups\n`);
  assert.equal(lines(stderr).length, 2);
  assert.ok(lines(stderr).every((line) => line.startsWith(`warning: ${file}: line 4: groups[2]`)));
});

test('all errors are shown at once, with exit code 2 and nothing on stdout', async () => {
  const file = write('invalid.yaml', VALID.replace('vhid: 1', 'vhid: 300').replace('192.0.2.101/24', '192.0.2.101'));
  const { code, stdout, stderr } = await carp(['check', '-c', file]);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.deepEqual(lines(stderr), [
    `error: ${file}: line 2: groups[0].vhid: must be a whole number from 1 to 255, but is 300`,
    `error: ${file}: line 3: groups[1].addresses[0]: 192.0.2.101 needs a prefix length, such as 192.0.2.101/24`,
    `${file} is not valid: 2 errors`,
  ]);
});

test('--json is one object for programs', async () => {
  const valid = write('json.yaml', VALID);
  const good = await carp(['check', '--json', '-c', valid]);
  assert.equal(good.code, 0);
  assert.deepEqual(JSON.parse(good.stdout), { file: valid, valid: true, groups: 2, errors: [], warnings: [] });

  const invalid = write('json-invalid.yaml', VALID.replace('vhid: 1', 'vhid: 0'));
  const bad = await carp(['check', '--json', '-c', invalid]);
  assert.equal(bad.code, 2);
  const { valid: isValid, errors } = JSON.parse(bad.stdout) as { valid: boolean; errors: readonly unknown[] };
  assert.equal(isValid, false);
  assert.deepEqual(errors, [
    { path: 'groups[0].vhid', message: 'must be a whole number from 1 to 255, but is 0', line: 2 },
  ]);
});

test('a file that does not exist is an error that says what to do', async () => {
  const { code, stderr } = await carp(['check', '-c', join(folder, 'none.yaml')]);
  assert.equal(code, 2);
  assert.match(stderr, /no such file; look at it with: ls -l/);
});

for (const [args, message] of [
  [[], /Usage: carp COMMAND/],
  [['chekc'], /no command "chekc"; did you mean "check"\?/],
  [['constructor'], /no command "constructor"/],
  [['check'], /which file\?.*-c FILE/],
  [['check', '-c'], /argument missing/],
  [['check', '--jsn'], /Unknown option '--jsn'\n.*carp check --help/],
  [['check', 'file.yaml'], /Unexpected argument 'file.yaml'\n/],
  [['decode'], /one file/],
  [['decode', 'a.pcap', 'b.pcap'], /one file, not 2/],
  [['decode', '--address', 'foo', 'a.pcap'], /--address foo is no IP address/],
  [['decode', '--pass', 'a', '--passfile', 'b', 'a.pcap'], /exclude each other/],
] as const)
  test(`carp ${args.join(' ')} is wrong usage: exit code 2, no stack trace`, async () => {
    const { code, stdout, stderr } = await carp(args);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\n {4}at /);
  });

test('help and version are results: exit code 0, on stdout', async () => {
  const all = await carp(['--help']);
  assert.equal(all.code, 0);
  assert.equal(all.stderr, '');
  for (const name of ['check', 'decode']) {
    assert.match(all.stdout, new RegExp(`^ {2}${name} +\\S`, 'm'));
    const one = await carp([name, '--help']);
    assert.equal(one.code, 0);
    assert.match(one.stdout, new RegExp(`^Usage: carp ${name} `));
  }
  const version = await carp(['--version']);
  assert.match(version.stdout, /^carp \d+\.\d+\.\d+\S*\n$/);
});

test('colours are for terminals: neither a pipe nor FORCE_COLOR gets any', async () => {
  const file = write('plain.yaml', VALID.replace('vhid: 1', 'vhid: 0'));
  const { stderr } = await carp(['check', '-c', file], { env: { FORCE_COLOR: '1', TERM: 'xterm-256color' } });
  assert.ok(!stderr.includes('\u001b'));
});
