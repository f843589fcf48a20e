/** The commands of operators, as they are typed: `carp hand-over`, `maintenance`, `demote`, `restore`, `status --watch`. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Agent } from '../../src/agent/agent.ts';
import type { DemotedGroup } from '../../src/agent/rpc.ts';
import { listenOnSocket } from '../../src/agent/socket-server.ts';
import { CarpError } from '../../src/ports/error.ts';
import { eventOf, idleAgent, statusOf } from '../agent/fakes.ts';
import { Child } from '../support/child.ts';
import { toolPath, unreadableByOthers } from '../support/requirements.ts';
import { until } from '../support/wait.ts';
import { carp, lines } from './carp.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const START_MS = 20_000;

const folderFor = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'carp-operator-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** An agent on a socket that writes down what it is asked. */
const agentOn = async (t: TestContext, more: Partial<Agent> = {}) => {
  const asked: unknown[] = [];
  const handedOver = { address: '192.0.2.12', afterMs: 4 };
  const groups: readonly DemotedGroup[] = [
    { group: 'plant', previous: 'MASTER', role: 'BACKUP', demotion: 240, handedOver },
    { group: 'lab', previous: 'MASTER', role: 'MASTER', demotion: 240 },
    { group: 'office', previous: 'BACKUP', role: 'BACKUP', demotion: 240 },
  ];
  const answer =
    (name: string) =>
    async (params: object): Promise<{ node: string; changed: boolean; groups: readonly DemotedGroup[] }> => {
      asked.push([name, params]);
      return { node: 'rpi1', changed: true, groups };
    };
  const agent = idleAgent({
    demote: answer('demote'),
    restore: answer('restore'),
    maintenance: answer('maintenance'),
    observe: answer('observe'),
    handOver: async (params) => {
      asked.push(['handOver', params]);
      return handedOver;
    },
    ...more,
  });
  const path = join(folderFor(t), 'agent.sock');
  const server = await listenOnSocket({ path, agent, log: () => undefined });
  t.after(() => server.close());
  const run = (...args: readonly string[]) => carp([...args, '--socket', path]);
  return { path, asked, run };
};

const OUTCOME = [
  'plant: 192.0.2.12 took over after 4 ms; BACKUP, demotion 240',
  'lab: nobody took over, still MASTER as the last resort, demotion 240; when another host is there: carp hand-over lab',
  'office: BACKUP, demotion 240',
];

test('carp hand-over tells who took over, after how long', async (t) => {
  const { run, asked } = await agentOn(t);
  assert.deepEqual(await run('hand-over', 'plant'), {
    code: 0,
    stdout: 'plant: 192.0.2.12 took over after 4 ms\n',
    stderr: '',
  });
  const json = await run('hand-over', 'plant', '--json', '--node', 'rpi1');
  assert.deepEqual(JSON.parse(json.stdout), { group: 'plant', address: '192.0.2.12', afterMs: 4 });
  assert.deepEqual(asked, [
    ['handOver', { group: 'plant', force: false }],
    ['handOver', { group: 'plant', force: false, node: 'rpi1' }],
  ]);
});

test('when nobody takes over, carp hand-over fails, unless it was forced', async (t) => {
  const { run } = await agentOn(t, {
    handOver: async ({ group, force }) => {
      const state = force ? 'its addresses have been released' : 'this host is still MASTER';
      throw new CarpError('CARP_NOBODY', `nobody took over ${group}; ${state}`, { remedy: 'carp hand-over --force' });
    },
  });
  const refused = await run('hand-over', 'plant');
  assert.deepEqual([refused.code, refused.stdout], [1, '']);
  assert.match(refused.stderr, /nobody took over plant; this host is still MASTER\n {2}carp hand-over --force/);
  const forced = await run('hand-over', 'plant', '--force');
  assert.deepEqual(forced, {
    code: 0,
    stdout: 'nobody took over plant; its addresses have been released\n',
    stderr: '',
  });
});

test('carp maintenance tells what became of each group, and exits with 0', async (t) => {
  const { run, asked } = await agentOn(t);
  const on = await run('maintenance', 'on');
  assert.deepEqual([on.code, lines(on.stdout), on.stderr], [0, ['rpi1 is in maintenance', ...OUTCOME], '']);
  const off = await run('maintenance', 'off', 'plant');
  assert.equal(lines(off.stdout)[0], 'plant on rpi1 is no longer in maintenance');
  assert.deepEqual(asked, [
    ['maintenance', { on: true }],
    ['maintenance', { on: false, group: 'plant' }],
  ]);
});

