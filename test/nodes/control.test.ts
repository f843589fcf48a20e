import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { NodeMessage } from 'node-red';
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

const order = (message: NodeMessage): void => helper.getNode('c')?.receive(message);
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
      assert.match(message, /hand-over, crash, revive/);
      assert.deepEqual(agents.own().commands, []);
    });
});
