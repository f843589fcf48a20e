/** What the cards of the sidebar show, from what the admin route says. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SidebarGroup } from '../../nodes/admin-api.ts';
import { cardsOf, clockOf } from '../../nodes/editor/sidebar-model.ts';
import { isOfHost, modeReceipt, type Switched } from '../../nodes/editor/sidebar-receipts.ts';
import type { MismatchEvent } from '../../src/engine/mismatch.ts';
import type { BusStatus, GroupStatus } from '../../src/engine/status.ts';
import { eventOf } from './fakes.ts';

const counters = {
  received: 3,
  sent: 5,
  sendErrors: 0,
  badttl: 0,
  badlen: 0,
  badsum: 0,
  badver: 0,
  badvhid: 0,
  badauth: 1,
  replayed: 0,
  reflected: 0,
  dropped: 0,
};

const statusOf = (node: string, role: GroupStatus['role'], more: Partial<GroupStatus> = {}): GroupStatus => {
  const { event: _event, at, devd: _devd, ...told } = eventOf({ node, group: 'plant' }, role);
  return { ...told, since: at, intervalMs: 1000, masterDownMs: 3000, counters, ledger: [], history: [], ...more };
};

const settings = {
  interface: 'eth0',
  vhid: 10,
  addresses: ['192.0.2.100/24'],
  advbase: 1,
  advskew: 0,
  deadratio: 3,
  preempt: false,
  peers: [],
  addressing: 'interface',
  compatibility: 'auto',
  transport: 'memory',
} as const;

const group = (node: string, more: Partial<SidebarGroup> = {}): SidebarGroup => ({
  id: node,
  label: `plant · ${node}`,
  node,
  group: 'plant',
  runs: 'own',
  settings,
  view: {},
  ...more,
});

const mismatch = (more: Partial<MismatchEvent> = {}): MismatchEvent => ({
  event: 'auth-mismatch',
  group: 'plant',
  interface: 'eth0',
  vhid: 10,
  node: 'rpi1',
  at: '2026-11-22T12:00:00.123Z',
  source: '192.0.2.13',
  kind: 'unknown',
  detail: '192.0.2.13 signs with another password',
  remedy: 'compare passwords',
  ...more,
});

const only = (one: SidebarGroup) => {
  const [card] = cardsOf([one]);
  assert.ok(card !== undefined);
  return card;
};
const warnings = (one: SidebarGroup): readonly string[] => only(one).warnings.map(({ type }) => type);

describe('a card', () => {
  test('has role, place, addresses and times of a group whose agent answers', () => {
    const card = only(group('rpi1', { status: statusOf('rpi1', 'MASTER') }));
    assert.deepEqual([card.role, card.vhid, card.interface, card.runs], ['MASTER', 10, 'eth0', 'simulated']);
    assert.deepEqual(card.times, { intervalMs: 1000, masterDownMs: 3000, advskew: 0 });
    assert.deepEqual(card.warnings, []);
  });

  test('has what was heard last when the agent does not answer, and says so', () => {
    const one = group('rpi1', { view: { event: eventOf({ node: 'rpi1', group: 'plant' }, 'BACKUP') } });
    assert.equal(only(one).role, 'BACKUP');
    assert.equal(only(one).times, undefined);
    assert.deepEqual(warnings(one), ['silent']);
  });

  test('of a group that was refused has the problem with its remedy, and no role', () => {
    const problem = { code: 'CARP_CONFIG', message: 'vhid is wrong', remedy: 'set it' } as const;
    const { settings: _none, ...rest } = group('rpi1', { runs: 'refused', view: { problem } });
    assert.equal(only(rest).role, undefined);
    assert.deepEqual(only(rest).warnings, [{ ...problem, type: 'problem' }]);
  });

  test('lists the demotion ledger, and offers to take back only what an operator entered', () => {
    const since = '2026-11-22T12:00:00.123Z';
    const reasons = [
      'maintenance',
      'observe',
      'flow',
      'link-down eth1',
      'track gateway',
      'health disk',
      'stalled',
      'linkage',
    ];
    const ledger = reasons.map((reason) => ({ reason, weight: 240, since }));
    const card = only(group('rpi1', { status: statusOf('rpi1', 'BACKUP', { ledger }) }));
    assert.ok(card.inMaintenance);
    assert.deepEqual(
      card.ledger.filter(({ restorable }) => restorable).map(({ reason }) => reason),
      ['flow', 'linkage'],
    );
  });

  test('says how the group takes part, and which modes are on', () => {
    const ledgerOf = (...reasons: readonly string[]) =>
      reasons.map((reason) => ({ reason, weight: 240, since: '2026-11-22T12:00:00.123Z' }));
    const seen = (more: Partial<GroupStatus>) => {
      const { mode, inMaintenance, observes } = only(group('rpi1', { status: statusOf('rpi1', 'BACKUP', more) }));
      return [mode, inMaintenance, observes];
    };
    assert.deepEqual(seen({ mode: 'normal' }), ['normal', false, false]);
    assert.deepEqual(seen({ mode: 'maintenance', ledger: ledgerOf('maintenance') }), ['maintenance', true, false]);
    assert.deepEqual(seen({ mode: 'observe', ledger: ledgerOf('observe') }), ['observe', false, true]);
    assert.deepEqual(seen({ mode: 'observe', ledger: ledgerOf('maintenance', 'observe') }), ['observe', true, true]);
    // A service of an earlier version says no mode, and an operator there may have used any word.
    assert.deepEqual(seen({ ledger: ledgerOf('maintenance') }), ['maintenance', true, false]);
    assert.deepEqual(seen({ ledger: ledgerOf('observe') }), ['normal', false, false]);
  });

  test('knows from the last event that a group observes whose agent does not answer', () => {
    const event = { ...eventOf({ node: 'rpi1', group: 'plant' }, 'BACKUP'), mode: 'observe' } as const;
    assert.deepEqual(only(group('rpi1', { view: { event } })).mode, 'observe');
  });

  test('names the peers: the MASTER with when it was heard, those before it, and those that are refused', () => {
    const told = eventOf({ node: 'rpi2', group: 'plant' }, 'BACKUP');
    const status = statusOf('rpi2', 'BACKUP', {
      master: { address: '192.0.2.11', self: false },
      lastAdvertMs: 400,
      history: [
        { ...told, master: { address: '192.0.2.14', self: false } },
        { ...told, master: { address: '192.0.2.12', self: true } },
      ],
      mismatches: [mismatch()],
    });
    assert.deepEqual(only(group('rpi2', { status })).peers, [
      { address: '192.0.2.13', state: 'refused' },
      { address: '192.0.2.11', state: 'master', heardMs: 400 },
      { address: '192.0.2.14', state: 'was-master' },
    ]);
  });
});

describe('a split brain', () => {
  const master = (mismatches: readonly MismatchEvent[]) =>
    group('rpi1', { status: statusOf('rpi1', 'MASTER', { mismatches }) });

  test('is shown when a MASTER refuses the adverts of another host, beside the diagnosis', () => {
    assert.deepEqual(warnings(master([mismatch()])), ['split-brain', 'mismatch']);
  });

  test('is none for a BACKUP, which only has the diagnosis', () => {
    const one = group('rpi1', { status: statusOf('rpi1', 'BACKUP', { mismatches: [mismatch()] }) });
    assert.deepEqual(warnings(one), ['mismatch']);
  });

  test('is over with the mismatch, and a VRRP router with the same id is none', () => {
    assert.deepEqual(warnings(master([mismatch({ cleared: true })])), []);
    assert.deepEqual(warnings(master([mismatch({ kind: 'vrrp' })])), ['mismatch']);
  });

  test('of two simulated hosts names the other one, and hosts of different networks have none', () => {
    const both = [
      group('rpi1', { status: statusOf('rpi1', 'MASTER') }),
      group('rpi2', { status: statusOf('rpi2', 'MASTER') }),
    ];
    assert.deepEqual(
      cardsOf(both).map((card) => card.warnings),
      [[{ type: 'split-brain', others: ['rpi2'] }], [{ type: 'split-brain', others: ['rpi1'] }]],
    );
    const strangers = both.map((one, i) =>
      i === 0 ? group('rpi1', { status: statusOf('rpi1', 'MASTER', { mismatches: [mismatch()] }) }) : one,
    );
    assert.deepEqual(cardsOf(strangers)[0]?.warnings[0], { type: 'split-brain', others: ['192.0.2.13'] });
    const real = both.map((one) => ({ ...one, settings: { ...settings, transport: 'auto' as const } }));
    assert.deepEqual(
      cardsOf(real).flatMap((card) => card.warnings),
      [],
    );
  });
});

test('a duration is a clock, with the days before it', () => {
  assert.deepEqual(clockOf(0), { days: 0, clock: '00:00' });
  assert.deepEqual(clockOf(133_999), { days: 0, clock: '02:13' });
  assert.deepEqual(clockOf(3_600_000), { days: 0, clock: '01:00:00' });
  assert.deepEqual(clockOf(90_061_000), { days: 1, clock: '01:01:01' });
  assert.deepEqual(clockOf(-5), { days: 0, clock: '00:00' });

  test('a host that does not take part has no times', () => {
    const times = { intervalMs: 0, masterDownMs: 0 };
    const [stopped] = cardsOf([group('rpi1', { status: statusOf('rpi1', 'STOPPED', times) })]);
    const [backup] = cardsOf([group('rpi1', { status: statusOf('rpi1', 'BACKUP') })]);
    assert.equal(stopped?.times, undefined);
    assert.deepEqual(backup?.times, { intervalMs: 1000, masterDownMs: 3000, advskew: 0 });
  });
});

describe('the receipt of a mode', () => {
  const handedOver = { address: '192.0.2.12', afterMs: 7.4 };
  type Outcome = Switched['receipt']['groups'][number];
  const outcome = (previous: Outcome['role'], role: Outcome['role'], more: Partial<Outcome> = {}) => ({
    groups: [{ group: 'plant', previous, role, demotion: 240, ...more }],
  });
  const NEITHER = { inMaintenance: false, observes: false };
  const rows: readonly (readonly [string, Omit<Switched, 'card'>, object, Partial<Switched['card']>?])[] = [
    [
      'who took over',
      { mode: 'observe', on: true, receipt: outcome('MASTER', 'BACKUP', { handedOver }) },
      { key: 'receipt.observe-handed', address: '192.0.2.12', ms: 7 },
    ],
    [
      'that nobody did, and nobody holds the addresses',
      { mode: 'observe', on: true, receipt: outcome('MASTER', 'BACKUP') },
      { key: 'receipt.observe-released' },
    ],
    [
      'that nobody did, and a host in maintenance is the last resort',
      { mode: 'maintenance', on: true, receipt: outcome('MASTER', 'MASTER') },
      { key: 'receipt.maintenance-alone' },
    ],
    [
      'that a BACKUP only observes',
      { mode: 'observe', on: true, receipt: outcome('BACKUP', 'BACKUP') },
      { key: 'receipt.observe-on' },
    ],
    [
      'that it takes part again',
      { mode: 'observe', on: false, receipt: outcome('BACKUP', 'BACKUP') },
      { key: 'receipt.observe-off' },
    ],
    [
      'that it is still in maintenance',
      { mode: 'observe', on: false, receipt: outcome('BACKUP', 'BACKUP') },
      { key: 'receipt.still-maintenance' },
      { inMaintenance: true, observes: true },
    ],
    [
      'that it still observes after maintenance',
      { mode: 'maintenance', on: false, receipt: outcome('BACKUP', 'BACKUP') },
      { key: 'receipt.still-observe' },
      { inMaintenance: true, observes: true },
    ],
    [
      'that a simulated host that is off keeps it in mind',
      { mode: 'observe', on: true, receipt: { groups: [] } },
      { key: 'receipt.observe-on' },
    ],
  ];
  for (const [title, switched, words, card] of rows)
    test(`says ${title}`, () => assert.deepEqual(modeReceipt({ ...switched, card: { ...NEITHER, ...card } }), words));

  test('what stands for the whole host is told from other failures', () => {
    const refused = (remedy: string, code: 'CARP_FAILED' | 'CARP_CONFIG' = 'CARP_FAILED') =>
      isOfHost({ ok: false, status: 500, problem: { code, message: 'no', remedy } });
    assert.ok(refused('to end that: carp observe off'));
    assert.ok(refused('to end that: carp maintenance off'));
    assert.ok(refused('leave the group out: carp restore flow'));
    const answered = (changed: boolean, demotion: number) =>
      isOfHost({
        ok: true,
        body: { changed, groups: [{ group: 'plant', previous: 'BACKUP', role: 'BACKUP', demotion }] },
      });
    assert.ok(answered(false, 240));
    assert.ok(!answered(false, 0), 'somebody else has ended it meanwhile');
    assert.ok(!answered(true, 240));
    assert.ok(!refused('to end that: carp observe off office'));
    assert.ok(!refused('to end that: carp observe off', 'CARP_CONFIG'));
    assert.ok(!isOfHost({ ok: false, status: 0 }));
  });
});

describe('MQTT on a card', () => {
  const bus = (more: Partial<BusStatus> = {}): BusStatus => ({
    broker: 'mqtts://broker:8883',
    connected: true,
    queued: 0,
    dropped: 0,
    troubles: [],
    ...more,
  });
  const status = statusOf('rpi1', 'MASTER');

  test('is not there where the host has no broker', () => {
    assert.equal(only(group('rpi1', { status })).broker, undefined);
  });

  test('names the broker, and whether there is a connection', () => {
    const card = only(group('rpi1', { status, bus: bus() }));
    assert.deepEqual(card.broker, { url: 'mqtts://broker:8883', connected: true });
    assert.deepEqual(card.warnings, []);
  });

  test('says why there is no connection, and no longer when there is one', () => {
    const problem = 'no connection to mqtts://broker:8883: is a broker running?';
    const away = only(group('rpi1', { status, bus: bus({ connected: false, problem }) }));
    assert.deepEqual(away.warnings, [{ type: 'mqtt', detail: problem }]);
    assert.deepEqual(warnings(group('rpi1', { status, bus: bus({ problem }) })), []);
    // It is being connected, and nothing is wrong yet.
    assert.deepEqual(warnings(group('rpi1', { status, bus: bus({ connected: false }) })), []);
  });

  test('says what is wrong with the settings of the carp-mqtt node', () => {
    const mqttProblem = { code: 'CARP_CONFIG', message: 'no broker is chosen', remedy: 'choose one' } as const;
    assert.deepEqual(only(group('rpi1', { status, mqttProblem })).warnings, [
      { type: 'mqtt', detail: 'no broker is chosen', remedy: 'choose one' },
    ]);
  });

  test('tells the alarms of this group and of the host, and not those of another group', () => {
    const troubles = [
      { code: 'duplicate-node', message: 'two hosts are called rpi1', remedy: 'rename one' },
      { code: 'two-masters', group: 'plant', message: 'rpi1 and rpi2 are MASTER' },
      { code: 'no-master', group: 'office', message: 'nobody is MASTER' },
    ];
    assert.deepEqual(only(group('rpi1', { status, bus: bus({ troubles }) })).warnings, [
      { type: 'alarm', code: 'duplicate-node', detail: 'two hosts are called rpi1', remedy: 'rename one' },
      { type: 'alarm', code: 'two-masters', detail: 'rpi1 and rpi2 are MASTER' },
    ]);
  });
});