test('carp observe tells what became of each group, and that nobody has the addresses where that is so', async (t) => {
  const { run, asked } = await agentOn(t);
  const on = await run('observe', 'on', 'plant');
  assert.deepEqual([on.code, lines(on.stdout), on.stderr], [0, ['plant on rpi1 only observes now', ...OUTCOME], '']);
  const off = await run('observe', 'off', '--node', 'rpi1');
  assert.equal(lines(off.stdout)[0], 'rpi1 no longer observes: it may become MASTER');
  assert.deepEqual(asked, [
    ['observe', { on: true, group: 'plant' }],
    ['observe', { on: false, node: 'rpi1' }],
  ]);
  const groups: readonly DemotedGroup[] = [{ group: 'plant', previous: 'MASTER', role: 'BACKUP', demotion: 240 }];
  const alone = await agentOn(t, { observe: async () => ({ node: 'rpi1', changed: false, groups }) });
  assert.deepEqual(lines((await alone.run('observe', 'on')).stdout), [
    'rpi1 observes already',
    'plant: nobody took over, and nobody holds its addresses now; BACKUP, demotion 240',
  ]);
});

test('carp maintenance says when nothing has changed, with exit code 0', async (t) => {
  const { run } = await agentOn(t, { maintenance: async () => ({ node: 'rpi1', changed: false, groups: [] }) });
  const [on, off] = [await run('maintenance', 'on'), await run('maintenance', 'off')];
  assert.deepEqual([on.code, on.stdout], [0, 'rpi1 is in maintenance already\n']);
  assert.deepEqual([off.code, off.stdout], [0, 'rpi1 was not in maintenance\n']);
});

test('carp demote and carp restore take reason, weight, group and time in the order of the help', async (t) => {
  const { run, asked } = await agentOn(t);
  const first = await run('demote', 'backup-job');
  assert.deepEqual([first.code, lines(first.stdout)], [0, ['rpi1 is demoted by 240: backup-job', ...OUTCOME]]);
  const second = await run('demote', 'nightly job', '20', 'plant', '--for', '10m');
  assert.equal(lines(second.stdout)[0], 'plant on rpi1 is demoted by 20 for 10m: nightly job');
  await run('demote', 'x', 'plant');
  const json = await run('restore', 'x', 'plant', '--json');
  assert.equal(JSON.parse(json.stdout).groups[0].handedOver.afterMs, 4);
  assert.deepEqual(asked, [
    ['demote', { reason: 'backup-job', weight: 240 }],
    ['demote', { reason: 'nightly job', weight: 20, group: 'plant', forMs: 600_000 }],
    ['demote', { reason: 'x', weight: 240, group: 'plant' }],
    ['restore', { reason: 'x', group: 'plant' }],
  ]);
});

