import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { NodeMessage } from 'node-red';
import { standingWord, WORDS, wordOf } from '../../nodes/watch-messages.ts';
import { type WatchDef, watchWishOf } from '../../nodes/watch-settings.ts';
import type { SegmentUpdate } from '../../src/agent/segment-updates.ts';
import type { SegmentChange, SegmentEvent } from '../../src/engine/segment-events.ts';
import type { SegmentStanding } from '../../src/engine/segment-standing.ts';
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
  sink,
  tab,
  until,
  watch,
} from './fakes.ts';

const AT = '2026-11-22T12:00:00.123Z';
const FIRST = { protocol: 'carp', vhid: 10, family: 4, source: '192.0.2.11', mac: '00:00:5e:00:01:0a' } as const;
const SECOND = { ...FIRST, source: '192.0.2.12' } as const;

const standingOf = (masters: readonly string[], more: Partial<SegmentStanding> = {}): SegmentStanding => ({
  protocol: 'carp',
  vhid: 10,
  masters,
  speakers: masters.length,
  disputed: masters.length > 1,
  ...more,
});
const ONE = standingOf(['192.0.2.11']);
const OTHER = standingOf(['198.51.100.3'], { vhid: 20 });

const report = (...standings: readonly SegmentStanding[]): SegmentUpdate => ({
  type: 'report',
  report: { speakers: [], wires: [], disputes: [], refused: {}, frames: 0, packets: 0, dropped: 0, untold: 0 },
  standings,
  speakersLeftOut: 0,
});
const change = (what: SegmentChange, standing?: SegmentStanding): SegmentUpdate => ({
  type: 'change',
  change: { at: AT, ...what },
  ...(standing === undefined ? {} : { standing }),
});
const silent = change({ event: 'master-silent', silentMs: 3000, ...FIRST }, standingOf([]));
const took = change({ event: 'master', how: 'timeout', ...SECOND }, standingOf(['192.0.2.12']));
const PROBLEM = {
  code: 'CARP_NO_PERMISSION',
  message: 'listening on a real interface needs CAP_NET_RAW',
  remedy: 'sudo setcap cap_net_raw+ep /usr/bin/node',
} as const;

