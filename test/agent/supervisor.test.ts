import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inheritedOptions, LEAVE_MS_MAX } from '../../src/agent/fork-agent.ts';
import { createSupervisor, STOP_MS_MAX, type Supervisor } from '../../src/agent/supervisor.ts';
import { Child } from '../support/child.ts';
import { isAlive } from '../support/processes.ts';
import { monotonicMs, until } from '../support/wait.ts';
import { configOf, groupText, SECRET } from './fakes.ts';

const state = mkdtempSync(join(tmpdir(), 'carp-supervisor-'));
after(() => rmSync(state, { recursive: true, force: true }));
const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

interface Watched {
  readonly supervisor: Supervisor;
  readonly children: readonly ChildProcess[];
  /** Everything the supervisor ever said, as text. */
  readonly said: readonly string[];
  readonly states: readonly string[];
}

const supervised = (
  t: { after: (undo: () => Promise<void>) => void },
  options: Parameters<typeof createSupervisor>[0] = {},
): Watched => {
  const children: ChildProcess[] = [];
  const said: string[] = [];
  const states: string[] = [];
  const supervisor = createSupervisor({ ...options, onSpawn: (child) => children.push(child) });
  supervisor.events$.subscribe((event) => said.push(JSON.stringify(event)));
  supervisor.problems$.subscribe((notice) => said.push(JSON.stringify(notice)));
  supervisor.logs$.subscribe((line) => said.push(JSON.stringify(line)));
  supervisor.state$.subscribe((one) => {
    states.push(one.state);
    said.push(JSON.stringify(one));
  });
  t.after(() => supervisor.stop());
  return { supervisor, children, said, states };
};

const twoHosts = [configOf('a', [groupText('plant')]), configOf('b', [groupText('plant', { advskew: 100 })])];

test('a forked agent runs what it is told, is restarted with it when it is killed, and says so meanwhile', async (t) => {
  const { supervisor, children, said, states } = supervised(t);
  await supervisor.configure({ state, hosts: twoHosts });
  const before = await supervisor.status();
  assert.deepEqual(before.nodes, ['a', 'b']);
  assert.equal(before.pid, children[0]?.pid);
  assert.ok(said.some((line) => line.includes('"role":"BACKUP"')));

  children[0]?.kill('SIGKILL');
  await until('the loss', 2000, () => states.includes('failed'));
  assert.equal(said.filter((line) => line.includes('"role":"STOPPED"')).length, 2);
  assert.equal(
    said.filter((line) => line.includes('the agent ended by SIGKILL') && line.includes('"group"')).length >= 2,
    true,
  );
  await until('the return', 20_000, () => states.at(-1) === 'running');
  const status = await supervisor.status();
  assert.deepEqual(status.nodes, ['a', 'b']);
  assert.notEqual(status.pid, before.pid);
});

test('a handover between two hosts of one agent moves the group within milliseconds', async (t) => {
  const { supervisor, said } = supervised(t);
  await supervisor.configure({ state, hosts: twoHosts });
  await until('a MASTER', 10_000, () => said.some((line) => line.includes('"node":"a"') && line.includes('"MASTER"')));
  const { afterMs } = await supervisor.handOver({ node: 'a', group: 'plant' });
  assert.ok(afterMs < 500, `${afterMs} ms`);
  await assert.rejects(supervisor.handOver({ node: 'a', group: 'plant' }), { code: 'CARP_NOT_MASTER' });
  await assert.rejects(supervisor.handOver({ node: 'a', group: 'nowhere' }), { code: 'CARP_NO_GROUP' });
});

test('no password is ever told: not in status, events, problems or log lines', async (t) => {
  const { supervisor, said } = supervised(t);
  const mqtt = { url: 'mqtt://127.0.0.1:9', username: 'u', password: `mqtt-${SECRET}`, base: 'carp' };
  await supervisor.configure({ state, hosts: [configOf('a', [groupText('plant')], { mqtt })] });
  const broken = { ...configOf('a', [groupText('plant')]), advbase: SECRET };
  await assert.rejects(supervisor.configure({ state, hosts: [broken] }), (error: Error & { remedy?: string }) => {
    assert.ok(!`${error.message} ${error.remedy}`.includes(SECRET), error.message);
    return true;
  });
  await until('a log line of the broker', 5000, () => said.some((line) => line.includes('mqtt')));
  const all = [JSON.stringify(await supervisor.status()), ...said].join('\n');
  assert.ok(!all.includes(SECRET), all);
});

