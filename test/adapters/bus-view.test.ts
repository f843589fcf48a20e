import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { addressTopic, groupTopic, memberTopic, nodeTopic, placeOf } from '../../src/adapters/mqtt/topics.ts';
import { BusView } from '../../src/adapters/mqtt/view/bus-view.ts';
import { busFilters } from '../../src/adapters/mqtt/view/bus-view-filters.ts';
import { BUS_BOUNDS } from '../../src/adapters/mqtt/view/bus-view-types.ts';

const scope = { base: 'carp', node: 'a' };
const AT = '2026-11-22T12:00:00.123Z';

const STATE = {
  event: 'snapshot',
  group: 'plant',
  interface: 'eth0',
  vhid: 10,
  node: 'a',
  role: 'MASTER',
  previous: 'BACKUP',
  reason: 'master-timeout',
  detail: 'nothing heard for 3.0 s',
  at: AT,
  seq: 42,
  master: { address: '192.0.2.11', self: true },
  advbase: 1,
  advskew: 0,
  demotion: 0,
  addresses: ['192.0.2.100/24', '2001:db8::100/64', 'fe80::1%eth0/64'],
};
const INFO = {
  node: 'a',
  instance: '0123456789abcdef',
  startedAt: AT,
  at: AT,
  version: '0.1.0',
  hostname: 'a.example',
  commands: [],
  groups: [{ group: 'plant', vhid: 10, interface: 'eth0', advbase: 1, deadratio: 3, fingerprint: '0011223344556677' }],
};
const CLAIM = { node: 'a', address: '192.0.2.11', vhid: 10, since: AT, at: AT, seq: 42 };
const PEER = {
  address: '192.0.2.12',
  state: 'silent',
  advbase: 1,
  advskew: 100,
  demotion: 0,
  firstHeard: AT,
  lastHeard: AT,
  at: AT,
};
const ALARM = {
  active: true,
  alarms: [{ code: 'two-masters', text: 'a and b are both MASTER', nodes: ['a', 'b'], since: AT }],
  group: 'plant',
  by: 'a',
  at: AT,
};
const PEER_TOPIC = addressTopic(scope, 'plant', 'peers', '192.0.2.12');
const VIP_TOPIC = addressTopic(scope, 'plant', 'vip', '2001:db8::100');

const bytes = (payload: unknown): Uint8Array =>
  Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
const said = (topic: string, payload: unknown, retain = true) => ({ topic, payload: bytes(payload), retain });
const state = memberTopic(scope, 'plant', 'state');

/** Every topic of a tree, with a payload that is one. */
const ALL: readonly (readonly [topic: string, payload: unknown])[] = [
  [nodeTopic(scope, 'status'), 'online'],
  [nodeTopic(scope, 'info'), INFO],
  [groupTopic(scope, 'plant', 'master'), CLAIM],
  [groupTopic(scope, 'plant', 'alarm'), ALARM],
  [memberTopic(scope, 'plant', 'role'), 'MASTER'],
  [state, STATE],
  [memberTopic(scope, 'plant', 'mode'), 'maintenance'],
  [memberTopic(scope, 'plant', 'advskew'), '100'],
  [memberTopic(scope, 'plant', 'stats'), { transitions: 3, sent: 17 }],
  [VIP_TOPIC, 'held'],
  [PEER_TOPIC, PEER],
];

const fullView = (): BusView => {
  const view = new BusView('carp');
  for (const [topic, payload] of ALL) assert.equal(view.apply(said(topic, payload), 1000)?.type, 'set', topic);
  return view;
};

/** All that a view holds. */
const contents = (view: BusView): string =>
  JSON.stringify([view.nodes, view.groups], (_, value: unknown) => (value instanceof Map ? [...value] : value));
const EMPTY = contents(new BusView('carp'));

