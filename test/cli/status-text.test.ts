import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusLines } from '../../src/cli/status-text.ts';
import type { GroupStatus } from '../../src/engine/status.ts';
import { eventOf, statusOf } from '../agent/fakes.ts';

const now = new Date('2026-11-22T12:05:00.123Z');
const lines = (...groups: readonly GroupStatus[]): readonly string[] =>
  statusLines({ version: '1.0.0', pid: 7, nodes: ['rpi1'], hosts: [{ node: 'rpi1', groups }] }, { now });

test('a BACKUP shows whose adverts it hears, and the line that FreeBSD prints', () => {
  const master = { address: '192.0.2.11', self: false };
  const counters = { ...statusOf('rpi1', 'plant').counters, received: 12, badauth: 3 };
  const status = statusOf('rpi1', 'plant', {
    master,
    lastAdvertMs: 345,
    intervalMs: 1390.6,
    masterDownMs: 3390.6,
    counters,
  });
  assert.deepEqual(lines(status), [
    'plant  10@lan  on rpi1',
    '  carp: BACKUP vhid 10 advbase 1 advskew 0',
    '  since         2026-11-22 12:00:00Z (5 min), startup: for a test',
    '  addresses     192.0.2.100/24',
    '  master        192.0.2.11, last advert 345 ms ago',
    '  interval      1391 ms, master down after 3391 ms',
    '  counters      received 12, badauth 3',
  ]);
});

test('a problem is shown with its remedy, which is not broken into lines', () => {
  const remedy = `ip addr del ${'2001:db8::100/64 dev eth0 '.repeat(5)}`.trim();
  const problem = { code: 'CARP_ADDRESS_IN_USE', message: 'a word '.repeat(30).trim(), remedy } as const;
  const shown = lines(statusOf('rpi1', 'plant', { problem }));
  assert.ok(shown.includes(`  try           ${remedy}`));
  for (const line of shown) assert.ok(line.length <= 80 || line.includes(remedy), line);
});

test('no line is wider than 80 columns, and control characters do not reach the terminal', () => {
  const addresses = Array.from({ length: 20 }, (_, i) => `2001:db8::${i}/64`);
  const shown = lines(statusOf('rpi1', 'plant', { addresses, detail: 'red \u001b[31m alert\r\n' }));
  for (const line of shown) assert.ok(line.length <= 80 && !/\p{Cc}/u.test(line), line);
});

test('a mode is shown where there is one, with what it means', () => {
  const shown = (mode: 'normal' | 'maintenance' | 'observe') =>
    lines(statusOf('rpi1', 'plant', { mode })).filter((line) => line.startsWith('  mode'));
  assert.deepEqual(shown('normal'), []);
  assert.deepEqual(shown('maintenance'), ['  mode          maintenance: MASTER only as the last resort']);
  assert.deepEqual(shown('observe'), ['  mode          observe: listens, and never becomes MASTER']);
});

test('demotion is shown with the reasons that make it up, since when, and until when', () => {
  const since = '2026-11-22T12:00:00.123Z';
  const ledger = [
    { reason: 'maintenance', weight: 240, since },
    { reason: 'link-down inside', weight: 240, since: '2026-11-22T12:04:00.123Z' },
    { reason: 'backup-job', weight: 20, since, until: '2026-11-22T12:10:00.123Z' },
  ];
  const shown = lines(statusOf('rpi1', 'plant', { demotion: 500, ledger, intervalMs: 1937.5, masterDownMs: 3937.5 }));
  assert.deepEqual(shown.slice(4, -1), [
    '  master        unknown',
    '  interval      1938 ms, master down after 3938 ms',
    '  demotion      500: maintenance 240 since 2026-11-22 12:00:00Z',
    '                link-down inside 240 since 2026-11-22 12:04:00Z',
    '                backup-job 20 since 2026-11-22 12:00:00Z, ends in 5 min',
  ]);
  assert.ok(!lines(statusOf('rpi1', 'plant')).some((line) => line.includes('demotion')));
});

