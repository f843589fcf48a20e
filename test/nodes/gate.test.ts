import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Node, NodeMessage } from 'node-red';
import { BehaviorSubject, of } from 'rxjs';
import { KnownRole, knowledgeLimitMs } from '../../nodes/known-role.ts';
import { Proof } from '../../nodes/proof.ts';
import type { Registry } from '../../nodes/registry.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import {
  AT,
  eventOf,
  type FakeAgents,
  fakeAgents,
  gate,
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

/** Blocks the main loop, as a Function node does that computes for too long. */
const block = (ms: number): void => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

describe('carp-gate', () => {
  let agents: FakeAgents;
  let registryOf: ReturnType<typeof registryFor>;
  beforeEach(() => {
    agents = fakeAgents();
    registryOf = registryFor(agents);
  });
  afterEach(() => helper.unload());

  const complete = { id: 'complete', type: 'complete', z: 't', ...AT, scope: ['gate'], wires: [['through']] };
  const flowWith = (settings: object) => [
    tab,
    group(),
    gate(settings),
    sink('pass'),
    sink('blocked'),
    complete,
    sink('through'),
  ];
  const listen = () => ({ pass: messagesAt('pass'), blocked: messagesAt('blocked'), through: messagesAt('through') });
  const load = async (settings: object = {}) => {
    await helper.load(nodesOn(registryOf), flowWith(settings));
    await until(() => agents.forked.length === 1, 'an agent');
    return listen();
  };
  const put = (payload: unknown, topic = ''): void =>
    helper.getNode('gate')?.receive({ payload, topic } as NodeMessage);
  /** Says the role, and waits until the gate knows that it is the present one. */
  const become = async (role: CarpEvent['role']): Promise<void> => {
    agents.own().tell(PLANT, role);
    await until(() => lastStatus('gate')?.text !== 'role unknown', 'a role', 10_000);
  };
  const payloads = (messages: readonly NodeMessage[]): readonly unknown[] => messages.map(({ payload }) => payload);

  test('passes on the MASTER, and says whose messages they are', async () => {
    const { pass, blocked, through } = await load();
    await become('MASTER');
    put(1);
    await until(() => pass.length === 1 && through.length === 1, 'a message');
    assert.deepEqual(pass[0], {
      ...pass[0],
      payload: 1,
      carp: { group: 'plant', node: 'rpi1', role: 'MASTER', since: '2026-11-22T12:00:00.123Z' },
    });
    assert.equal(blocked.length, 0);
  });

  const closed: readonly (readonly [string, () => void])[] = [
    ['nothing is known', () => undefined],
    ['the host is BACKUP', () => agents.own().tell(PLANT, 'BACKUP')],
    ['the group is INIT', () => agents.own().tell(PLANT, 'INIT')],
    ['the group has stopped', () => agents.own().tell(PLANT, 'STOPPED')],
    ['another group is MASTER', () => agents.own().tell({ node: 'rpi1', group: 'office' }, 'MASTER')],
    [
      'a MASTER has a problem',
      () => {
        agents.own().tell(PLANT, 'MASTER');
        agents.own().problems$.next({ ...PLANT, problem: { code: 'CARP_ADDRESS', message: 'cannot add' } });
      },
    ],
    [
      'the agent of a MASTER has gone',
      () => {
        agents.own().tell(PLANT, 'MASTER');
        const problem = { code: 'CARP_NO_AGENT', message: 'the agent ended' } as const;
        agents.own().state$.next({ state: 'failed', problem, retryMs: 1000 });
      },
    ],
    [
      'the agent of a MASTER does not answer',
      () => {
        agents.own().frozen = true;
        agents.own().tell(PLANT, 'MASTER');
      },
    ],
  ];
  for (const [when, happens] of closed)
    test(`is closed when ${when}`, async () => {
      const { pass, blocked } = await load();
      happens();
      // What the gate asks, it is answered by then.
      await new Promise((resolve) => setTimeout(resolve, 20));
      put('x');
      await until(() => blocked.length === 1, 'the message at the second output');
      assert.equal(pass.length, 0);
      assert.notEqual((blocked[0] as { readonly carp?: { role?: string } }).carp?.role, 'MASTER');
    });

  test('without a group every message is an error with CARP_NO_GROUP', async () => {
    const caught = { id: 'catch', type: 'catch', z: 't', ...AT, scope: null, wires: [['error']] };
    await helper.load(nodesOn(registryOf), [...flowWith({ group: '' }), caught, sink('error')]);
    const [{ pass, blocked }, errors] = [listen(), messagesAt('error')];
    put('x');
    await until(() => errors.length === 1, 'an error');
    assert.equal((errors[0] as { readonly error?: { code?: string } }).error?.code, 'CARP_NO_GROUP');
    assert.deepEqual([pass.length, blocked.length], [0, 0]);
    assert.equal(lastStatus('gate')?.text, 'carp.status.no-group');
  });

  for (const roles of [['BACKUP'], 'BACKUP', ['MASTER', 'BACKUP'], 'MASTER, BACKUP'])
    test(`passes in the roles that are chosen: ${JSON.stringify(roles)}`, async () => {
      const { pass } = await load({ roles });
      await become('BACKUP');
      put('x');
      await until(() => pass.length === 1, 'a message');
    });

  test('keeps the latest message of each topic, and lets them out at a takeover', async () => {
    const { pass, blocked, through } = await load({ mode: 'latest', limit: '2' });
    await become('BACKUP');
    for (const [payload, topic] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'a'],
      [4, 'c'],
    ] as const)
      put(payload, topic);
    // 1 was replaced by 3; of the three topics the one that was silent for longest, b, is too much.
    await until(() => blocked.length === 2 && through.length === 2, 'two that are not kept');
    assert.deepEqual(payloads(blocked), [1, 2]);
    agents.own().tell(PLANT, 'MASTER');
    await until(() => pass.length === 2 && through.length === 4, 'what was kept');
    assert.deepEqual(payloads(pass), [3, 4]);
    assert.equal((pass[0] as { readonly carp?: { role?: string } }).carp?.role, 'MASTER');
  });

  test('queues messages in their order, and evicts the oldest', async () => {
    const { pass, blocked, through } = await load({ mode: 'queue', limit: 3 });
    await become('BACKUP');
    for (let i = 1; i <= 5; i += 1) put(i, 'same');
    await until(() => blocked.length === 2, 'two that are too much');
    assert.deepEqual(payloads(blocked), [1, 2]);
    assert.equal(through.length, 2);
    agents.own().tell(PLANT, 'MASTER');
    put(6);
    await until(() => pass.length === 4, 'what was kept, and the new one');
    assert.deepEqual(payloads(pass), [3, 4, 5, 6]);
    await until(() => through.length === 6, 'all of them done');
  });

  for (const deploy of ['full', 'nodes'] as const)
    test(`what waits survives a deploy (${deploy})`, async () => {
      await load({ mode: 'queue' });
      await become('BACKUP');
      for (const payload of [1, 2, 3]) put(payload);
      await until(() => (lastStatus('gate')?.text ?? '').endsWith('kept 3'), 'three that wait');
      // Of changed nodes only those are made anew that changed: this one did.
      await helper.setFlows(flowWith({ mode: 'queue', limit: 2 }), deploy);
      const { pass, blocked } = listen();
      await become('BACKUP');
      agents.own().tell(PLANT, 'MASTER');
      await until(() => pass.length === 2, 'those that still wait');
      assert.deepEqual([payloads(pass), payloads(blocked)], [[2, 3], [1]]);
    });

  test('a gate that is deleted ends what waits', async () => {
    const { pass } = await load({ mode: 'queue' });
    await become('BACKUP');
    put(1);
    await until(() => (lastStatus('gate')?.text ?? '').endsWith('kept 1'), 'one that waits');
    await helper.setFlows([tab, group(), sink('pass')], 'full');
    await helper.setFlows(flowWith({ mode: 'queue' }), 'full');
    await become('BACKUP');
    agents.own().tell(PLANT, 'MASTER');
    const again = listen();
    put(2);
    await until(() => again.pass.length === 1, 'the new one');
    assert.deepEqual([payloads(pass), payloads(again.pass)], [[], [2]]);
  });

  test('after a stall of the main loop nothing passes on what was known before it', async () => {
    const { pass, blocked } = await load();
    await become('MASTER');
    const pings = agents.own().pings;
    agents.own().frozen = true;
    // Longer than the 3 s after which another host takes over.
    block(3100);
    put('queued before');
    await until(() => blocked.length === 1, 'the message at the second output');
    assert.equal((blocked[0] as { readonly carp?: { role?: string } }).carp?.role, 'UNKNOWN');
    assert.ok(agents.own().pings > pings, 'the agent was asked');
    agents.own().thaw();
    await until(() => {
      put('later');
      return pass.length > 0;
    }, 'an open gate');
    assert.equal(pass[0]?.payload, 'later');
  });

  test('and if the agent says that another host is MASTER now, none at all', async () => {
    const { pass, blocked } = await load({ mode: 'queue' });
    await become('MASTER');
    agents.own().frozen = true;
    block(3100);
    put('queued before');
    agents.own().tell(PLANT, 'BACKUP');
    agents.own().thaw();
    await until(() => /^blocked 1, kept 1$/.test(lastStatus('gate')?.text ?? ''), 'the answer');
    assert.deepEqual([pass.length, blocked.length], [0, 0]);
  });

  test('counts what passed and what was blocked, and shows it once a second at most', async () => {
    const { pass, blocked } = await load();
    await become('MASTER');
    const before = performance.now();
    const calls = (): number => statuses().length;
    const shown = calls();
    for (let i = 0; i < 128; i += 1) put(i);
    await until(() => pass.length === 128, 'all of them');
    await until(() => lastStatus('gate')?.text === 'pass 128', 'the last count');
    assert.ok(calls() - shown <= 2 + (performance.now() - before) / 1000, `${calls() - shown} statuses`);
    agents.own().tell(PLANT, 'BACKUP');
    for (let i = 0; i < 12; i += 1) put(i);
    await until(() => blocked.length === 12, 'all of them');
    await until(() => lastStatus('gate')?.text === 'blocked 12', 'the last count');
    assert.deepEqual(lastStatus('gate'), { fill: 'grey', shape: 'ring', text: 'blocked 12' });
  });
});

