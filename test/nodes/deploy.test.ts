import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import {
  calls,
  type FakeAgents,
  fakeAgents,
  group,
  helper,
  lastStatus,
  messagesAt,
  nodesOn,
  registryFor,
  role,
  sink,
  tab,
  until,
} from './fakes.ts';

const PLANT = { node: 'rpi1', group: 'plant' };

describe('deploys', () => {
  let agents: FakeAgents;
  beforeEach(() => {
    agents = fakeAgents();
  });
  afterEach(() => helper.unload());

  const load = async (flow: readonly object[], graceMs?: number): Promise<void> => {
    await helper.load(nodesOn(registryFor(agents, '/nonexistent/carp', graceMs)), flow);
    await until(() => agents.forked.length === 1 && agents.own().configured.length === 1, 'an agent with its groups');
  };
  /** Everything that the agent has been told since the first deploy. */
  const told = () => ({
    agents: agents.forked.length,
    configured: agents.own().configured.length,
    stopped: agents.own().stopped,
  });
  const untouched = { agents: 1, configured: 1, stopped: 0 };
  /** A turn of the event loop for what a deploy set off. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  const sent = () =>
    calls('r', 'send').map((message) => {
      const { payload, carp } = message as { readonly payload: string; readonly carp: { readonly event: string } };
      return [payload, carp.event];
    });

  test('a full deploy that changes nothing leaves the group alone', async () => {
    const flow = [tab, group(), role(), sink()];
    await load(flow);
    await helper.setFlows(flow, 'full');
    await settle();
    assert.deepEqual(told(), untouched);
  });

  test('so does another label of the group', async () => {
    await load([tab, group(), role(), sink()]);
    await helper.setFlows([tab, group({ name: 'a better label' }), role(), sink()], 'nodes');
    await settle();
    assert.deepEqual(told(), untouched);
  });

  test('another vhid is told to the same agent', async () => {
    await load([tab, group(), role(), sink()]);
    await helper.setFlows([tab, group({ vhid: 11 }), role(), sink()], 'full');
    await until(() => agents.own().configured.length === 2, 'the second configuration');
    assert.equal(agents.own().configured[1]?.hosts[0]?.groups[0]?.vhid, 11);
    assert.equal(agents.forked.length, 1);
  });

  test('a second group is added beside the first', async () => {
    const other = group({ id: 'h', group: 'office', vhid: 20, addresses: ['192.0.2.200/24'] });
    await load([tab, group(), role(), sink()]);
    await helper.setFlows([tab, group(), other, role(), sink()], 'nodes');
    await until(() => agents.own().configured.length === 2, 'the second configuration');
    assert.deepEqual(
      agents.own().configured[1]?.hosts.map(({ node, groups }) => [node, groups.map(({ name }) => name)]),
      [['rpi1', ['plant', 'office']]],
    );
  });

  test('groups of different node names are different hosts in one agent', async () => {
    await load([tab, group(), group({ id: 'h', host: 'rpi2', advskew: 100 }), role(), sink()]);
    assert.deepEqual(
      agents.own().configured[0]?.hosts.map(({ node, groups }) => [node, groups[0]?.transport, groups[0]?.advskew]),
      [
        ['rpi1', 'memory', 0],
        ['rpi2', 'memory', 100],
      ],
    );
  });

  test('a deleted group is taken from the agent, and the last one ends it', async () => {
    const other = group({ id: 'h', group: 'office', vhid: 20, addresses: ['192.0.2.200/24'] });
    await load([tab, group(), other, role(), sink()]);
    await helper.setFlows([tab, group(), role(), sink()], 'full');
    await until(() => agents.own().configured.length === 2, 'the second configuration');
    assert.deepEqual(
      agents.own().configured[1]?.hosts.flatMap(({ groups }) => groups.map(({ name }) => name)),
      ['plant'],
    );
    await helper.setFlows([tab, role(), sink()], 'full');
    assert.equal(agents.own().stopped, 1);
    assert.deepEqual(lastStatus('r'), { fill: 'red', shape: 'ring', text: 'carp.status.no-group' });
  });

  test('when the flows stop, the agent has bowed out before Node-RED goes on', async () => {
    await load([tab, group(), role(), sink()]);
    await helper.clearFlows();
    assert.equal(agents.own().stopped, 1);
  });

  test('an agent that does not end holds Node-RED up for a second only', async () => {
    await load([tab, group(), role(), sink()]);
    agents.own().stop = () => new Promise(() => undefined);
    const before = performance.now();
    await helper.clearFlows();
    assert.ok(performance.now() - before < 1900);
  });

  test('a group ends when its flows do not start again within the grace', async () => {
    await load([tab, group(), role(), sink()], 50);
    const flow = [tab, group(), role(), sink(), { id: 'x', type: 'of-a-package-that-is-missing', z: 't', wires: [] }];
    await assert.rejects(helper.setFlows(flow, 'full'), /timeout/);
    await until(() => agents.own().stopped === 1, 'the end of the agent');
  });

  test('the role is told again after a deploy only if it is another one', async () => {
    const flow = [tab, group(), role(), sink()];
    await load(flow);
    agents.own().tell(PLANT, 'MASTER');
    await helper.setFlows(flow, 'full');
    const messages = messagesAt('out');
    await settle();
    agents.own().tell(PLANT, 'BACKUP');
    await until(() => messages.length > 0, 'a message');
    assert.deepEqual(
      messages.map(({ payload }) => payload),
      ['BACKUP'],
    );
    assert.deepEqual(lastStatus('r')?.text, 'BACKUP');
  });

  test('or, if wished, after each deploy, as a snapshot', async () => {
    const flow = [tab, group(), role({ onDeploy: true }), sink()];
    await load(flow);
    agents.own().tell(PLANT, 'MASTER');
    await helper.setFlows(flow, 'full');
    assert.deepEqual(sent(), [['MASTER', 'snapshot']]);
  });

  test('a role that changed while nobody listened is told as a snapshot after the deploy', async () => {
    const flow = [tab, group(), sink()];
    await load(flow);
    agents.own().tell(PLANT, 'MASTER');
    await helper.setFlows([...flow, role()], 'full');
    assert.deepEqual(sent(), [['MASTER', 'snapshot']]);
  });

  test('a problem that goes on is not told again at each deploy', async () => {
    const flow = [tab, group(), role(), sink()];
    await load(flow);
    agents.own().problems$.next({ ...PLANT, problem: { code: 'CARP_NO_INTERFACE', message: 'there is no eth0' } });
    assert.deepEqual(calls('g', 'warn'), ['there is no eth0']);
    await helper.setFlows(flow, 'full');
    await settle();
    assert.deepEqual(calls('g', 'warn'), []);
    assert.equal(lastStatus('r')?.text, 'carp.status.no-interface');
  });
});

describe('what cannot run', () => {
  let agents: FakeAgents;
  beforeEach(() => {
    agents = fakeAgents();
  });
  afterEach(() => helper.unload());

  test('two groups of one virtual host: the second is refused, the first runs', async () => {
    const flow = [tab, group(), group({ id: 'h', group: 'twin' }), role(), role({ id: 's', group: 'h' }), sink()];
    await helper.load(nodesOn(registryFor(agents)), flow);
    await until(() => lastStatus('s') !== undefined && agents.forked.length === 1, 'the refusal');
    assert.deepEqual(lastStatus('s'), { fill: 'red', shape: 'ring', text: 'carp.status.runs-twice' });
    assert.match(String(calls('h', 'error')[0]), /vhid 10 on eth0 as group "plant"/);
    assert.deepEqual(
      agents.own().configured[0]?.hosts[0]?.groups.map(({ name }) => name),
      ['plant'],
    );
  });

  test('bad settings are told all at once, and no agent starts', async () => {
    const flow = [tab, group({ vhid: 300, addresses: ['192.0.2.100/33'], advskew: 'many' }), role(), sink()];
    await helper.load(nodesOn(registryFor(agents)), flow);
    await until(() => lastStatus('r')?.text === 'carp.status.bad-settings', 'the refusal');
    const message = String(calls('g', 'error')[0]);
    for (const wrong of [/vhid/, /192\.0\.2\.100\/33/, /advskew/]) assert.match(message, wrong);
    assert.equal(agents.forked.length, 0);
  });

  test('settings from the environment are text, and work', async (t) => {
    Object.assign(process.env, { CARP_TEST_SKEW: '100' });
    t.after(() => Reflect.deleteProperty(process.env, 'CARP_TEST_SKEW'));
    await helper.load(nodesOn(registryFor(agents)), [
      tab,
      group({ advskew: '$'.concat('{CARP_TEST_SKEW}') }),
      role(),
      sink(),
    ]);
    await until(() => agents.forked.length === 1 && agents.own().configured.length === 1, 'the agent');
    assert.equal(agents.own().configured[0]?.hosts[0]?.groups[0]?.advskew, 100);
  });

  test('a variable that is not set becomes neither a name nor a passphrase', async () => {
    const flow = [tab, group({ host: '$'.concat('{CARP_TEST_NODE}') }), role(), sink()];
    await helper.load(nodesOn(registryFor(agents)), flow, { g: { passphrase: '$'.concat('(CARP_TEST_PASS)') } });
    await until(() => calls('g', 'error').length === 1, 'the refusal');
    assert.match(String(calls('g', 'error')[0]), /CARP_TEST_NODE, CARP_TEST_PASS/);
    assert.equal(agents.forked.length, 0);
  });

  test('a broker from a variable that is not set is the one on this machine', async () => {
    const mqtt = { id: 'm', type: 'carp-mqtt', url: '$'.concat('{CARP_TEST_NOT_SET}'), base: '' };
    const flow = [tab, mqtt, group({ mqtt: 'm' }), role(), sink()];
    await helper.load(nodesOn(registryFor(agents)), flow, { m: { username: 'u', password: 'p' } });
    await until(() => agents.forked.length === 1 && agents.own().configured.length === 1, 'the agent');
    const { url, base, username, password } = agents.own().configured[0]?.hosts[0]?.mqtt ?? {};
    assert.deepEqual([url, base, username, password], ['mqtt://127.0.0.1:1883', 'carp', 'u', 'p']);
  });

  test('groups of a system service need a name only, and one connection serves all of a socket', async () => {
    const service = (id: string, name: string) => ({
      id,
      type: 'carp-group',
      mode: 'service',
      group: name,
      host: 'rpi1',
    });
    const flow = [tab, service('g', 'plant'), service('h', 'office'), role(), role({ id: 's', group: 'h' }), sink()];
    await helper.load(nodesOn(registryFor(agents)), flow);
    await until(() => agents.connected.size === 1, 'a connection');
    const link = agents.connected.get('/run/carp/agent.sock');
    link?.tell(PLANT, 'MASTER');
    link?.tell({ node: 'rpi1', group: 'office' }, 'BACKUP');
    assert.deepEqual([lastStatus('r')?.text, lastStatus('s')?.text], ['MASTER', 'BACKUP']);
    assert.equal(agents.forked.length, 0);
    await helper.clearFlows();
    assert.equal(link?.stopped, 1);
  });

  test('a service that cannot be reached, or does not have the group, is a problem of the group', async () => {
    const flow = [tab, { id: 'g', type: 'carp-group', mode: 'service', group: 'plant', host: 'rpi1' }, role(), sink()];
    await helper.load(nodesOn(registryFor(agents)), flow);
    await until(() => agents.connected.size === 1, 'a connection');
    const link = agents.connected.get('/run/carp/agent.sock');
    const problem = { code: 'CARP_NO_AGENT', message: 'no agent listens', remedy: 'systemctl start carp' } as const;
    link?.state$.next({ state: 'failed', problem, retryMs: 1000 });
    assert.equal(lastStatus('r')?.text, 'carp.status.no-agent');
    link?.tell({ node: 'rpi1', group: 'office' }, 'MASTER');
    link?.state$.next({ state: 'running' });
    assert.equal(lastStatus('r')?.text, 'carp.status.no-such-group');
    assert.deepEqual(calls('g', 'warn'), [
      'no agent listens: systemctl start carp',
      'the service at /run/carp/agent.sock has no group "plant" of node rpi1: choose one of these: office of rpi1',
    ]);
    link?.tell(PLANT, 'BACKUP');
    assert.equal(lastStatus('r')?.text, 'BACKUP');
  });

  test('a copy of node with capabilities starts the agent', async () => {
    const flow = [tab, group({ mode: 'run', agentExecPath: '/usr/local/bin/node-carp' }), role(), sink()];
    await helper.load(nodesOn(registryFor(agents)), flow);
    await until(() => agents.forked.length === 1, 'the agent');
    assert.deepEqual(agents.execPaths, ['/usr/local/bin/node-carp']);
  });
});
