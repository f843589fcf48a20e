import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { NodeMessage } from 'node-red';
import type { MismatchEvent } from '../../src/engine/mismatch.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import {
  calls,
  eventOf,
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

describe('carp-role', () => {
  let agents: FakeAgents;
  beforeEach(() => {
    agents = fakeAgents();
  });
  afterEach(() => helper.unload());

  const load = async (flow: readonly object[], credentials: object = {}): Promise<void> => {
    await helper.load(nodesOn(registryFor(agents)), flow, credentials);
    await until(() => agents.forked.length > 0, 'an agent');
  };

  test('sends each change of role, ready for mqtt out', async () => {
    await load([tab, group(), role(), sink()]);
    const messages = messagesAt('out');
    agents.own().tell(PLANT, 'BACKUP');
    agents.own().tell(PLANT, 'MASTER', { previous: 'BACKUP', reason: 'master-timeout', seq: 2 });
    await until(() => messages.length === 2, 'two messages');
    const { _msgid, ...message } = messages[1] ?? {};
    assert.deepEqual(message, {
      topic: 'carp/plant/node/rpi1/role',
      payload: 'MASTER',
      qos: 1,
      retain: true,
      carp: { ...eventOf(PLANT, 'MASTER'), previous: 'BACKUP', reason: 'master-timeout', seq: 2 },
    });
  });

  test('of two outputs MASTER takes the first and all other roles the second', async () => {
    await load([tab, group(), role({ outputs: 2, wires: [['master'], ['other']] }), sink('master'), sink('other')]);
    const [master, other] = [messagesAt('master'), messagesAt('other')];
    for (const next of ['BACKUP', 'MASTER', 'STOPPED'] as const) agents.own().tell(PLANT, next);
    await until(() => other.length === 2 && master.length === 1, 'three messages');
    assert.deepEqual(
      master.map(({ payload }) => payload),
      ['MASTER'],
    );
    assert.deepEqual(
      other.map(({ payload }) => payload),
      ['BACKUP', 'STOPPED'],
    );
  });

  test('uses the base topic of the MQTT connection of its group', async () => {
    const mqtt = { id: 'm', type: 'carp-mqtt', url: 'mqtt://127.0.0.1', base: 'acme/line3' };
    await load([tab, mqtt, group({ mqtt: 'm' }), role(), sink()]);
    const messages = messagesAt('out');
    agents.own().tell(PLANT, 'BACKUP');
    await until(() => messages.length === 1, 'a message');
    assert.equal(messages[0]?.topic, 'acme/line3/plant/node/rpi1/role');
  });

  test('names topics as the agent does: without empty levels, and with names encoded', async () => {
    const mqtt = { id: 'm', type: 'carp-mqtt', url: 'mqtt://127.0.0.1', base: '/carp/' };
    const service = { mode: 'service', socket: '/run/carp/agent.sock', host: 'rpi 1', group: 'my plant' };
    await helper.load(nodesOn(registryFor(agents)), [tab, mqtt, group({ ...service, mqtt: 'm' }), role(), sink()]);
    await until(() => agents.connected.size > 0, 'a service');
    const messages = messagesAt('out');
    agents.connected.get('/run/carp/agent.sock')?.tell({ node: 'rpi 1', group: 'my plant' }, 'BACKUP');
    await until(() => messages.length === 1, 'a message');
    assert.equal(messages[0]?.topic, 'carp/my%20plant/node/rpi%201/role');
  });

  test('does not hear other groups', async () => {
    await load([tab, group(), role(), sink()]);
    const messages = messagesAt('out');
    agents.own().tell({ node: 'rpi2', group: 'plant' }, 'MASTER');
    agents.own().tell({ node: 'rpi1', group: 'office' }, 'MASTER');
    agents.own().tell(PLANT, 'BACKUP');
    await until(() => messages.length > 0, 'a message');
    assert.deepEqual(
      messages.map(({ payload }) => payload),
      ['BACKUP'],
    );
  });

  const looks: readonly (readonly [CarpEvent['role'], Partial<CarpEvent>, object])[] = [
    ['MASTER', {}, { fill: 'green', shape: 'dot', text: 'MASTER' }],
    ['BACKUP', {}, { fill: 'blue', shape: 'ring', text: 'BACKUP' }],
    [
      'BACKUP',
      { master: { address: '192.0.2.12', self: false } },
      { fill: 'blue', shape: 'ring', text: 'BACKUP of 192.0.2.12' },
    ],
    ['BACKUP', { demotion: 240 }, { fill: 'yellow', shape: 'ring', text: 'BACKUP, demoted 240' }],
    ['BACKUP', { demotion: 240, mode: 'maintenance' }, { fill: 'yellow', shape: 'ring', text: 'BACKUP, demoted 240' }],
    ['BACKUP', { demotion: 240, mode: 'observe' }, { fill: 'yellow', shape: 'ring', text: 'carp.status.observes' }],
    ['MASTER', { demotion: 240, mode: 'observe' }, { fill: 'green', shape: 'dot', text: 'MASTER' }],
    ['INIT', { mode: 'observe' }, { fill: 'grey', shape: 'ring', text: 'INIT' }],
    ['INIT', {}, { fill: 'grey', shape: 'ring', text: 'INIT' }],
    ['STOPPED', {}, { fill: 'grey', shape: 'ring', text: 'STOPPED' }],
  ];
  test('shows the role, and whose BACKUP it is', async () => {
    await load([tab, group(), role(), sink()]);
    assert.deepEqual(lastStatus('r'), { fill: 'grey', shape: 'ring', text: 'carp.status.starting' });
    for (const [next, more, look] of looks) {
      agents.own().tell(PLANT, next, more);
      assert.deepEqual(lastStatus('r'), look);
    }
  });

  test('shows a problem as long as there is one, and the group tells it in full once', async () => {
    await load([tab, group(), role(), sink()]);
    agents.own().tell(PLANT, 'INIT');
    const problem = {
      code: 'CARP_NO_PERMISSION',
      message: 'raw sockets need CAP_NET_RAW',
      remedy: 'sudo setcap cap_net_raw+ep /usr/bin/node',
    } as const;
    agents.own().problems$.next({ ...PLANT, problem });
    agents.own().problems$.next({ ...PLANT, problem });
    assert.deepEqual(lastStatus('r'), { fill: 'red', shape: 'ring', text: 'carp.status.no-permission' });
    assert.deepEqual(calls('g', 'warn'), ['raw sockets need CAP_NET_RAW: sudo setcap cap_net_raw+ep /usr/bin/node']);
    agents.own().problems$.next(PLANT);
    assert.deepEqual(lastStatus('r'), { fill: 'grey', shape: 'ring', text: 'INIT' });
  });

  test('says so when it has no group', async () => {
    await helper.load(nodesOn(registryFor(agents)), [tab, role({ group: '' }), sink()]);
    assert.deepEqual(lastStatus('r'), { fill: 'red', shape: 'ring', text: 'carp.status.no-group' });
  });

  test('the passphrase and the password of the broker reach the agent, and nothing else', async () => {
    const mqtt = { id: 'm', type: 'carp-mqtt', url: 'mqtt://127.0.0.1' };
    const secrets = { g: { passphrase: 'sesame-1' }, m: { username: 'u', password: 'sesame-2' } };
    await load([tab, mqtt, group({ mqtt: 'm' }), role(), sink()], secrets);
    await until(() => agents.own().configured.length === 1, 'the configuration');
    assert.match(JSON.stringify(agents.own().configured), /sesame-1/);
    assert.match(JSON.stringify(agents.own().configured), /sesame-2/);
    agents.own().tell(PLANT, 'MASTER');
    const told = [calls('r', 'send'), calls('r', 'status'), helper.log().args.map(([line]) => line.msg)];
    assert.ok(calls('r', 'send').length === 1);
    assert.doesNotMatch(JSON.stringify(told), /sesame/);
  });

  test('a passphrase that is refused is in no message, status or line of the log', async () => {
    const secret = 'do-not-tell-anybody-this-one';
    await helper.load(nodesOn(registryFor(agents)), [tab, group(), role(), sink()], { g: { passphrase: secret } });
    await until(() => calls('g', 'error').length > 0, 'the refusal');
    const log = helper.log().args.map(([line]) => line.msg);
    assert.match(String(calls('g', 'error')[0]), /at most 19/);
    assert.doesNotMatch(JSON.stringify([calls('r', 'status'), calls('g', 'error'), log]), /do-not-tell/);
  });

  const roles = async (next: readonly CarpEvent['role'][]): Promise<void> => {
    for (const one of next) agents.own().tell(PLANT, one);
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const payloads = (messages: readonly NodeMessage[]): readonly unknown[] => messages.map(({ payload }) => payload);

  test('of three outputs BACKUP takes the second, and what is neither the third', async () => {
    const wires = [['master'], ['backup'], ['other']];
    await load([tab, group(), role({ outputs: '3', wires }), sink('master'), sink('backup'), sink('other')]);
    const [master, backup, other] = [messagesAt('master'), messagesAt('backup'), messagesAt('other')];
    await roles(['INIT', 'BACKUP', 'MASTER', 'STOPPED']);
    assert.deepEqual([master, backup, other].map(payloads), [['MASTER'], ['BACKUP'], ['INIT', 'STOPPED']]);
  });

  test('the payload may be whether this host is MASTER, or the whole event', async () => {
    const flow = [tab, group(), role({ payload: 'boolean' }), role({ id: 's', payload: 'object', wires: [['all']] })];
    await load([...flow, sink(), sink('all')]);
    const [yes, all] = [messagesAt('out'), messagesAt('all')];
    await roles(['BACKUP', 'MASTER']);
    assert.deepEqual(payloads(yes), [false, true]);
    assert.deepEqual(payloads(all), [eventOf(PLANT, 'BACKUP'), eventOf(PLANT, 'MASTER')]);
  });

  test('a message asks for the present role, and is the answer', async () => {
    await load([tab, group(), role({ inputs: 1 }), sink()]);
    agents.own().tell(PLANT, 'BACKUP');
    const messages = messagesAt('out');
    await until(() => messages.length === 1, 'the change');
    helper.getNode('r')?.receive({ mine: 1, payload: 'what?' } as NodeMessage);
    await until(() => messages.length === 2, 'an answer');
    const { payload, mine, carp } = messages[1] as NodeMessage & { readonly mine: number; readonly carp: CarpEvent };
    assert.deepEqual([payload, mine, carp.event, carp.role], ['BACKUP', 1, 'snapshot', 'BACKUP']);
  });

  test('it cannot answer what it does not know, and does not guess what is meant', async () => {
    const caught = { id: 'catch', type: 'catch', z: 't', x: 1, y: 1, scope: null, wires: [['out']] };
    await load([tab, group(), role({ inputs: 1, wires: [[]] }), caught, sink()]);
    const errors = messagesAt('out');
    helper.getNode('r')?.receive({} as NodeMessage);
    agents.own().tell(PLANT, 'BACKUP');
    helper.getNode('r')?.receive({ action: 'hand-over' } as unknown as NodeMessage);
    await until(() => errors.length === 2, 'two errors');
    assert.deepEqual(
      errors.map((message) => (message as { readonly error?: { readonly code: string } }).error?.code),
      ['CARP_NO_AGENT', 'CARP_BAD_ACTION'],
    );
  });

  test('tells the role again and again, if wished', async () => {
    await load([tab, group(), role({ heartbeat: '0.05' }), sink()]);
    const messages = messagesAt('out');
    agents.own().tell(PLANT, 'MASTER');
    await until(() => messages.length >= 4, 'some heartbeats');
    const events = messages.map(({ carp }: NodeMessage & { carp?: unknown }) => (carp as CarpEvent).event);
    assert.deepEqual(new Set(events.slice(1)), new Set(['snapshot']));
    assert.equal(events[0], 'transition');
  });

  test('a role that does not last is not told', async () => {
    await load([tab, group(), role({ debounce: 200 }), sink()]);
    const messages = messagesAt('out');
    await roles(['BACKUP', 'MASTER', 'BACKUP']);
    assert.equal(messages.length, 0);
    await until(() => messages.length === 1, 'the role that lasts');
    await roles(['MASTER', 'BACKUP']);
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.deepEqual(payloads(messages), ['BACKUP']);
  });

  test('what the group finds out about its peers comes at an output of its own', async () => {
    const wires = [['out'], ['alert']];
    await load([tab, group(), role({ outputs: 2, alerts: true, wires }), sink(), sink('alert')]);
    const [messages, alerts] = [messagesAt('out'), messagesAt('alert')];
    await roles(['BACKUP', 'MASTER']);
    const finding = {
      event: 'profile-hint',
      group: 'plant',
      node: 'rpi1',
      interface: 'eth0',
      vhid: 10,
      at: '2026-11-22T12:00:00.123Z',
      source: '192.0.2.12',
      compatibility: 'openbsd',
      detail: 'it signs otherwise',
      remedy: 'set compatibility to openbsd',
    } as const;
    agents.own().findings$.next(finding);
    agents.own().findings$.next({ ...finding, group: 'office' });
    await until(() => alerts.length > 0, 'an alert');
    const { _msgid, ...alert } = alerts[0] ?? {};
    const topic = 'carp/plant/node/rpi1/alert';
    assert.deepEqual(alert, { topic, payload: 'profile-hint', qos: 1, retain: false, carp: finding });
    assert.deepEqual([payloads(messages), alerts.length], [['BACKUP', 'MASTER'], 1]);
  });

  test('a problem of the group reaches catch nodes with its code, once', async () => {
    const caught = { id: 'catch', type: 'catch', z: 't', x: 1, y: 1, scope: null, wires: [['out']] };
    const flow = [tab, group(), role({ wires: [[]] }), caught, sink()];
    await load(flow);
    const errors = messagesAt('out');
    agents.own().tell(PLANT, 'INIT');
    const problem = { code: 'CARP_NO_INTERFACE', message: 'there is no eth0', remedy: 'ip link' } as const;
    agents.own().problems$.next({ ...PLANT, problem });
    agents.own().problems$.next({ ...PLANT, problem });
    await until(() => errors.length > 0, 'an error');
    await helper.setFlows(flow, 'full');
    const later = messagesAt('out');
    await roles(['INIT']);
    assert.deepEqual([errors.length, later.length], [1, 0]);
    const { error, carp } = errors[0] as NodeMessage & { error?: { message: string; code: string }; carp?: CarpEvent };
    assert.deepEqual(
      [error?.code, error?.message, carp?.role],
      ['CARP_NO_INTERFACE', 'Error: there is no eth0: ip link', 'INIT'],
    );
    assert.deepEqual(calls('r', 'error'), []);
  });

  test('writes the last event where Function nodes can read it, and takes it back when it goes', async () => {
    const flow = [tab, group(), role({ contextType: 'global' }), role({ id: 's', contextType: 'flow', context: 'x' })];
    await load([...flow, sink()]);
    const contexts = () => {
      const context = helper.getNode('r')?.context();
      return [context?.global.get('carp.plant.role'), context?.flow.get('x.role')];
    };
    assert.deepEqual(contexts(), [undefined, undefined]);
    await roles(['MASTER']);
    assert.deepEqual(contexts(), ['MASTER', 'MASTER']);
    await roles(['STOPPED']);
    assert.deepEqual(contexts(), ['STOPPED', 'STOPPED']);
    const { global } = helper.getNode('r')?.context() ?? {};
    await helper.setFlows([tab, group(), sink()], 'full');
    assert.equal(global?.get('carp.plant'), undefined);
  });

  test('what was heard before a problem is told by no heartbeat, no answer and no context', async () => {
    await load([tab, group(), role({ heartbeat: '0.02', contextType: 'global' }), sink()]);
    const messages = messagesAt('out');
    await roles(['MASTER']);
    await until(() => messages.length >= 3, 'some heartbeats');
    const problem = { code: 'CARP_NO_AGENT', message: 'the agent has ended' } as const;
    agents.own().state$.next({ state: 'failed', problem, retryMs: 1000 });
    const before = messages.length;
    helper.getNode('r')?.receive({});
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(messages.length, before);
    assert.equal(helper.getNode('r')?.context().global.get('carp.plant'), undefined);
    agents.own().state$.next({ state: 'running' });
    await until(() => messages.length > before, 'a heartbeat');
  });

  test('a group on a real network without a passphrase says so, once; a simulated one, or one that has it, does not', async () => {
    const told = (): readonly unknown[] => calls('g', 'warn').filter((text) => /no passphrase/.test(String(text)));
    await load([tab, group({ mode: 'run' }), role(), sink()]);
    assert.equal(told().length, 1);
    await helper.setFlows([tab, group({ mode: 'run' }), role(), sink()], 'full');
    assert.equal(told().length, 0);
    await helper.setFlows([tab, group(), role(), sink()], 'full');
    await helper.setFlows([tab, group({ mode: 'run' }), role(), sink()], 'full', { g: { passphrase: 'secret' } });
    assert.equal(told().length, 0);
  });

  test('shows a split brain while another MASTER’s signature is refused, also beside a BACKUP, and not because of VRRP', async () => {
    await load([tab, group(), role(), sink()]);
    const found = (kind: MismatchEvent['kind'], cleared?: true): MismatchEvent => ({
      event: 'auth-mismatch',
      group: 'plant',
      interface: 'eth0',
      vhid: 10,
      node: 'rpi1',
      at: '2026-11-22T12:00:00.000Z',
      source: '192.0.2.12',
      kind,
      detail: 'signs otherwise',
      remedy: 'compare passwords',
      ...(cleared === undefined ? {} : { cleared }),
    });
    const shown = (): unknown => lastStatus('r')?.text;
    await roles(['MASTER']);
    agents.own().findings$.next(found('vrrp'));
    assert.equal(shown(), 'MASTER');
    agents.own().findings$.next(found('unknown'));
    assert.deepEqual(lastStatus('r'), { fill: 'red', shape: 'dot', text: 'carp.status.split-brain' });
    agents.own().findings$.next(found('unknown', true));
    assert.equal(shown(), 'MASTER');
    agents.own().findings$.next(found('password-cut'));
    await roles(['BACKUP']);
    assert.deepEqual(lastStatus('r'), { fill: 'red', shape: 'ring', text: 'carp.status.bad-auth' });
  });
});