test('settings that are refused are a problem of each group, until better ones come', async (t) => {
  const { supervisor, said } = supervised(t);
  const good = configOf('a', [groupText('plant')]);
  await assert.rejects(supervisor.configure({ state, hosts: [{ ...good, startDelay: -1 }] }), { code: 'CARP_CONFIG' });
  assert.ok(said.some((line) => line.includes('"group":"plant"') && line.includes('CARP_CONFIG')));
  await supervisor.configure({ state, hosts: [good] });
  assert.ok(said.includes('{"node":"a","group":"plant"}'));
});

test('of settings that follow each other at once, the last ones run', async (t) => {
  const { supervisor } = supervised(t);
  await Promise.all([
    supervisor.configure({ state, hosts: [configOf('a', [groupText('plant')])] }),
    supervisor.configure({ state, hosts: [configOf('b', [groupText('plant')])] }),
  ]);
  assert.deepEqual((await supervisor.status()).nodes, ['b']);
});

test('an orderly stop ends the process, and an agent that does not obey is killed when its last hooks would be over', async (t) => {
  const good = supervised(t);
  await good.supervisor.configure({ state, hosts: twoHosts });
  const [child] = good.children;
  await good.supervisor.stop();
  await until('its end', 1000, () => child?.exitCode === 0);
  await assert.rejects(good.supervisor.status(), { code: 'CARP_NO_AGENT' });

  const deaf = supervised(t, { entry: beside('./deaf-agent.js') });
  await until('it to start', 20_000, () => deaf.supervisor.status !== undefined && deaf.states.at(-1) === 'running');
  const begun = monotonicMs();
  await deaf.supervisor.stop();
  assert.ok(monotonicMs() - begun < STOP_MS_MAX + 500);
  await until('it to be killed', LEAVE_MS_MAX + 2000, () => deaf.children[0]?.signalCode === 'SIGKILL');
});

test('a node that cannot be run is a problem with a remedy, and no exception', async (t) => {
  const { supervisor, states, said } = supervised(t, { execPath: join(state, 'no-such-node') });
  await assert.rejects(supervisor.configure({ state, hosts: twoHosts }), (error: Error & { remedy: string }) => {
    assert.match(error.message, /cannot be started with .*no-such-node/);
    assert.match(error.remedy, /ls -l/);
    return true;
  });
  assert.ok(states.includes('failed'));
  assert.ok(said.some((line) => line.includes('"group":"plant"') && line.includes('no-such-node')));
});

test('when its parent is killed, the agent bows out and ends', async (t) => {
  const parent = new Child('parent', [process.execPath, beside('./parent.js'), state]);
  t.after(() => parent.stop('SIGKILL'));
  const { text } = await parent.untilLine(/"pid"/, 20_000);
  const { pid } = JSON.parse(text) as { readonly pid: number };
  await parent.untilLine(/"running"/, 20_000);
  assert.ok(isAlive(pid));
  parent.signal('SIGKILL');
  // Both are BACKUP still: nobody is waited for.
  await until('the agent to end', 1000, () => !isAlive(pid));
});

test('a MASTER whose parent is killed hands over, and its agent ends', async (t) => {
  const parent = new Child('parent', [process.execPath, beside('./parent.js'), state]);
  t.after(() => parent.stop('SIGKILL'));
  const { text } = await parent.untilLine(/"pid"/, 20_000);
  const { pid } = JSON.parse(text) as { readonly pid: number };
  await parent.untilLine(/"MASTER"/, 20_000);
  parent.signal('SIGKILL');
  // Its only peer ends with it, so that it waits for a successor as long as a stop may (DESIGN D5).
  await until('the agent to end', 2000, () => !isAlive(pid));
});

test('a debugger of the parent is not the debugger of the agent', () => {
  assert.equal(
    inheritedOptions('--max-old-space-size=256 --inspect=0.0.0.0:9229 --inspect-brk --require ./x.cjs'),
    '--max-old-space-size=256 --require ./x.cjs',
  );
});
