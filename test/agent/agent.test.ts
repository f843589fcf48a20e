import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LOCK_RETRY_MS } from '../../src/agent/agent.ts';
import { CarpError } from '../../src/ports/error.ts';
import { until } from '../support/wait.ts';
import { configOf, eventOf, groupText, SECRET, stage } from './fakes.ts';

const state = '/nonexistent/state';
const VARIABLE = 'CARP_AGENT_TEST';
const duplicate = new CarpError('CARP_DUPLICATE', 'another agent already serves vhid 10 on lan');

test('a host that is configured again keeps its engine, and one that is gone is stopped', async () => {
  const { agent, hosts } = stage();
  const a = configOf('a', [groupText('plant')]);
  const b = configOf('b', [groupText('plant')]);
  await agent.configure({ state, hosts: [a, b] });
  await agent.configure({ state, hosts: [a] });
  assert.deepEqual(
    hosts.map(({ node, applied, done }) => [node, applied, done]),
    [
      ['a', [['plant'], ['plant']], []],
      ['b', [['plant']], ['stop']],
    ],
  );
  assert.deepEqual(agent.info().nodes, ['a']);
});

test('a group whose environment cannot be had has a problem, and the others run', async () => {
  const { agent, hosts, world } = stage();
  world.refused.set('lab', new CarpError('CARP_NO_PERMISSION', 'not permitted', { remedy: 'sudo' }));
  const told: unknown[] = [];
  agent.problems$.subscribe((notice) => told.push(notice));
  await agent.configure({
    state,
    hosts: [configOf('a', [groupText('plant'), groupText('lab', { vhid: 11, addresses: [] })])],
  });
  const problem = { code: 'CARP_NO_PERMISSION', message: 'not permitted', remedy: 'sudo' };
  assert.deepEqual(hosts[0]?.applied, [['plant']]);
  assert.deepEqual(told, [{ node: 'a', group: 'lab', problem }]);
  assert.deepEqual(agent.problems(), told);
  const groups = agent.status().hosts[0]?.groups.map((group) => [group.group, group.role, group.problem]);
  assert.deepEqual(groups, [
    ['plant', 'BACKUP', undefined],
    ['lab', 'INIT', problem],
  ]);
});

test('a group that another agent serves is tried again every five seconds, and runs when that one has gone', async () => {
  const { agent, hosts, world, scheduler } = stage();
  world.refused.set('plant', duplicate);
  await agent.configure({ state, hosts: [configOf('a', [groupText('plant')])] });
  assert.deepEqual(hosts[0]?.applied, [[]]);

  scheduler.maxFrames = LOCK_RETRY_MS;
  scheduler.flush();
  await until('a second attempt', 1000, () => world.prepared.length === 2);
  assert.deepEqual(hosts[0]?.applied, [[]]);

  world.refused.clear();
  scheduler.maxFrames = 2 * LOCK_RETRY_MS;
  scheduler.flush();
  await until('the group to run', 1000, () => hosts[0]?.applied.length === 2);
  assert.deepEqual(hosts[0]?.applied.at(-1), ['plant']);
  assert.deepEqual(agent.problems(), []);
});

test('a group that moves to another transport is taken down before it is started there', async () => {
  const { agent, hosts } = stage();
  const plain = groupText('plant');
  const other = groupText('lab', { vhid: 11, addresses: [] });
  await agent.configure({ state, hosts: [configOf('a', [plain, other])] });
  await agent.configure({ state, hosts: [configOf('a', [groupText('plant', { transport: 'auto' }), other])] });
  assert.deepEqual(hosts[0]?.applied, [['plant', 'lab'], ['lab'], ['plant', 'lab']]);
});

test('a group whose password cannot be read any more goes on as it was, with a problem', async () => {
  process.env[VARIABLE] = SECRET;
  const config = configOf('a', [groupText('plant', { pass: undefined, passEnv: VARIABLE })]);
  const { agent, hosts } = stage({ parseHost: () => config });
  await agent.configure({ state, hosts: [config] });
  delete process.env[VARIABLE];
  await agent.configure({ state, hosts: [config] });
  assert.deepEqual(hosts[0]?.applied, [['plant'], ['plant']]);
  assert.deepEqual(hosts[0]?.done, []);
  assert.equal(agent.problems()[0]?.problem?.code, 'CARP_CONFIG');
});

test('a configuration that is not valid is refused whole, and what runs goes on', async () => {
  const { agent, hosts } = stage();
  const config = configOf('a', [groupText('plant')]);
  await agent.configure({ state, hosts: [config] });
  await assert.rejects(agent.configure({ state, hosts: [{ ...config, groups: [{ vhid: 999 }] }] }), {
    code: 'CARP_CONFIG',
  });
  await assert.rejects(agent.configure({ state, hosts: [config, config] }), { code: 'CARP_CONFIG' });
  assert.deepEqual(hosts[0]?.applied, [['plant']]);
  assert.deepEqual(hosts[0]?.done, []);
});

