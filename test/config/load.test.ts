import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { loadConfig } from '../../src/config/load.ts';
import { type ParsedConfig, parseConfig } from '../../src/config/parse.ts';
import { groupSettings, hostSettings } from '../../src/config/settings.ts';
import { readText } from '../../src/config/yaml.ts';
import { CarpError } from '../../src/ports/error.ts';

const folder = mkdtempSync(join(tmpdir(), 'carp-config-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const write = (content: string | Uint8Array, name = `file-${files++}.yaml`, mode = 0o600): string => {
  const file = join(folder, name);
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
};

const load = (content: string | Uint8Array): ParsedConfig => loadConfig(write(content));

const failure = (result: ParsedConfig): string => {
  assert.equal(result.ok, false);
  return result.ok ? '' : JSON.stringify(result.errors);
};

const EXAMPLE = `node: rpi1
demotion: { linkDown: 240, sendErrors: 240, stalled: 240, scope: sync }
groups:
  - name: plant
    interface: eth0
    vhid: 10
    pass: "s3cret: #1"
    addresses: [192.0.2.100/24, 2001:db8::100/64]
    source: 192.0.2.11
    advskew: 100
    preempt: true
    preemptDelay: 1.5
`;

test('a YAML file becomes settings in the units of the engine', () => {
  const result = load(EXAMPLE);
  assert.ok(result.ok);
  const settings = hostSettings(result.config);
  assert.equal(settings.node, 'rpi1');
  assert.equal(settings.startDelay, 0);
  assert.deepEqual(settings.demotion, { linkDown: 240, sendErrors: 240, stalled: 240, scope: 'sync' });
  const [group] = settings.groups;
  assert.ok(group);
  assert.equal(Buffer.from(group.key).toString('latin1'), 's3cret: #1'.padEnd(20, '\0'));
  assert.deepEqual(
    group.addresses.map(({ address, prefix }) => `${address.text} ${prefix}`),
    ['192.0.2.100 24', '2001:db8::100 64'],
  );
  assert.deepEqual(
    group.sources.map(({ text }) => text),
    ['192.0.2.11'],
  );
  assert.equal(group.preemptDelay, 1500);
  assert.equal(group.announceRefresh, 10_000);
  assert.equal(group.advskew, 100);
});

test('JSON is read as well, with tabs, a byte order mark and any order', () => {
  const result = load(EXAMPLE);
  assert.ok(result.ok);
  const again = load(`\ufeff${JSON.stringify(result.config, undefined, '\t')}`);
  assert.deepEqual(again, result);
});

test('errors tell the line', () => {
  const result = load(EXAMPLE.replace('vhid: 10', 'vhid: 300').replace('192.0.2.11', '192.0.2.100'));
  assert.equal(result.ok, false);
  assert.deepEqual(result.ok || result.errors.map(({ path, line }) => [path, line]), [
    ['groups[0].vhid', 6],
    ['groups[0].source', 9],
  ]);
});

for (const [what, text, expected] of [
  ['a tab', 'groups:\n\t- name: x', /tabs/],
  ['a key that is there twice', 'node: a\nnode: b\ngroups: []', /"message":"this key is there twice.*"line":2/],
  ['an open quote', 'node: "a\ngroups: []', /quote/],
  ['a password with a colon', 'groups:\n  - pass: a: hunter2', /line":2/],
  ['a password with a star', 'groups:\n  - pass: *hunter2', /put it in quotes.*"line":2/],
  ['a password with an at sign', 'groups:\n  - pass: @hunter2', /put it in quotes/],
  ['a password with an exclamation mark', 'groups:\n  - pass: !hunter2 x', /put it in quotes/],
  ['two documents', 'groups: []\n---\ngroups: []', /second document/],
  ['a tag of JavaScript', 'groups: !!js/function "hunter2"', /tags are not used/],
  ['nothing', '', /must be an object/],
  ['a mere word', 'hunter2', /must be an object/],
] as const)
  test(`a file with ${what} is refused, and its text is not repeated`, () => {
    const message = failure(load(text));
    assert.match(message, expected);
    assert.doesNotMatch(message, /hunter2/);
  });

test('anchors may be used, but not to blow up', () => {
  const shared = 'groups:\n  - &a {name: a, interface: eth0, vhid: 1, pass: x, peers: &list [192.0.2.12]}\n';
  assert.ok(load(`${shared}  - {name: b, interface: eth1, vhid: 1, pass: x, peers: *list}\n`).ok);
  const bomb = Array.from({ length: 20 }, (_, i) => `a${i}: &a${i} [${Array(9).fill(i === 0 ? 'x' : `*a${i - 1}`)}]`);
  assert.match(failure(load(bomb.join('\n'))), /repeats anchored values too often/);
});

test('keys that are there twice are all told, with their lines', () => {
  const message = failure(load('node: a\nnode: b\ngroups: []\nnode: c\n'));
  assert.match(message, /"line":2.*"line":4/);
});

test('a file full of mistakes is refused with the first of them', () => {
  const result = load(Array.from({ length: 20_000 }, (_, i) => `key${i}: 1`).join('\n'));
  assert.ok(!result.ok);
  assert.equal(result.errors.length, 101);
  assert.match(result.errors.at(-1)?.message ?? '', /^19901 more are not shown/);
});

test('no text makes the reader throw', () => {
  const characters = fc.constantFrom(...'ab:-[]{}"\'*&!|>#\n\t ,?%@`\\<~');
  fc.assert(
    fc.property(fc.string({ unit: characters, maxLength: 60 }), (text) => {
      const read = readText(text);
      const result = read.ok ? parseConfig(read.value, { lineOf: read.lineOf }) : read;
      assert.equal(result.ok, false);
    }),
  );
});

test('no value makes the parser throw', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const config of [value, { groups: value }, { groups: [value] }, { mqtt: value, groups: [] }])
        assert.equal(typeof parseConfig(config).ok, 'boolean');
    }),
  );
});

