import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Child } from '../support/child.ts';
import { toolPath, unreadableByOthers } from '../support/requirements.ts';

const CARP = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const SECRET = 'correct-horse-19';
const START_MS = 20_000;

const folder = mkdtempSync(join(tmpdir(), 'carp-run-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

const plant = {
  name: 'plant',
  interface: 'lan',
  vhid: 10,
  pass: SECRET,
  addresses: ['192.0.2.100/24'],
  transport: 'memory',
};
const lab = { ...plant, name: 'lab', vhid: 11, addresses: ['192.0.2.101/24'] };

interface Setup {
  readonly file: string;
  readonly socket: string;
  readonly write: (groups: readonly object[], more?: object) => void;
}

const setup = (groups: readonly object[], more: object = {}): Setup => {
  files += 1;
  const place = join(folder, `${files}`);
  mkdirSync(place);
  const [file, socket] = [join(place, 'carp.yaml'), join(place, 'agent.sock')];
  const base = { node: 'rpi1', socket, state: join(place, 'state') };
  // JSON is YAML.
  const write: Setup['write'] = (list, extra = {}) =>
    writeFileSync(file, JSON.stringify({ ...base, ...extra, groups: list }));
  write(groups, more);
  return { file, socket, write };
};

const carp = (t: TestContext, ...args: readonly string[]): Child => {
  const child = new Child('carp', [process.execPath, CARP, ...args]);
  t.after(() => child.stop('SIGKILL'));
  return child;
};

const stderrOf = (child: Child): string => child.stderr.map(({ text }) => text).join('\n');
const stdoutOf = (child: Child): string => child.stdout.map(({ text }) => text).join('\n');

test('carp run prints each transition, and SIGTERM ends it in order with nothing left behind', async (t) => {
  const { file, socket } = setup([plant]);
  const child = carp(t, 'run', '-c', file);
  await child.untilLine(/ plant 10@lan: BACKUP -> MASTER \(master-timeout: /, START_MS);
  assert.ok(existsSync(socket));
  child.signal('SIGTERM');
  const { code } = await child.untilExit(3000);
  assert.equal(code, 0, child.report());
  const time = String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
  const lines = child.stdout.map(({ text }) => text);
  assert.equal(lines.length, 3, child.report());
  assert.match(lines[0] ?? '', new RegExp(`${time} plant 10@lan: INIT -> BACKUP \\(startup: .+\\)$`));
  assert.match(lines[2] ?? '', new RegExp(`${time} plant 10@lan: MASTER -> STOPPED \\(stop: .+\\)$`));
  assert.equal(existsSync(socket), false);
  assert.equal(stderrOf(child), '');
});

test('carp run --json prints events as objects, and never a password', async (t) => {
  const { file } = setup([plant]);
  const child = carp(t, 'run', '--json', '--verbose', '-c', file);
  await child.untilLine(/"role":"MASTER"/, START_MS);
  child.signal('SIGINT');
  assert.equal((await child.untilExit(3000)).code, 0);
  const events = child.stdout.map(({ text }) => JSON.parse(text) as { event: string; node: string; role: string });
  assert.deepEqual(
    events.map(({ event, node, role }) => [event, node, role]),
    ['BACKUP', 'MASTER', 'STOPPED'].map((role) => ['transition', 'rpi1', role]),
  );
  for (const { text } of child.stderr) assert.equal(typeof JSON.parse(text).message, 'string');
  assert.ok(!`${stdoutOf(child)}${stderrOf(child)}`.includes(SECRET));
});

test('SIGHUP reads the file again: mistakes change nothing, and a new group leaves the others alone', async (t) => {
  const { file, write } = setup([plant]);
  const child = carp(t, 'run', '-c', file);
  await child.untilLine(/plant .*BACKUP -> MASTER/, START_MS);
  write([{ ...plant, vhid: 999 }]);
  child.signal('SIGHUP');
  await child.untilLine(/is not valid, and nothing has changed: .*vhid/, 3000);
  assert.doesNotMatch(stderrOf(child), /has been read again/);
  write([plant, lab]);
  child.signal('SIGHUP');
  await child.untilLine(/lab 11@lan: INIT -> BACKUP/, 3000);
  await child.untilLine(/carp\.yaml has been read again$/, 3000);
  write([lab]);
  child.signal('SIGHUP');
  await child.untilLine(/plant 10@lan: MASTER -> STOPPED/, 3000);
  const plants = child.stdout.filter(({ text }) => text.includes(' plant '));
  assert.equal(plants.length, 3, child.report());
  child.signal('SIGTERM');
  assert.equal((await child.untilExit(3000)).code, 0);
});

test('a start that cannot succeed is one message without a stack, and an exit code that says why', async (t) => {
  const wrong = setup([{ ...plant, vhid: 0, advskew: 300 }]);
  const bad = carp(t, 'run', '-c', wrong.file);
  assert.equal((await bad.untilExit(START_MS)).code, 2);
  assert.match(stderrOf(bad), /vhid/);
  assert.match(stderrOf(bad), /advskew/);

  const missing = carp(t, 'run', '-c', join(folder, 'no-such-file'));
  assert.equal((await missing.untilExit(START_MS)).code, 2);
  const nameless = carp(t, 'run');
  assert.equal((await nameless.untilExit(START_MS)).code, 2);

  for (const child of [bad, missing, nameless]) {
    assert.ok(!/\n\s+at /.test(stderrOf(child)), child.report());
    assert.equal(stdoutOf(child), '');
  }
});

test('an interface that does not exist at the start is named, with exit code 1', async (t) => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return t.skip('needs root on Linux');
  const { file, socket } = setup([{ ...plant, interface: 'nosuch0', transport: 'auto' }]);
  const child = carp(t, 'run', '-c', file);
  assert.equal((await child.untilExit(START_MS)).code, 1);
  assert.match(stderrOf(child), /group plant: there is no interface nosuch0/);
  assert.equal(child.stderr.length, 2, child.report());
  assert.equal(stdoutOf(child), '');
  assert.equal(existsSync(socket), false);
});

test('an interface that one of two groups misses is a warning, and the other group runs', async (t) => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return t.skip('needs root on Linux');
  const { file } = setup([plant, { ...lab, interface: 'nosuch0', transport: 'auto' }]);
  const child = carp(t, 'run', '-c', file);
  await child.untilLine(/ plant 10@lan: BACKUP -> MASTER /, START_MS);
  assert.match(stderrOf(child), /there is no interface nosuch0/);
  assert.equal(child.stderr.length, 1, child.report());
  child.signal('SIGTERM');
  assert.equal((await child.untilExit(3000)).code, 0);
});

test('without privileges the exit code is 77, with the commands that give them', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs Linux');
  const { file } = setup([{ ...plant, interface: 'lo', transport: 'auto' }]);
  const isRoot = process.getuid?.() === 0;
  const setpriv = toolPath('setpriv');
  if (isRoot && setpriv === undefined) return t.skip('needs setpriv: apt-get install util-linux');
  const closed = isRoot && unreadableByOthers(CARP);
  if (closed) return t.skip(closed);
  chmodSync(folder, 0o755);
  const user = isRoot ? [setpriv ?? '', '--reuid', '65534', '--regid', '65534', '--clear-groups'] : [];
  const child = new Child('carp', [...user, process.execPath, CARP, 'run', '-c', file]);
  t.after(() => child.stop('SIGKILL'));
  assert.equal((await child.untilExit(START_MS)).code, 77, child.report());
  assert.match(stderrOf(child), /CAP_NET_RAW/);
  assert.match(stderrOf(child), /setcap cap_net_raw,cap_net_admin\+ep/);
  assert.equal(child.stderr.length, 2, child.report());
});