test('what is typed wrongly is exit code 2, says what was wanted, and reaches no agent', async (t) => {
  const { run, asked } = await agentOn(t);
  const wrong: readonly (readonly [RegExp, readonly string[]])[] = [
    [/which group\?/, ['hand-over']],
    [/one group at a time/, ['hand-over', 'plant', 'lab']],
    [/on or off\?/, ['maintenance']],
    [/on or off\?/, ['maintenance', 'enable']],
    [/on or off\?/, ['observe']],
    [/one group, or none for all; not also lab/, ['observe', 'on', 'plant', 'lab']],
    [/the reason "observe" belongs to the agent.*\n.*carp observe on/, ['demote', 'observe']],
    [/for what reason\?/, ['demote']],
    [/the weight is 0, not from 1 to 65535/, ['demote', 'x', '0']],
    [/the weight is 65536/, ['demote', 'x', '65536']],
    [/too many words: job; put a reason of several in quotes/, ['demote', 'nightly', 'backup', 'job']],
    [/"10" is no time from 1s to 30d/, ['demote', 'x', '--for', '10']],
    [/"0s" is no time/, ['demote', 'x', '--for', '0s']],
    [/"31d" is no time/, ['demote', 'x', '--for', '31d']],
    [/the reason "maintenance" belongs to the agent.*\n.*carp maintenance on/, ['demote', 'maintenance']],
    [/which reason\?/, ['restore']],
    [/--history is a number from 0 to 20, not "21"/, ['status', '--history', '21']],
    [/either --socket or --config/, ['status', '-c', 'x']],
  ];
  for (const [message, args] of wrong) {
    const { code, stderr, stdout } = await run(...args);
    assert.deepEqual([code, stdout], [2, ''], `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, message);
  }
  assert.deepEqual(asked, []);
});

test('without an agent each command says how to start one, with code 1', async (t) => {
  const path = join(folderFor(t), 'nobody.sock');
  for (const args of [
    ['hand-over', 'plant'],
    ['maintenance', 'on'],
    ['demote', 'x'],
    ['restore', 'x'],
    ['status', '-w'],
  ]) {
    const { code, stderr } = await carp([...args, '--socket', path]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /no agent listens on .*\n.*carp run -c FILE/);
  }
});

test('a socket that this user may not open is exit code 77, with the remedy', async (t) => {
  const isRoot = process.getuid?.() === 0;
  const setpriv = toolPath('setpriv');
  if (isRoot && setpriv === undefined) return t.skip('needs setpriv: apt-get install util-linux');
  const closed = isRoot && unreadableByOthers(MAIN);
  if (closed) return t.skip(closed);
  const { path } = await agentOn(t);
  chmodSync(join(path, '..'), 0o755);
  if (!isRoot) chmodSync(path, 0);
  const user = isRoot ? [setpriv ?? '', '--reuid', '65534', '--regid', '65534', '--clear-groups'] : [];
  const child = new Child('carp', [...user, process.execPath, MAIN, 'maintenance', 'on', '--socket', path]);
  t.after(() => child.stop('SIGKILL'));
  assert.equal((await child.untilExit(START_MS)).code, 77, child.report());
  const stderr = child.stderr.map(({ text }) => text).join('\n');
  assert.match(stderr, /may not be opened by this user\n {2}use sudo, or join the group that owns it/);
});

test('carp status --watch prints a block for each change where there is no terminal, and ends at SIGINT with code 0', async (t) => {
  let status = statusOf('a', 'plant');
  const { path } = await agentOn(t, {
    status: () => ({ version: '0.0.0', pid: 7, nodes: ['a'], hosts: [{ node: 'a', groups: [status] }] }),
    snapshots: () => [eventOf('a', 'plant')],
  });
  const child = new Child('carp', [process.execPath, MAIN, 'status', '--watch', '--socket', path]);
  t.after(() => child.stop('SIGKILL'));
  await child.untilLine(/carp: BACKUP vhid 10/, START_MS);
  // Time that passes, and counters that count, are no change.
  status = { ...status, lastAdvertMs: 500, counters: { ...status.counters, received: 7 } };
  const blocks = (): number => child.stdout.filter(({ text }) => text.startsWith('plant  10@lan')).length;
  status = { ...status, demotion: 20, ledger: [{ reason: 'job', weight: 20, since: status.since }] };
  await child.untilLine(/demotion {6}20: job 20 since/, START_MS);
  status = { ...status, role: 'MASTER', seq: 2 };
  await child.untilLine(/carp: MASTER vhid 10/, START_MS);
  assert.equal(blocks(), 3, child.report());
  assert.ok(child.stdout.every(({ text }) => text.length <= 80 && !text.includes('\u001b')));
  child.signal('SIGINT');
  assert.deepEqual([(await child.untilExit(5000)).code, child.stderr], [0, []]);
});

test('carp status --watch draws on a terminal within its rows, and Ctrl-C gives the cursor back', async (t) => {
  const script = toolPath('script');
  if (script === undefined) return t.skip('needs script: apt-get install bsdutils');
  let status = statusOf('a', 'plant');
  const { path } = await agentOn(t, {
    status: () => ({ version: '0.0.0', pid: 7, nodes: ['a'], hosts: [{ node: 'a', groups: [status] }] }),
  });
  const watch = `stty rows 4; exec '${process.execPath}' '${MAIN}' status --watch --socket '${path}'`;
  const child = new Child('script', [script, '-qec', watch, '/dev/null'], { env: { SHELL: '/bin/sh' } });
  t.after(() => child.stop('SIGKILL'));
  await child.untilLine(/carp: BACKUP vhid 10/, START_MS);
  status = { ...status, role: 'MASTER' };
  await child.untilLine(/carp: MASTER vhid 10/, START_MS);
  child.writeLine('\u0003');
  assert.equal((await child.untilExit(5000)).code, 0, child.report());
  const shown = child.stdout.map(({ text }) => text).join('\n');
  assert.ok(shown.startsWith('\u001b[?25l\u001b[2J'), child.report());
  assert.match(shown, /\?25h/);
  assert.ok(!shown.includes('addresses'), 'the fourth line has no room');
});

test('carp status --watch goes on when the agent is restarted', async (t) => {
  const path = join(folderFor(t), 'agent.sock');
  const agent = idleAgent({
    status: () => ({
      version: '0.0.0',
      pid: 7,
      nodes: ['a'],
      hosts: [{ node: 'a', groups: [statusOf('a', 'plant')] }],
    }),
  });
  const first = await listenOnSocket({ path, agent, log: () => undefined });
  const child = new Child('carp', [process.execPath, MAIN, 'status', '-w', '--json', '--socket', path]);
  t.after(() => child.stop('SIGKILL'));
  await child.untilLine(/"role":"BACKUP"/, START_MS);
  await first.close();
  await child.untilLine(/"problem":\{"code":"CARP_NO_AGENT"/, START_MS);
  const second = await listenOnSocket({ path, agent, log: () => undefined });
  t.after(() => second.close());
  const roles = (): number => child.stdout.filter(({ text }) => text.includes('"role":"BACKUP"')).length;
  await until(
    'the status to come again',
    START_MS,
    () => roles() > 1,
    () => child.report(),
  );
  child.signal('SIGTERM');
  assert.equal((await child.untilExit(5000)).code, 0, child.report());
});
