import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { carp, lines } from './carp.ts';

const folder = mkdtempSync(join(tmpdir(), 'carp-import-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const vector = (name: string): string =>
  fileURLToPath(new URL(`../../../test/vectors/import/${name}`, import.meta.url));

const write = (name: string, content: string | Uint8Array): string => {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
};

const UCARP = 'ucarp -i eth0 -s 192.0.2.11 -v 1 -p secret -a 192.0.2.100 -P\n';

test('what is printed for a file is a configuration that carp check accepts, once the passwords are where it says', async () => {
  const passfiles = join(folder, 'etc');
  const { code, stdout, stderr } = await carp([
    'import',
    'rc.conf',
    vector('rc.conf'),
    vector('sysctl.conf'),
    '--passfiles',
    passfiles,
  ]);
  assert.equal(code, 0, stderr);
  const config = write('carp.yaml', stdout);
  const checked = await carp(['check', '-c', config]);
  assert.equal(checked.code, 0, checked.stderr);
  assert.match(checked.stdout, /is valid: 3 groups/);
  // The fourth stands as a comment; it has no password.
  assert.deepEqual(readdirSync(passfiles).sort(), ['em0-1.pass', 'em0-2.pass', 'em1-5.pass']);
  const file = join(passfiles, 'em0-1.pass');
  assert.equal(readFileSync(file, 'utf8'), 'secret\n');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(passfiles).mode & 0o777, 0o700);
  for (const text of [stdout, stderr]) assert.doesNotMatch(text, /secret|averylong|ander5/);
});

test('a command line on standard input becomes a group, and notes for the reader go to stderr', async () => {
  const { code, stdout, stderr } = await carp(['import', 'ucarp'], { stdin: Buffer.from(UCARP) });
  assert.equal(code, 0);
  assert.match(stdout, /^ {4}vhid: 1$/m);
  assert.match(stdout, /^ {4}passfile: \/etc\/carp\/eth0-1\.pass$/m);
  assert.match(stderr, /1 group; read the comments, then: carp check/);
  assert.match(stderr, /write the password of line 1 to \/etc\/carp\/eth0-1\.pass/);
  for (const text of [stdout, stderr]) assert.doesNotMatch(text, /secret/);
  const same = await carp(['import', 'ucarp', '-'], { stdin: Buffer.from(UCARP) });
  assert.equal(same.stdout, stdout);
});

test('--with-passwords prints them, and the file works as it is', async () => {
  const { stdout } = await carp(['import', 'ucarp', '--with-passwords'], { stdin: Buffer.from(UCARP) });
  assert.match(stdout, /^ {4}pass: secret$/m);
  const checked = await carp(['check', '-c', write('with.yaml', stdout)]);
  assert.equal(checked.code, 0, checked.stderr);
});

test('a file with another password is not overwritten, and the same one is no obstacle', async () => {
  const source = write('ucarp.sh', UCARP);
  const passfiles = join(folder, 'twice');
  const args = ['import', 'ucarp', source, '--passfiles', passfiles];
  assert.equal((await carp(args)).code, 0);
  assert.equal((await carp(args)).code, 0);
  writeFileSync(join(passfiles, 'eth0-1.pass'), 'another\n');
  const { code, stdout, stderr } = await carp(args);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /eth0-1\.pass has another password already\n {2}remove it/);
  assert.equal(readFileSync(join(passfiles, 'eth0-1.pass'), 'utf8'), 'another\n');
});

test('a link where the password would go is not followed', async () => {
  const source = write('ucarp.sh', UCARP);
  const passfiles = mkdtempSync(join(folder, 'links-'));
  const target = join(folder, 'target');
  symlinkSync(target, join(passfiles, 'eth0-1.pass'));
  const { code, stderr } = await carp(['import', 'ucarp', source, '--passfiles', passfiles]);
  assert.equal(code, 1);
  assert.match(stderr, /cannot write .*eth0-1\.pass: EEXIST/);
  assert.equal(statSync(target, { throwIfNoEntry: false }), undefined);
});

test('files in which nothing becomes a group: exit code 2, and what was seen', async () => {
  const { code, stdout, stderr } = await carp(['import', 'keepalived'], {
    stdin: Buffer.from('virtual_server 192.0.2.1 80 {\n}\n'),
  });
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /nothing was found .*\(keepalived\)\n {2}lines? 1.* to 2: virtual_server/);
});

test('a file that is too large, binary or missing is refused with its name', async () => {
  const cases = [
    [write('large', 'x'.repeat(1024 * 1024 + 1)), /large is larger than 1 MiB/],
    [write('binary', Uint8Array.of(0x7f, 0x45, 0, 0)), /binary is no text/],
    [join(folder, 'none'), /cannot read .*none: ENOENT\n {2}ls -l/],
    [folder, /cannot read .*: EISDIR/],
  ] as const;
  for (const [file, message] of cases) {
    const { code, stdout, stderr } = await carp(['import', 'ucarp', file]);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, message);
  }
});

for (const [args, message] of [
  [[], /from which system\? ucarp, rc\.conf, hostname\.if, keepalived/],
  [['pf'], /pf is none of the systems/],
  [['constructor'], /constructor is none of the systems/],
  [['ucarp', '-', '-'], /standard input can be read once/],
  [['ucarp', '--with-passwords', '--passfiles', 'x'], /exclude each other/],
  [['ucarp', '--passfile'], /Unknown option/],
] as const)
  test(`carp import ${args.join(' ')} is wrong usage: exit code 2 and where help is`, async () => {
    const { code, stdout, stderr } = await carp(['import', ...args]);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, message);
    assert.match(lines(stderr).at(-1) ?? '', /carp import --help/);
  });