const statuses = (): readonly unknown[] => {
  const node = helper.getNode('gate') as Node & { status: { getCalls: () => readonly { thisValue: unknown }[] } };
  return node.status.getCalls().filter(({ thisValue }) => thisValue === node);
};

test('knowledge is as old as it may be when a host with advskew 0 would take over', () => {
  // advskew 100: 1.39 s and 3.39 s.
  assert.equal(knowledgeLimitMs({ advbase: 1, intervalMs: 1391, masterDownMs: 3391 }), 3000);
  assert.equal(knowledgeLimitMs({ advbase: 2, intervalMs: 2000, masterDownMs: 4000 }), 4000);
  // The sub-second mode of OpenBSD is faster than an event loop.
  assert.equal(knowledgeLimitMs({ advbase: 0, intervalMs: 78, masterDownMs: 234 }), 500);
});

test('a role whose agent was replaced while it was asked is asked of the next one', async () => {
  const proof$ = new BehaviorSubject(new Proof(async () => undefined));
  const questions: ((status: object) => void)[] = [];
  const registry = {
    view$: () => of({ event: eventOf(PLANT, 'MASTER') }),
    proof$: () => proof$,
    statusOf: () => new Promise((resolve) => questions.push(resolve)),
  };
  const known = new KnownRole(registry as unknown as Registry, 'g');
  const status = { advbase: 1, intervalMs: 1000, masterDownMs: 3000 };
  proof$.next(new Proof(async () => undefined));
  questions[0]?.(status);
  await until(() => questions.length === 2, 'another question');
  assert.equal(known.standing.role, undefined);
  questions[1]?.(status);
  await until(() => known.standing.role === 'MASTER', 'the role');
  known.close();
});