test('an agent that has the socket keeps it: the second one ends with code 1, and carp status finds the first', async (t) => {
  const { file, socket } = setup([plant, lab]);
  const first = carp(t, 'run', '-c', file);
  await first.untilLine(/plant .*BACKUP -> MASTER/, START_MS);
  const second = carp(t, 'run', '-c', file);
  assert.equal((await second.untilExit(START_MS)).code, 1);
  assert.match(stderrOf(second), /an agent already listens on/);

  const text = carp(t, 'status', '-c', file);
  assert.equal((await text.untilExit(START_MS)).code, 0);
  assert.match(stdoutOf(text), /^ {2}carp: MASTER vhid 10 advbase 1 advskew 0$/m);
  for (const line of text.stdout) assert.ok(line.text.length <= 80, line.text);

  const json = carp(t, 'status', '--json', '--socket', socket);
  assert.equal((await json.untilExit(START_MS)).code, 0);
  const status = JSON.parse(stdoutOf(json));
  assert.deepEqual(status.nodes, ['rpi1']);
  assert.equal(status.hosts[0].groups.length, 2);
  assert.ok(!stdoutOf(json).includes(SECRET));
  first.signal('SIGTERM');
  assert.equal((await first.untilExit(3000)).code, 0);
});

test('carp status without an agent says how to start one, with code 1', async (t) => {
  const child = carp(t, 'status', '--socket', join(folder, 'nobody.sock'));
  assert.equal((await child.untilExit(START_MS)).code, 1);
  assert.match(stderrOf(child), /no agent listens on .*\n.*carp run -c FILE/);
});

test('a simulation whose socket cannot be made warns once, and goes on', async (t) => {
  const { file, write } = setup([plant]);
  write([plant], { socket: '/proc/no/agent.sock' });
  const child = carp(t, 'run', '-c', file);
  await child.untilLine(/plant .*INIT -> BACKUP/, START_MS);
  assert.equal(child.stderr.length, 1, child.report());
  assert.match(stderrOf(child), /cannot listen on \/proc\/no\/agent\.sock/);
  child.signal('SIGTERM');
  assert.equal((await child.untilExit(3000)).code, 0);
});