describe('carp-watch', () => {
  let agents: FakeAgents;
  let nodes: ReturnType<typeof nodesOn>;
  beforeEach(() => {
    agents = fakeAgents();
    nodes = nodesOn(registryFor(agents));
  });
  afterEach(() => helper.unload());

  const load = async (...flow: readonly object[]) => {
    await helper.load(nodes, [tab, sink(), ...flow]);
    const messages = messagesAt('out');
    await until(() => agents.forked.length > 0, 'an agent');
    return messages;
  };
  const words = (messages: readonly NodeMessage[]) => messages.map(({ topic, payload }) => `${topic} ${payload}`);

  test('an agent is started for it also where there is no group, and ends with the last of those that need it', async () => {
    await load(watch());
    await until(() => agents.own().watched.length > 0, 'listening');
    assert.deepEqual(agents.own().configured.at(-1)?.hosts ?? [], []);
    await helper.setFlows([tab, sink()], 'full');
    await until(() => agents.own().stopped === 1, 'the end of the agent');
    assert.deepEqual(agents.own().watched, []);
  });

  test('the agent is started with what a group says, else with what the watch says', async () => {
    await load(watch({ agentExecPath: '/opt/watch/node' }));
    await helper.setFlows(
      [tab, sink(), watch({ agentExecPath: '/opt/watch/node' }), group({ agentExecPath: '/opt/node' })],
      'full',
    );
    await until(() => agents.forked.length === 2, 'another agent');
    assert.deepEqual(agents.execPaths, ['/opt/watch/node', '/opt/node']);
  });

  test('a group and a watch share one agent; without the watch the group goes on undisturbed', async () => {
    await load(group(), watch());
    await until(() => agents.own().watched.length > 0, 'listening');
    await helper.setFlows([tab, sink(), group()], 'full');
    await until(() => agents.own().watched.length === 0, 'the end of listening');
    assert.deepEqual([agents.forked.length, agents.own().stopped, agents.own().configured.length], [1, 0, 1]);
  });

  test('first it tells how things stand, then each change, with the change as data', async () => {
    const messages = await load(watch());
    await until(() => agents.own().watched.length > 0, 'listening');
    const { segment$ } = agents.own();
    segment$.next(report(ONE, OTHER));
    segment$.next(silent);
    segment$.next(took);
    await until(() => messages.length === 4, 'four messages');
    assert.deepEqual(words(messages), [
      'carp/watch/eth0/10 master',
      'carp/watch/eth0/20 master',
      'carp/watch/eth0/10 gone',
      'carp/watch/eth0/10 master',
    ]);
    const carp = messages.map((message) => message['carp' as keyof typeof message] as Record<string, unknown>);
    assert.deepEqual(
      { ...carp[0], at: '' },
      { event: 'snapshot', at: '', protocol: 'carp', vhid: 10, interface: 'eth0', standing: ONE },
    );
    assert.deepEqual(carp[3], {
      at: AT,
      event: 'master',
      how: 'timeout',
      ...SECOND,
      interface: 'eth0',
      standing: standingOf(['192.0.2.12']),
    });
  });

  test('a deploy tells nothing again, and what has changed meanwhile once', async () => {
    const messages = await load(watch());
    await until(() => agents.own().watched.length > 0, 'listening');
    agents.own().segment$.next(report(ONE));
    await until(() => messages.length === 1, 'a message');
    agents.own().heard = report(ONE);
    await helper.setFlows([tab, sink(), watch({ name: 'other' })], 'full');
    const after = messagesAt('out');
    await until(() => agents.own().watched.length === 2, 'listening again');
    // One that holds the segment over deploys, and one for the node.
    agents.own().segment$.next(report(ONE));
    agents.own().segment$.next(report(standingOf(['192.0.2.12'])));
    await until(() => after.length > 0, 'the news');
    assert.deepEqual(words(after), ['carp/watch/eth0/10 master']);
    assert.deepEqual([agents.forked.length, agents.own().stopped], [1, 0]);
  });

  test('one vhid can be chosen: nothing else is told, nor counted', async () => {
    const messages = await load(watch({ vhid: '10' }));
    await until(() => agents.own().watched.length > 0, 'listening');
    const { segment$ } = agents.own();
    segment$.next(report(ONE, OTHER));
    segment$.next(change({ event: 'bow-out', ...FIRST, vhid: 20 }, { ...OTHER, speakers: 0, masters: [] }));
    segment$.next(
      change({ event: 'refused', why: 'badttl', times: 1, source: '192.0.2.66', destination: '224.0.0.18', ttl: 1 }),
    );
    segment$.next(change({ event: 'flood', untold: 1 }));
    await until(() => messages.length === 2, 'two messages');
    assert.deepEqual(words(messages), ['carp/watch/eth0/10 master', 'carp/watch/eth0 flood']);
    assert.equal(lastStatus('w')?.text, '1 speaker');
  });

  test('VRRP has topics of its own, and a refused packet that names no vhid has a topic without one', async () => {
    const messages = await load(watch());
    await until(() => agents.own().watched.length > 0, 'listening');
    const { segment$ } = agents.own();
    segment$.next(report(standingOf(['192.0.2.30'], { protocol: 'vrrp' })));
    const refused = { event: 'refused', times: 1, source: '192.0.2.66', destination: '224.0.0.18', ttl: 1 } as const;
    segment$.next(change({ ...refused, why: 'badlen' }));
    segment$.next(change({ ...refused, why: 'badttl', vhid: 10 }));
    await until(() => messages.length === 3, 'three messages');
    assert.deepEqual(words(messages), [
      'carp/watch/eth0/vrrp/10 master',
      'carp/watch/eth0 refused',
      'carp/watch/eth0/10 refused',
    ]);
  });

  const looks: readonly (readonly [string, readonly SegmentUpdate[], object])[] = [
    ['nobody', [report()], { fill: 'grey', shape: 'ring', text: 'carp-watch.status.nobody' }],
    ['one', [report(ONE)], { fill: 'green', shape: 'dot', text: '1 speaker' }],
    ['three', [report(ONE, { ...OTHER, speakers: 2 })], { fill: 'green', shape: 'dot', text: '3 speakers' }],
    [
      'two masters',
      [
        report(OTHER),
        change(
          { event: 'two-masters', rival: SECOND, signatures: 'same', overlapMs: 2000, ...FIRST },
          standingOf(['192.0.2.11', '192.0.2.12']),
        ),
      ],
      { fill: 'red', shape: 'dot', text: 'carp-watch.status.two-masters' },
    ],
    [
      'a problem',
      [report(ONE), { type: 'problem', problem: PROBLEM }],
      { fill: 'red', shape: 'ring', text: 'carp.status.no-permission' },
    ],
    [
      'a problem that is over',
      [{ type: 'problem', problem: PROBLEM }, report(ONE)],
      { fill: 'green', shape: 'dot', text: '1 speaker' },
    ],
  ];
  for (const [name, updates, look] of looks)
    test(`shows ${name}`, async () => {
      await load(watch());
      await until(() => agents.own().watched.length > 0, 'listening');
      assert.deepEqual(lastStatus('w'), { fill: 'grey', shape: 'ring', text: 'carp.status.starting' });
      for (const update of updates) agents.own().segment$.next(update);
      await until(() => lastStatus('w')?.text !== 'carp.status.starting', 'another status');
      // At most one status a second: the last one comes in the end.
      await until(() => JSON.stringify(lastStatus('w')) === JSON.stringify(look), JSON.stringify(look));
    });

  test('a problem is told once with its remedy, and not again by the next deploy', async () => {
    await load(watch());
    await until(() => agents.own().watched.length > 0, 'listening');
    const problem: SegmentUpdate = { type: 'problem', problem: PROBLEM };
    agents.own().segment$.next(problem);
    agents.own().segment$.next(problem);
    assert.deepEqual(calls('w', 'warn'), [`${PROBLEM.message}: ${PROBLEM.remedy}`]);
    agents.own().heard = problem;
    await helper.setFlows([tab, sink(), watch({ name: 'other' })], 'full');
    await until(() => lastStatus('w')?.text === 'carp.status.no-permission', 'the status');
    assert.deepEqual(calls('w', 'warn'), []);
  });

  test('listens through a system service, and to the simulated network', async () => {
    const [socket, usual] = ['/run/carp/other.sock', '/run/carp/agent.sock'];
    await load(
      watch({ mode: 'service', socket }),
      watch({ id: 'v', mode: 'service' }),
      watch({ id: 's', mode: 'simulate', interface: 'lan' }),
    );
    await until(() => agents.own().watched.length > 0, 'listening');
    assert.deepEqual([...new Set(agents.own().watched)], ['lan simulated']);
    for (const path of [socket, usual]) {
      await until(() => (agents.connected.get(path)?.watched.length ?? 0) > 0, path);
      assert.deepEqual([...new Set(agents.connected.get(path)?.watched)], ['eth0']);
    }
  });

  test('settings that are wrong start nothing, and say what is wrong', async () => {
    await helper.load(nodes, [tab, sink(), watch({ interface: '' }), watch({ id: 'v', vhid: '256' })]);
    await until(() => lastStatus('v') !== undefined, 'a status');
    for (const id of ['w', 'v'])
      assert.deepEqual(lastStatus(id), { fill: 'red', shape: 'ring', text: 'carp.status.bad-settings' });
    assert.match(String(calls('w', 'error')[0]), /no interface to listen on: choose one/);
    assert.match(String(calls('v', 'error')[0]), /the vhid is "256": 1 to 255/);
    assert.deepEqual([agents.forked.length, agents.connected.size], [0, 0]);
  });
});

test('a variable of the environment that is not set is named', () => {
  const def = { ...watch(), interface: '$(CARP_IF)' } as unknown as WatchDef;
  const wish = watchWishOf(def);
  assert.ok('problem' in wish);
  assert.match(wish.problem.message, /CARP_IF/);
  const unused = watchWishOf({ ...def, interface: 'eth0', socket: '$(SOCKET)' });
  assert.ok(!('problem' in unused), 'a socket does not matter where there is none');
});

test('each change has a word of its own, and a standing has the word of the change that leads to it', () => {
  const all = Object.values(WORDS);
  assert.equal(new Set(all).size, all.length);
  const digest = (verdict: 'ok' | 'bad') =>
    wordOf({ at: AT, event: 'digest', digest: verdict, others: 'ok', ...FIRST });
  assert.deepEqual([digest('ok'), digest('bad')], ['good-digest', 'bad-digest']);
  assert.equal(wordOf({ at: AT, event: 'invented-later' } as unknown as SegmentEvent), 'invented-later');
  assert.deepEqual([ONE, standingOf([]), standingOf(['192.0.2.11', '192.0.2.12'])].map(standingWord), [
    'master',
    'gone',
    'split-brain',
  ]);
});
