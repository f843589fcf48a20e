import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { NodeMessage } from 'node-red';
import { CarpError } from '../../src/ports/error.ts';
import {
  AT,
  calls,
  type FakeAgents,
  fakeAgents,
  group,
  health,
  helper,
  lastStatus,
  messagesAt,
  nodesOn,
  registryFor,
  sink,
  tab,
  until,
} from './fakes.ts';

const PLANT = { node: 'rpi1', group: 'plant' };
const BOILER = 'health boiler';

describe('carp-health', () => {
  let agents: FakeAgents;
  let registryOf: ReturnType<typeof registryFor>;
  beforeEach(() => {
    agents = fakeAgents();
    registryOf = registryFor(agents);
  });
  afterEach(() => helper.unload());

  const caught = { id: 'catch', type: 'catch', z: 't', ...AT, scope: null, wires: [['error']] };
  const flowWith = (settings: object, more: readonly object[] = []) => [
    tab,
    group(),
    health(settings),
    ...more,
    caught,
    sink('error'),
  ];
  const load = async (settings: object = {}, more: readonly object[] = []): Promise<void> => {
    await helper.load(nodesOn(registryOf), flowWith(settings, more));
    await until(() => agents.forked.length === 1, 'an agent');
    agents.own().tell(PLANT, 'BACKUP');
  };
  const put = (payload: unknown, id = 'health', more: object = {}): void =>
    helper.getNode(id)?.receive({ payload, ...more } as NodeMessage);
  const ledger = (): object => Object.fromEntries(agents.own().ledgers.get('plant') ?? []);
  const ledgerIs = (wanted: object): Promise<void> =>
    until(() => JSON.stringify(ledger()) === JSON.stringify(wanted), `the ledger ${JSON.stringify(wanted)}`);
  /** A round trip through the node and its agent, for what must not happen. */
  const settle = () => new Promise((resolve) => setTimeout(resolve, 30));
  const shows = (): string | undefined => lastStatus('health')?.text;

  test('demotes its group when it hears of something bad, and takes that back', async () => {
    await load({ weight: '100' });
    assert.equal(shows(), 'carp.status.waiting');
    put(false);
    await ledgerIs({ [BOILER]: 100 });
    assert.deepEqual(lastStatus('health'), { fill: 'yellow', shape: 'dot', text: 'carp.status.unhealthy' });
    put(true);
    await ledgerIs({});
    assert.deepEqual(lastStatus('health'), { fill: 'green', shape: 'dot', text: 'carp.status.healthy' });
  });

  test('says so once, however often it hears it', async () => {
    await load();
    for (let i = 0; i < 5; i += 1) put(false);
    await ledgerIs({ [BOILER]: 240 });
    await settle();
    assert.equal(agents.own().commands.length, 1);
  });

  test('nothing counts before the first message', async () => {
    await load({ expect: '0.05' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual([shows(), agents.own().commands], ['carp.status.waiting', []]);
  });

  test('silence counts after it', async () => {
    await load({ expect: '0.2' });
    put(true);
    await until(() => shows() === 'carp.status.late', 'lateness');
    await ledgerIs({ [BOILER]: 240 });
    put(true);
    await ledgerIs({});
  });

  test('or from the start, if a message is expected', async () => {
    await load({ expect: '0.1', initially: 'expected' });
    await ledgerIs({ [BOILER]: 240 });
  });

  test('one that starts as unhealthy demotes at once', async () => {
    await load({ initially: 'unhealthy' });
    await ledgerIs({ [BOILER]: 240 });
  });

  const words: readonly (readonly [object, readonly unknown[], readonly unknown[]])[] = [
    [
      {},
      [true, 1, 'ok', 'true', 'online', { any: 1 }, Buffer.from('on')],
      [false, 0, '', 'false', ' OFF ', '0', 'offline', null, undefined, Buffer.from('off')],
    ],
    [{ rule: 'equals', value: 'ok' }, ['ok', Buffer.from('ok')], ['OK', true, undefined, { ok: 1 }]],
    [{ rule: 'equals', value: '200', valueType: 'num' }, [200, '200'], [404, '', true]],
    [{ rule: 'equals', value: 'true', valueType: 'bool' }, [true, 'true'], [false, 1, 'ok']],
  ];
  for (const [settings, good, bad] of words)
    test(`knows good from bad: ${JSON.stringify(settings)}`, async () => {
      await load(settings);
      const states: (readonly [unknown, string | undefined])[] = [];
      for (const payload of [...good, ...bad]) {
        // From the other side each time.
        put(good.includes(payload) ? bad[0] : good[0]);
        await settle();
        put(payload);
        await settle();
        states.push([payload, shows()]);
      }
      const wanted = [
        ...good.map((payload) => [payload, 'carp.status.healthy']),
        ...bad.map((payload) => [payload, 'carp.status.unhealthy']),
      ];
      assert.deepEqual(states, wanted);
    });

  test('may look at another property', async () => {
    await load({ property: 'carp.alive', rule: 'equals', value: 'yes' });
    put('yes', 'health', { carp: { alive: 'no' } });
    await ledgerIs({ [BOILER]: 240 });
    put('no', 'health', { carp: { alive: 'yes' } });
    await ledgerIs({});
  });

  for (const deploy of ['full', 'nodes'] as const)
    test(`a deploy (${deploy}) does not lift the demotion for a moment`, async () => {
      await load({ fall: 2, weight: 100 });
      put(false);
      put(false);
      await ledgerIs({ [BOILER]: 100 });
      const before = agents.own().commands.length;
      await helper.setFlows(flowWith({ fall: 1, weight: 100 }), deploy);
      await until(() => shows() === 'carp.status.unhealthy', 'the state from before');
      await settle();
      assert.deepEqual(agents.own().commands.slice(before), []);
      put(true);
      await ledgerIs({});
    });

  test('another weight replaces the one before', async () => {
    await load({ weight: 100 });
    put(false);
    await ledgerIs({ [BOILER]: 100 });
    await helper.setFlows(flowWith({ weight: 50 }), 'nodes');
    await ledgerIs({ [BOILER]: 50 });
    assert.deepEqual(
      agents.own().commands.filter((command) => 'restore' in command),
      [],
    );
  });

  test('a new name is in the ledger before the old one goes', async () => {
    await load();
    put(false);
    await ledgerIs({ [BOILER]: 240 });
    await helper.setFlows(flowWith({ name: 'heating' }), 'nodes');
    await ledgerIs({ 'health heating': 240 });
    assert.deepEqual(
      agents.own().commands.map((command) => Object.keys(command)[0]),
      ['demote', 'demote', 'restore'],
    );
  });

  for (const [how, flow] of [
    ['deleted', [tab, group(), sink('error')]],
    ['on a tab that is disabled', flowWith({}).map((node) => ('label' in node ? { ...node, disabled: true } : node))],
  ] as const)
    test(`a node that is ${how} takes its demotion back`, async () => {
      await load();
      put(false);
      await ledgerIs({ [BOILER]: 240 });
      await helper.setFlows(flow, 'full');
      await ledgerIs({});
    });

  test('two nodes of one name are two reasons', async () => {
    await load({}, [health({ id: 'second' })]);
    put(false);
    put(false, 'second');
    await ledgerIs({ [BOILER]: 240, [`${BOILER} (second)`]: 240 });
    put(true, 'second');
    await ledgerIs({ [BOILER]: 240 });
  });

  test('one without a name is called by its id', async () => {
    await load({ name: '' });
    put(false);
    await ledgerIs({ 'health health': 240 });
  });

  test('an agent that was started again is told again', async () => {
    await load();
    put(false);
    await ledgerIs({ [BOILER]: 240 });
    agents.own().ledgers.clear();
    agents.own().tell(PLANT, 'STOPPED');
    agents.own().tell(PLANT, 'BACKUP', { event: 'snapshot' });
    await ledgerIs({ [BOILER]: 240 });
  });

  test('goes on from what a former life has left with a system service', async () => {
    const service = group({ mode: 'service', socket: '/run/carp/agent.sock' });
    await helper.load(nodesOn(registryOf), [tab, service, health({ rise: 2 })]);
    await until(() => agents.connected.size === 1, 'a connection');
    const link = agents.connected.get('/run/carp/agent.sock');
    link?.ledgers.set('plant', new Map([[BOILER, 240]]));
    link?.tell(PLANT, 'BACKUP', { event: 'snapshot' });
    await until(() => shows() === 'carp.status.unhealthy', 'what was so before');
    put(true);
    await settle();
    assert.deepEqual(link?.commands, []);
    put(true);
    await until(() => link?.ledgers.get('plant')?.size === 0, 'an empty ledger');
  });

  test('an agent that cannot be reached is shown, tried again, and after a while an error', async () => {
    await load();
    agents.own().failure = new CarpError('CARP_NO_AGENT', 'no agent', { remedy: 'start one' });
    const errors = messagesAt('error');
    put(false);
    await until(() => shows() === 'carp.status.no-agent', 'the problem');
    assert.equal(errors.length, 0);
    await until(() => errors.length === 1, 'an error');
    const { error } = errors[0] as { readonly error?: { readonly message: string; readonly code: string } };
    assert.deepEqual([error?.code, error?.message], ['CARP_NO_AGENT', 'Error: no agent: start one']);
    agents.own().failure = undefined;
    await ledgerIs({ [BOILER]: 240 });
    await until(() => shows() === 'carp.status.unhealthy', 'the state');
    assert.equal(calls('health', 'error').length, 1);
  });

  test('without a group every message is an error with CARP_NO_GROUP', async () => {
    await helper.load(nodesOn(registryOf), flowWith({ group: '' }));
    const errors = messagesAt('error');
    put(false);
    await until(() => errors.length === 1, 'an error');
    assert.equal((errors[0] as { readonly error?: { code?: string } }).error?.code, 'CARP_NO_GROUP');
  });
});