test('deep nesting is refused', () => {
  assert.match(failure(load('['.repeat(100_000))), /nested too deeply/);
});

test('a file has at most 1 MiB, and is UTF-8', () => {
  const comment = `${EXAMPLE}#`;
  assert.ok(load(comment.padEnd(1024 * 1024, '-')).ok);
  assert.match(failure(load(comment.padEnd(1024 * 1024 + 1, '-'))), /larger than 1 MiB/);
  assert.match(failure(load(Buffer.from('node: "\xe4"', 'latin1'))), /UTF-8/);
});

test('a file that is not there, or a folder, is an error with the command that shows it', () => {
  const file = join(folder, 'missing.yaml');
  assert.ok(failure(loadConfig(file)).includes(`there is no such file; look at it with: ls -l ${file}`));
  assert.match(failure(loadConfig(folder)), /it is a folder/);
});

const withPassfile = (name: string): string => EXAMPLE.replace(/pass: .*/, `passfile: ${name}`);

for (const [what, content] of [
  ['a newline', 'secret\n'],
  ['CR and LF', 'secret\r\nsecond line\n'],
  ['nothing', 'secret'],
] as const)
  test(`a password file whose line ends with ${what} gives the password`, () => {
    write(content, 'plant.pass');
    const result = load(withPassfile('plant.pass'));
    assert.ok(result.ok);
    assert.deepEqual(result.warnings, []);
    const [group] = result.config.groups;
    assert.ok(group);
    // The name is relative to the file, and absolute from then on.
    assert.equal(group.passfile, join(folder, 'plant.pass'));
    assert.equal(Buffer.from(groupSettings(group).key).toString('latin1'), 'secret'.padEnd(20, '\0'));
  });

test('a password file that everybody can read is warned of', () => {
  const file = write('secret\n', 'public.pass', 0o644);
  const result = load(withPassfile(file));
  assert.ok(result.ok);
  assert.ok(result.warnings[0]?.message.includes(`chmod o= ${file}`));
});

test('an empty password file is warned of, one with a long line refused without showing it', () => {
  const empty = load(withPassfile(write('\n', 'empty.pass')));
  assert.ok(empty.ok);
  assert.match(empty.warnings[0]?.message ?? '', /password is empty/);
  const message = failure(load(withPassfile(write('hunter2-hunter2-hunter2', 'long.pass'))));
  assert.match(message, /23 bytes.*first 19/);
  assert.doesNotMatch(message, /hunter2/);
});

test('a password file that is missing, or is a folder, names the command that shows why', () => {
  const file = join(folder, 'none.pass');
  const message = failure(load(withPassfile('none.pass')));
  assert.ok(message.includes('there is no such file') && message.includes(`ls -l ${file}`));
  mkdirSync(join(folder, 'folder.pass'));
  assert.match(failure(load(withPassfile('folder.pass'))), /it is not a file.*ls -l/);
});

test('a password file without permission is an error', {
  skip: process.getuid?.() === 0 && 'root may read all',
}, () => {
  write('secret', 'denied.pass', 0);
  assert.match(failure(load(withPassfile('denied.pass'))), /permission denied.*ls -l/);
});

test('a password comes from the environment, and never shows up in the configuration', () => {
  const file = write(EXAMPLE.replace(/pass: .*/, 'passEnv: PLANT_PASS'));
  const environment = { PLANT_PASS: 'secret' };
  const result = loadConfig(file, environment);
  assert.ok(result.ok);
  assert.doesNotMatch(JSON.stringify(result), /secret/);
  const settings = hostSettings(result.config, environment);
  assert.equal(Buffer.from(settings.groups[0]?.key ?? []).toString('latin1'), 'secret'.padEnd(20, '\0'));
});

test('a password that has gone since the check is a failure that says so', () => {
  const file = write('secret', 'gone.pass');
  const result = load(withPassfile(file));
  assert.ok(result.ok);
  rmSync(file);
  assert.throws(
    () => hostSettings(result.config),
    (error) => error instanceof CarpError && error.code === 'CARP_CONFIG' && error.remedy?.includes(file) === true,
  );
});

test('a group without a password has a key of zeros', () => {
  const result = load(EXAMPLE.replace(/ {4}pass: .*\n/, ''));
  assert.ok(result.ok);
  assert.deepEqual(hostSettings(result.config).groups[0]?.key, new Uint8Array(20));
});
