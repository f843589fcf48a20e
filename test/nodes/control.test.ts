import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { NodeMessage } from 'node-red';
import type { CarpEvent, GroupStatus } from '../../src/engine/status.ts';
import { CarpError } from '../../src/ports/error.ts';
import {
  AT,
  control,
  type FakeAgents,
  fakeAgents,
  group,
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
const MAINTENANCE_ON = { maintenance: { on: true, ...PLANT } };
const OBSERVE = { observe: { on: true, ...PLANT } };
const OBSERVE_OFF = { observe: { on: false, ...PLANT } };
const OFF = { maintenance: { on: false, ...PLANT } };
const DEMOTED = { demote: { reason: 'backup runs', weight: 100, ...PLANT } };

const order = (message: object): void => helper.getNode('c')?.receive(message as NodeMessage);
const failureIn = ([message]: readonly (NodeMessage & { readonly error?: unknown })[]) =>
  message?.error as { readonly message: string; readonly code: string };

describe('carp-control', () => {
  let agents: FakeAgents;
  beforeEach(() => {
    agents = fakeAgents();
  });
  afterEach(() => helper.unload());

  const caught = { id: 'catch', type: 'catch', z: 't', ...AT, scope: null, wires: [['error']] };
  const load = async (settings: object = {}) => {
    const flow = [tab, group(), control(settings), sink(), caught, sink('error')];
    await helper.load(nodesOn(registryFor(agents)), flow);
    await until(() => agents.forked.length === 1, 'the agent');
    return { answers: messagesAt('out'), errors: messagesAt('error') };
  };

  test('hands over when a message says so, and tells who took it', async () => {
    const { answers } = await load();
    order({ action: 'hand-over', force: true, topic: 'mine' });
    await until(() => answers.length === 1, 'an answer');
    assert.deepEqual(agents.own().commands, [{ node: 'rpi1', group: 'plant', force: true }]);
    assert.deepEqual(answers[0]?.payload, { ok: true, action: 'hand-over', address: '192.0.2.12', afterMs: 7 });
    assert.equal(answers[0]?.topic, 'mine');
    assert.equal(Object.hasOwn(answers[0] ?? {}, 'action'), false, 'the next node must not take it for an order');
    assert.equal(lastStatus('c')?.text, 'carp.status.done-hand-over');
  });

  test('does what it is set to do, and a message may say otherwise', async () => {
    const { answers } = await load({ action: 'crash' });
    order({});
    order({ action: 'revive' });
    await until(() => answers.length === 2, 'two answers');
    assert.deepEqual(agents.own().commands, [
      { node: 'rpi1', action: 'crash' },
      { node: 'rpi1', action: 'revive' },
    ]);
  });

  test('a command that fails reaches a catch node with its code', async () => {
    const { answers, errors } = await load();
    agents.own().failure = new CarpError('CARP_NOBODY', 'nobody took over', { remedy: 'use force' });
    order({ action: 'hand-over' });
    await until(() => errors.length === 1, 'an error');
    const { message, code } = failureIn(errors);
    assert.deepEqual([message, code], ['Error: nobody took over: use force', 'CARP_NOBODY']);
    assert.equal(answers.length, 0);
  });

  for (const action of ['explode', 'constructor', undefined])
    test(`the action ${action} is refused with the actions that there are`, async () => {
      const { errors } = await load();
      order({ action });
      await until(() => errors.length === 1, 'an error');
      const { message, code } = failureIn(errors);
      assert.equal(code, 'CARP_BAD_ACTION');
      for (const known of ['hand-over', 'maintenance-on', 'observe-on', 'query', 'revive'])
        assert.match(message, new RegExp(known));
      assert.deepEqual(agents.own().commands, []);
    });

  const orders: readonly (readonly [string, object, object, object])[] = [
    ['maintenance is switched by the payload', { action: 'maintenance' }, { payload: 'on' }, MAINTENANCE_ON],
    ['or by msg.enable, which counts more', { action: 'maintenance' }, { payload: true, enable: false }, OFF],
    [
      'for the whole host',
      { action: 'maintenance-on', scope: 'host' },
      {},
      { maintenance: { on: true, node: 'rpi1' } },
    ],
    ['lets a group observe', { action: 'observe-on' }, {}, OBSERVE],
    ['and ends that', { action: 'observe-on' }, { action: 'observe off' }, OBSERVE_OFF],
    ['observing is switched by the payload, too', { action: 'observe' }, { payload: 'ON' }, OBSERVE],
    ['and by msg.enable', { action: 'observe' }, { payload: 'ON', enable: false }, OBSERVE_OFF],
    [
      'lets the whole host observe',
      { action: 'query' },
      { action: 'observe-on', scope: 'host' },
      { observe: { on: true, node: 'rpi1' } },
    ],
    ['demotes with what it is set to', { action: 'demote', reason: 'backup runs', weight: '100' }, {}, DEMOTED],
    ['or with what a message says', {}, { action: 'demote', reason: 'backup runs', weight: 100 }, DEMOTED],
    [
      'demotes for a time',
      { action: 'demote', forSeconds: '90' },
      {},
      { demote: { reason: 'flow', weight: 240, forMs: 90_000, node: 'rpi1', group: 'plant' } },
    ],
    [
      'restores',
      { action: 'restore', reason: 'x' },
      { reason: 'backup runs' },
      { restore: { reason: 'backup runs', node: 'rpi1', group: 'plant' } },
    ],
    [
      'sets another advskew',
      { action: 'set-advskew', advskew: '0' },
      {},
      { advskew: { node: 'rpi1', group: 'plant', advskew: 0 } },
    ],
    [
      'and takes it back',
      { action: 'set-advskew', advskew: '100' },
      { advskew: null },
      { advskew: { node: 'rpi1', group: 'plant', advskew: null } },
    ],
    ['understands handover, too', {}, { action: 'handover' }, { node: 'rpi1', group: 'plant', force: false }],
  ];
  for (const [title, settings, message, command] of orders)
    test(title, async () => {
      const { answers, errors } = await load(settings);
      order(message);
      await until(() => answers.length + errors.length === 1, 'an answer');
      assert.deepEqual(errors, []);
      assert.deepEqual(agents.own().commands, [command]);
      assert.equal((answers[0]?.payload as { readonly ok?: boolean } | undefined)?.ok, true);
    });

  const nonsense: readonly (readonly [object, object])[] = [
    [{ action: 'maintenance' }, { payload: 'perhaps' }],
    [{ action: 'observe' }, { payload: { on: true } }],
    [{ action: 'observe-on' }, { scope: 'all' }],
    [{ action: 'demote', weight: '0' }, {}],
    [{ action: 'demote' }, { weight: 65_536 }],
    [{ action: 'demote' }, { reason: 'two\nlines' }],
    [{ action: 'demote' }, { reason: 'x'.repeat(65) }],
    [{ action: 'demote' }, { forSeconds: -1 }],
    [{ action: 'set-advskew' }, { advskew: 255 }],
    [{ action: 'set-advskew' }, { advskew: true }],
    [{ action: 'restore' }, { scope: 'everything' }],
  ];
  for (const [settings, message] of nonsense)
    test(`refuses ${JSON.stringify({ ...settings, ...message })}, and says what would be right`, async () => {
      const { errors } = await load(settings);
      order(message);
      await until(() => errors.length === 1, 'an error');
      const failure = failureIn(errors);
      assert.equal(failure.code, 'CARP_BAD_ACTION');
      assert.match(failure.message, /set msg\./);
      assert.deepEqual(agents.own().commands, []);
    });

  test('an order to observe is answered with its receipt, and shown while it runs', async () => {
    const { answers } = await load({ action: 'observe-on' });
    const groups = [{ group: 'plant', previous: 'MASTER', role: 'BACKUP', demotion: 240 }] as const;
    let shown: string | undefined;
    agents.own().observe = async () => {
      shown = lastStatus('c')?.text;
      return { node: 'rpi1', changed: true, groups };
    };
    agents.own().tell(PLANT, 'BACKUP', { mode: 'observe', demotion: 240 });
    order({});
    await until(() => answers.length === 1, 'an answer');
    const { payload, carp } = answers[0] as NodeMessage & { readonly carp: CarpEvent };
    assert.deepEqual(payload, { ok: true, action: 'observe-on', node: 'rpi1', changed: true, groups });
    assert.equal(carp.mode, 'observe');
    assert.deepEqual([shown, lastStatus('c')?.text], ['carp.status.doing-observe-on', 'carp.status.done-observe-on']);
  });

  test('a mode of the whole host cannot be ended for one group, and the catch node hears what can', async () => {
    const { errors } = await load({ action: 'observe-off' });
    const remedy = 'to end that: carp observe off';
    agents.own().failure = new CarpError('CARP_FAILED', 'plant observes with the whole host', { remedy });
    order({});
    await until(() => errors.length === 1, 'an error');
    const { message, code } = failureIn(errors);
    assert.deepEqual([message, code], [`Error: plant observes with the whole host: ${remedy}`, 'CARP_FAILED']);
    assert.equal(lastStatus('c')?.text, 'carp.status.failed');
  });

  test('a query answers with all that is known', async () => {
    const { answers } = await load({ action: 'query' });
    agents.own().tell(PLANT, 'MASTER');
    order({});
    await until(() => answers.length === 1, 'an answer');
    const { payload, carp } = answers[0] as {
      readonly payload: GroupStatus & { ok: boolean };
      readonly carp: CarpEvent;
    };
    assert.deepEqual([payload.ok, payload.role, payload.masterDownMs, payload.ledger], [true, 'MASTER', 3000, []]);
    assert.deepEqual([carp.event, carp.role], ['snapshot', 'MASTER']);
  });

  test('a message may name another group of this Node-RED', async () => {
    const second = group({ id: 'h', host: 'rpi2', advskew: 100 });
    await helper.load(nodesOn(registryFor(agents)), [tab, group(), second, control(), sink(), caught, sink('error')]);
    await until(() => agents.forked.length === 1, 'the agent');
    const [answers, errors] = [messagesAt('out'), messagesAt('error')];
    order({ action: 'hand-over', group: 'plant', node: 'rpi2' });
    await until(() => answers.length === 1, 'an answer');
    assert.deepEqual(agents.own().commands, [{ node: 'rpi2', group: 'plant', force: false }]);
    for (const which of [{ group: 'plant' }, { group: 'office' }]) order({ action: 'hand-over', ...which });
    await until(() => errors.length === 2, 'two errors');
    assert.deepEqual(
      errors.map((error) => failureIn([error]).code),
      ['CARP_NO_GROUP', 'CARP_NO_GROUP'],
    );
    assert.match(failureIn(errors).message, /plant of rpi1, plant of rpi2/);
  });

  test('a command that takes too long fails, and may still happen', async () => {
    const { answers, errors } = await load({ action: 'hand-over', timeout: '0.1' });
    agents.own().frozen = true;
    order({});
    await until(() => errors.length === 1, 'an error');
    assert.equal(failureIn(errors).code, 'CARP_TIMEOUT');
    assert.equal(lastStatus('c')?.text, 'carp.status.timeout');
    agents.own().thaw();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(answers.length, 0);
  });

  test('without a group it fails with CARP_NO_GROUP', async () => {
    const { errors } = await load({ group: '' });
    order({ action: 'query' });
    await until(() => errors.length === 1, 'an error');
    assert.equal(failureIn(errors).code, 'CARP_NO_GROUP');
  });
});