test('a MASTER shows its lease, and the last transitions with their reasons, as many as asked for', () => {
  const history = Array.from({ length: 20 }, (_, i) =>
    eventOf('rpi1', 'plant', {
      event: 'transition',
      role: i % 2 === 0 ? 'MASTER' : 'BACKUP',
      previous: i % 2 === 0 ? 'BACKUP' : 'MASTER',
      reason: i % 2 === 0 ? 'master-timeout' : 'maintenance',
      detail: i % 2 === 0 ? 'no advert for 3391 ms' : '192.0.2.12 took over after 4 ms',
      at: `2026-11-22T11:${59 - i}:00.123Z`,
    }),
  );
  const master = { address: '192.0.2.11', self: true };
  const status = statusOf('rpi1', 'plant', { role: 'MASTER', master, leaseSeconds: 2, history });
  const shown = (count: number): readonly string[] =>
    statusLines(
      { version: '1.0.0', pid: 7, nodes: ['rpi1'], hosts: [{ node: 'rpi1', groups: [status] }] },
      { now, history: count },
    );
  assert.deepEqual(shown(2), [
    'plant  10@lan  on rpi1',
    '  carp: MASTER vhid 10 advbase 1 advskew 0',
    '  since         2026-11-22 12:00:00Z (5 min), startup: for a test',
    '  addresses     192.0.2.100/24',
    '  lease         2 s: the kernel drops them when the agent stops renewing',
    '  master        192.0.2.11 (this host)',
    '  counters      all 0',
    '  history       2026-11-22 11:59:00Z BACKUP -> MASTER (master-timeout: no advert',
    '                for 3391 ms)',
    '                2026-11-22 11:58:00Z MASTER -> BACKUP (maintenance: 192.0.2.12',
    '                took over after 4 ms)',
  ]);
  const transitions = (count: number): number => shown(count).filter((line) => line.includes(' -> ')).length;
  assert.deepEqual([0, 1, 20].map(transitions), [0, 1, 20]);
  assert.equal(lines(status).filter((line) => line.includes(' -> ')).length, 5);
  for (const line of shown(20)) assert.ok(line.length <= 80, line);
});

test('an agent without groups says so', () => {
  assert.deepEqual(lines(), ['no groups (agent 1.0.0, pid 7)']);
});

test('whom a group hears is one line each, with rank, silence, and whether it gives way', () => {
  const heard = { family: 4, advbase: 1, firstHeard: '', lastHeard: '', lastHeardMs: 400 } as const;
  const peers = [
    { ...heard, address: '192.0.2.12', state: 'advertising', advskew: 100, demotion: 2 },
    { ...heard, address: '192.0.2.13', state: 'advertising', advskew: 0, demotion: 0, rival: true },
    { ...heard, address: '192.0.2.14', state: 'silent', advskew: 0, demotion: 0, lastHeardMs: 3 * 3600_000 },
  ] as const;
  assert.deepEqual(lines(statusOf('rpi1', 'plant', { peers })).slice(4, 9), [
    '  master        unknown',
    '  hears         192.0.2.12 advbase 1 advskew 100 demotion 2',
    '                192.0.2.13 advbase 1 advskew 0, and does not give way: does it',
    '                hear this host?',
    '                192.0.2.14 advbase 1 advskew 0, silent for 3 h',
  ]);
});

test('a broker is shown with what waits for it, why it cannot be reached, and what is wrong on the bus', () => {
  const bus = {
    broker: 'mqtts://broker:8883',
    connected: false,
    problem: 'no connection to mqtts://broker:8883: nobody listens there',
    queued: 12,
    dropped: 3,
    troubles: [{ code: 'different-addresses', group: 'plant', message: 'rpi1 and rpi2 have different addresses' }],
  };
  const hosts = [{ node: 'rpi1', bus, groups: [statusOf('rpi1', 'plant')] }];
  const shown = statusLines({ version: '1.0.0', pid: 7, nodes: ['rpi1'], hosts }, { now });
  assert.deepEqual(shown.slice(shown.indexOf('mqtt  of rpi1') - 1), [
    '',
    'mqtt  of rpi1',
    '  broker        mqtts://broker:8883, not connected',
    '  problem       no connection to mqtts://broker:8883: nobody listens there',
    '  queue         12 wait, 3 events were dropped',
    '  alarm         different-addresses in plant: rpi1 and rpi2 have different',
    '                addresses',
  ]);
});