describe('the view of the bus', () => {
  test('has what each topic of the tree says, and when it was heard', () => {
    const view = fullView();
    assert.equal(view.statusOf('a'), 'online');
    assert.deepEqual(view.nodes.get('a')?.info?.value, INFO);
    const plant = view.groups.get('plant');
    assert.deepEqual(plant?.master?.value, CLAIM);
    assert.deepEqual(plant?.alarm?.value, ALARM);
    const member = plant?.members.get('a');
    assert.equal(member?.role?.value, 'MASTER');
    assert.deepEqual(member?.state?.value, STATE);
    assert.equal(member?.mode?.value, 'maintenance');
    assert.equal(member?.advskew?.value, 100);
    assert.deepEqual(member?.stats?.value, { transitions: 3, sent: 17 });
    assert.equal(member?.vips.get('2001:db8::100')?.value, 'held');
    assert.deepEqual(member?.peers.get('192.0.2.12')?.value, PEER);
    assert.equal(member?.state?.heardAt, 1000);
    assert.equal(member?.state?.retained, true);
    assert.deepEqual(view.counts, { ignored: 0, invalid: 0, refused: 0 });
  });

  test('knows no node that has not said whether it lives', () => {
    const view = new BusView('carp');
    view.apply(said(memberTopic(scope, 'plant', 'role'), 'BACKUP'), 0);
    assert.equal(view.statusOf('a'), 'unknown');
    assert.equal(view.nodes.size, 0);
  });

  test('tells a refresh from news, and keeps the time of the last', () => {
    const view = fullView();
    assert.equal(view.apply(said(state, { ...STATE, at: '2026-11-22T12:00:10.123Z' }, false), 2000)?.type, 'refreshed');
    assert.equal(view.groups.get('plant')?.members.get('a')?.state?.value.at, '2026-11-22T12:00:10.123Z');
    const heard = view.groups.get('plant')?.members.get('a')?.state;
    assert.equal(heard?.heardAt, 2000);
    assert.equal(heard?.retained, false);
    assert.equal(view.apply(said(state, { ...STATE, role: 'BACKUP' }), 2000)?.type, 'set');
  });

  test('loses what an empty payload takes back, and is empty after the last', () => {
    const view = fullView();
    for (const [topic] of ALL) {
      assert.equal(view.apply(said(topic, ''), 2000)?.type, 'removed', topic);
      assert.equal(view.apply(said(topic, ''), 2000), undefined, 'twice');
    }
    assert.equal(contents(view), EMPTY);
  });

  test('forgets what expires when the broker does, and not what was told again meanwhile', () => {
    const view = new BusView('carp');
    const role = memberTopic(scope, 'plant', 'role');
    view.apply({ ...said(state, STATE), expiresInMs: 30_000 }, 0);
    view.apply({ ...said(PEER_TOPIC, PEER), expiresInMs: 10_000 }, 0);
    view.apply(said(role, 'MASTER'), 0);
    assert.deepEqual(view.expire(9_999), []);
    assert.deepEqual(
      view.expire(10_000).map(({ place, type }) => [place.leaf, type]),
      [['peers', 'removed']],
    );
    view.apply({ ...said(state, STATE), expiresInMs: 30_000 }, 20_000);
    assert.deepEqual(view.expire(49_999), []);
    assert.deepEqual(
      view.expire(50_000).map(({ place }) => place.leaf),
      ['state'],
    );
    assert.equal(view.groups.get('plant')?.members.get('a')?.role?.value, 'MASTER');
  });

  test('subscribes to exactly the topics that it has a place for', () => {
    for (const base of ['carp', '/acme/plant 1/']) {
      const filters = busFilters(base);
      const own = { base, node: 'a b' };
      const topics = ALL.map(([topic]) => topic.replace(/^carp/, placeBase(own)));
      for (const topic of topics) {
        assert.equal(filters.filter((filter) => matches(filter, topic)).length, 1, topic);
        assert.ok(placeOf(base, topic), topic);
      }
      for (const leaf of ['event', 'mode/set', 'advskew/set', 'cmd/result', 'cmd/query'])
        assert.ok(!filters.some((filter) => matches(filter, `${placeBase(own)}/plant/node/a/${leaf}`)), leaf);
    }
    assert.ok(busFilters('carp', ['plant']).every((filter) => /^carp\/(node|plant)\//.test(filter)));
    assert.ok(busFilters('carp', ['a/b +']).includes('carp/a%2Fb%20%2B/master'));
  });

  test('takes a group called node for a group', () => {
    const view = new BusView('carp');
    view.apply(said('carp/node/node/a/role', 'BACKUP'), 0);
    view.apply(said('carp/node/a/status', 'online'), 0);
    assert.equal(view.groups.get('node')?.members.get('a')?.role?.value, 'BACKUP');
    assert.equal(view.statusOf('a'), 'online');
  });
});

const placeBase = ({ base }: { readonly base: string }): string =>
  nodeTopic({ base, node: 'x' }, 'status').replace('/node/x/status', '');

/** As a broker does it. */
const matches = (filter: string, topic: string): boolean => {
  const levels = topic.split('/');
  const wanted = filter.split('/');
  return levels.length === wanted.length && wanted.every((level, i) => level === '+' || level === levels[i]);
};

describe('what anybody may publish', () => {
  test('is ignored on topics that are none of the tree', () => {
    const view = new BusView('carp');
    const topics = [
      'carp',
      'carp/plant',
      'carp/plant/node/a/event',
      'carp/plant/node/a/mode/set',
      'carp/plant/node/a/cmd/result',
      'carp/plant/node/a/vip',
      'carp/%00/master',
      'carp/%1B%5B2J/master',
      'carp/%E0%A4%A/master',
      `carp/${'x'.repeat(BUS_BOUNDS.nameLength + 1)}/master`,
      'other/plant/master',
    ];
    for (const topic of topics) assert.equal(view.apply(said(topic, CLAIM), 0), undefined, topic);
    assert.equal(contents(view), EMPTY);
    assert.equal(view.counts.ignored, topics.length);
  });

  const INVALID: readonly (readonly [what: string, topic: string, payload: unknown])[] = [
    ['another word', nodeTopic(scope, 'status'), 'ONLINE'],
    ['a role that is none', memberTopic(scope, 'plant', 'role'), 'master'],
    ['a role with a blank', memberTopic(scope, 'plant', 'role'), 'MASTER '],
    ['a long role', memberTopic(scope, 'plant', 'role'), 'MASTER'.repeat(99)],
    ['an advskew of 256', memberTopic(scope, 'plant', 'advskew'), '256'],
    ['an advskew of -1', memberTopic(scope, 'plant', 'advskew'), '-1'],
    ['half a JSON', state, '{"group":'],
    ['JSON that is no object', state, '[]'],
    ['null', state, 'null'],
    ['a state without a role', state, { ...STATE, role: undefined }],
    ['the state of another group', state, { ...STATE, group: 'office' }],
    ['the state of another node', state, { ...STATE, node: 'b' }],
    ['a vhid of 256', state, { ...STATE, vhid: 256 }],
    ['a vhid as text', state, { ...STATE, vhid: '10' }],
    ['a time that is none', state, { ...STATE, at: '2026-13-45T99:99:99Z' }],
    ['a time in words', state, { ...STATE, at: 'yesterday' }],
    ['too many addresses', state, { ...STATE, addresses: Array.from({ length: 257 }, () => '192.0.2.1') }],
    ['an address that is none', state, { ...STATE, addresses: ['\u001b[2J'] }],
    ['the info of another node', nodeTopic(scope, 'info'), { ...INFO, node: 'b' }],
    ['a claim without a time', groupTopic(scope, 'plant', 'master'), { ...CLAIM, at: undefined }],
    ['a peer under the address of another', PEER_TOPIC, { ...PEER, address: '192.0.2.13' }],
    ['the alarm of another group', groupTopic(scope, 'plant', 'alarm'), { ...ALARM, group: 'office' }],
    ['an alarm that is neither', groupTopic(scope, 'plant', 'alarm'), { ...ALARM, active: 1 }],
    ['an address neither held nor absent', VIP_TOPIC, 'yes'],
  ];
  for (const [what, topic, payload] of INVALID)
    test(`is no payload: ${what}`, () => {
      const view = new BusView('carp');
      assert.equal(view.apply(said(topic, payload), 0), undefined);
      assert.deepEqual(view.counts, { ignored: 0, invalid: 1, refused: 0 });
      assert.equal(contents(view), EMPTY);
    });

  test('does not replace what was said before, if it is none', () => {
    const view = fullView();
    const before = contents(view);
    for (const [, topic, payload] of INVALID) view.apply(said(topic, payload), 2000);
    assert.equal(contents(view), before);
  });

  test('may not be text at all', () => {
    const view = new BusView('carp');
    for (const [topic] of ALL)
      assert.equal(view.apply({ topic, payload: Uint8Array.of(0xff, 0xfe, 0x00), retain: true }, 0), undefined);
    assert.equal(contents(view), EMPTY);
  });

  test('may have keys of a later version, which are left out, and its reasons and alarms', () => {
    const view = new BusView('carp');
    view.apply(said(state, { ...STATE, reason: 'moon-phase', novelty: [1, 2] }), 0);
    assert.deepEqual(view.groups.get('plant')?.members.get('a')?.state?.value, { ...STATE, reason: 'moon-phase' });
    const [alarm] = ALARM.alarms;
    view.apply(said(groupTopic(scope, 'plant', 'alarm'), { ...ALARM, alarms: [{ ...alarm, code: 'flood' }] }), 0);
    assert.equal(view.groups.get('plant')?.alarm?.value.alarms[0]?.code, 'flood');
  });

  test('may be named like what objects inherit', () => {
    const view = new BusView('carp');
    for (const node of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const evil = { base: 'carp', node };
      view.apply(said(nodeTopic(evil, 'status'), 'online'), 0);
      view.apply(said(memberTopic(evil, node, 'role'), 'MASTER'), 0);
      assert.equal(view.statusOf(node), 'online');
      assert.equal(view.groups.get(node)?.members.get(node)?.role?.value, 'MASTER');
    }
    view.apply(said(memberTopic(scope, 'plant', 'stats'), '{"__proto__":{"polluted":1}}'), 0);
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    assert.equal(view.statusOf('valueOf'), 'unknown');
  });

  test('is bounded in nodes, groups, members, addresses and bytes', () => {
    const view = new BusView('carp');
    const more = (bound: number, topicOf: (i: number) => string, payloadOf: (i: number) => unknown): void => {
      const refused = view.counts.refused;
      for (let i = 0; i < bound + 3; i += 1) view.apply(said(topicOf(i), payloadOf(i)), 0);
      assert.equal(view.counts.refused - refused, 3);
    };
    const node = (i: number) => ({ base: 'carp', node: `n${i}` });
    more(
      BUS_BOUNDS.nodes,
      (i) => nodeTopic(node(i), 'status'),
      () => 'online',
    );
    more(
      BUS_BOUNDS.membersOfGroup,
      (i) => memberTopic(node(i), 'g0', 'role'),
      () => 'BACKUP',
    );
    more(
      BUS_BOUNDS.vipsOfMember,
      (i) => addressTopic(node(0), 'g0', 'vip', `192.0.2.${i}`),
      () => 'held',
    );
    const peer = (i: number): string => `2001:db8::${i}`;
    more(
      BUS_BOUNDS.peersOfMember,
      (i) => addressTopic(node(0), 'g0', 'peers', peer(i)),
      (i) => ({ ...PEER, address: peer(i) }),
    );
    more(
      BUS_BOUNDS.groups,
      (i) => memberTopic(node(0), `g${i}`, 'mode'),
      () => 'normal',
    );
    assert.equal(view.nodes.size, BUS_BOUNDS.nodes);
    assert.equal(view.groups.size, BUS_BOUNDS.groups);
    // What is known already can still change.
    assert.equal(view.apply(said(nodeTopic(node(0), 'status'), 'offline'), 0)?.type, 'set');

    const groups = Array.from({ length: 1024 }, (_, i) => ({
      ...INFO.groups[0],
      group: `line ${i} of the plant`,
      sync: 'site',
    }));
    const whole = JSON.stringify({ ...INFO, node: node(0).node, groups });
    assert.equal(view.apply(said(nodeTopic(node(0), 'info'), whole), 0)?.type, 'set', 'of the largest host there is');

    const large = JSON.stringify({ filler: 'x'.repeat(BUS_BOUNDS.payloadBytes - 13) });
    assert.equal(large.length, BUS_BOUNDS.payloadBytes);
    assert.equal(view.apply(said(memberTopic(node(0), 'g1', 'stats'), `${large} `), 0), undefined);
    const kept = Array.from({ length: BUS_BOUNDS.groups }, (_, i) => i).filter(
      (i) => view.apply(said(memberTopic(node(0), `g${i}`, 'stats'), large), 0) !== undefined,
    );
    assert.ok(kept.length < BUS_BOUNDS.totalBytes / BUS_BOUNDS.payloadBytes);
    assert.ok(kept.length > BUS_BOUNDS.totalBytes / BUS_BOUNDS.payloadBytes - 16);
    // Taking something back makes room.
    view.apply(said(memberTopic(node(0), `g${kept[0]}`, 'stats'), ''), 0);
    assert.ok(view.apply(said(memberTopic(node(0), `g${kept.length}`, 'stats'), large), 0));
  });

  test('never makes it throw, keeps nothing that is not there any more, and no more than it was told', () => {
    const level = fc.oneof(
      fc.constantFrom('node', 'plant', 'a', 'b', '%', '+', '', '__proto__', 'role', 'state', 'peers', 'vip', 'master'),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    const topic = fc.oneof(
      fc.constantFrom(...ALL.map(([each]) => each)),
      fc.array(level, { maxLength: 7 }).map((levels) => ['carp', ...levels].join('/')),
    );
    const payload = fc.oneof(
      fc.constantFrom(...ALL.map(([, each]) => bytes(each)), new Uint8Array()),
      fc.uint8Array({ maxLength: 64 }),
      fc.json().map(bytes),
      // The right shape, with something else in one place.
      fc
        .tuple(fc.constantFrom(STATE, INFO, CLAIM, PEER, ALARM), fc.string(), fc.jsonValue())
        .map(([shape, key, value]) => bytes({ ...shape, [key === '' ? 'at' : key]: value })),
    );
    const message = fc.record({ topic, payload, retain: fc.boolean() });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 60 }), (messages) => {
        const view = new BusView('carp');
        const told = new Set<string>();
        messages.forEach((each, i) => {
          if (view.apply(each, i)?.type === 'set') told.add(each.topic);
        });
        const { ignored, invalid, refused } = view.counts;
        assert.ok(ignored + invalid + refused <= messages.length);
        assert.ok(view.nodes.size + view.groups.size <= told.size);
        for (const each of told) view.apply({ topic: each, payload: new Uint8Array(), retain: true }, 0);
        assert.equal(contents(view), EMPTY);
      }),
      { numRuns: 300 },
    );
  });
});