test('a simulated host that loses power says nothing more, is STOPPED for all who ask, and can be revived', async () => {
  const { agent, hosts, published } = stage();
  const mqtt = { url: 'mqtt://127.0.0.1:1', base: 'carp' };
  await agent.configure({ state, hosts: [configOf('a', [groupText('plant')], { mqtt })] });
  const events: unknown[] = [];
  agent.events$.subscribe(({ role, previous }) => events.push([previous, role]));
  await agent.simulate({ node: 'a', action: 'crash' });
  assert.deepEqual(hosts[0]?.done, ['crash']);
  assert.deepEqual(published, ['kill mqtt://127.0.0.1:1']);
  assert.deepEqual(events, [['BACKUP', 'STOPPED']]);
  assert.equal(agent.status().hosts[0]?.groups[0]?.role, 'STOPPED');
  assert.equal(agent.snapshots()[0]?.role, 'STOPPED');
  await agent.simulate({ node: 'a', action: 'revive' });
  assert.equal(hosts.length, 2);
  assert.deepEqual(hosts[1]?.applied, [['plant']]);
});

test('only a host whose groups are all simulated can be switched off', async () => {
  const { agent, hosts } = stage();
  await agent.configure({ state, hosts: [configOf('a', [groupText('plant', { transport: 'auto' })])] });
  await assert.rejects(agent.simulate({ node: 'a', action: 'crash' }), { code: 'CARP_FAILED' });
  await assert.rejects(agent.simulate({ node: 'b', action: 'crash' }), { code: 'CARP_NO_GROUP' });
  assert.deepEqual(hosts[0]?.done, []);
});

test('a stop bows out once, lets the last transitions reach MQTT, and then gives the locks back', async () => {
  const { agent, hosts, world, published } = stage();
  const mqtt = { url: 'mqtt://127.0.0.1:1', base: 'carp' };
  await agent.configure({ state, hosts: [configOf('a', [groupText('plant')], { mqtt })] });
  const seen: string[] = [];
  agent.events$.subscribe({
    next: ({ role }) => seen.push(`${role}, published: ${published.length}`),
    complete: () => seen.push('complete'),
  });
  await Promise.all([agent.stop(), agent.stop()]);
  assert.deepEqual(hosts[0]?.done, ['stop']);
  assert.deepEqual(seen, ['STOPPED, published: 0', 'complete']);
  assert.deepEqual(published, ['close mqtt://127.0.0.1:1']);
  assert.deepEqual(world.kept, []);
});

test('a publisher that cannot be made is a log line, and nothing else', async () => {
  const { agent, hosts, logged } = stage({
    createPublisher: () => {
      throw new Error('no such scheme');
    },
  });
  const mqtt = { url: 'mqtt://127.0.0.1:1', base: 'carp' };
  await agent.configure({ state, hosts: [configOf('a', [groupText('plant')], { mqtt })] });
  assert.deepEqual(hosts[0]?.applied, [['plant']]);
  assert.match(logged.join('\n'), /mqtt of a is off: no such scheme/);
});

test('what was said under another base, or before MQTT was switched off, is taken back', async () => {
  const { agent, published } = stage();
  const to = (base: string) => configOf('a', [groupText('plant')], { mqtt: { url: 'mqtt://127.0.0.1:1', base } });
  await agent.configure({ state, hosts: [to('carp')] });
  await agent.configure({ state, hosts: [to('site')] });
  await agent.configure({ state, hosts: [configOf('a', [groupText('plant')])] });
  assert.deepEqual(published, ['close mqtt://127.0.0.1:1 and take back', 'close mqtt://127.0.0.1:1 and take back']);
});

test('another broker replaces the connection to the former one, and leaves the groups alone', async () => {
  const { agent, published } = stage();
  const to = (port: number) =>
    configOf('a', [groupText('plant')], { mqtt: { url: `mqtt://127.0.0.1:${port}`, base: 'carp' } });
  await agent.configure({ state, hosts: [to(1)] });
  await agent.configure({ state, hosts: [to(1)] });
  assert.deepEqual(published, []);
  await agent.configure({ state, hosts: [to(2)] });
  assert.deepEqual(published, ['close mqtt://127.0.0.1:1']);
});

test('events and problems of the engine name their host', async () => {
  const { agent, hosts } = stage();
  await agent.configure({ state, hosts: [configOf('a', [groupText('plant')])] });
  const seen: unknown[] = [];
  agent.events$.subscribe((event) => seen.push(event));
  agent.problems$.subscribe((notice) => seen.push(notice));
  const event = eventOf('a', 'plant', { event: 'transition', role: 'MASTER' });
  hosts[0]?.events$.next(event);
  hosts[0]?.problems$.next({ group: 'plant' });
  assert.deepEqual(seen, [event, { node: 'a', group: 'plant' }]);
});

test('an owner that gives no heartbeat demotes all hosts, also those that are switched on meanwhile, until the next one', async () => {
  const { agent, hosts, scheduler } = stage();
  await agent.configure({
    state,
    stallTimeout: 15,
    hosts: ['a', 'b'].map((name) => configOf(name, [groupText('plant')])),
  });
  const pass = (ms: number): void => {
    scheduler.maxFrames = scheduler.frame + ms;
    scheduler.flush();
  };
  pass(14_000);
  agent.heartbeat();
  pass(14_000);
  assert.deepEqual(
    hosts.flatMap(({ done }) => done),
    [],
  );
  pass(2000);
  assert.deepEqual(
    hosts.map(({ done }) => done),
    [['demote'], ['demote']],
  );
  await agent.simulate({ node: 'a', action: 'crash' });
  await agent.simulate({ node: 'a', action: 'revive' });
  assert.deepEqual(hosts[2]?.done, ['demote']);
  agent.heartbeat();
  assert.deepEqual(hosts[1]?.done, ['demote', 'restore']);
  assert.deepEqual(hosts[2]?.done, ['demote', 'restore']);
});
