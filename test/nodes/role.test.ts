import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
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
});
