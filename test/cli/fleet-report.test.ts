/** What `carp fleet` makes of what hosts say: no broker, no clock. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { memberTopic } from '../../src/adapters/mqtt/topics.ts';
import { BusView } from '../../src/adapters/mqtt/view/bus-view.ts';
import type { FleetGroup } from '../../src/cli/fleet-group.ts';
import { fleetGroups } from '../../src/cli/fleet-report.ts';
import { groupLines, summaryLine } from '../../src/cli/fleet-text.ts';
import { pageLines } from '../../src/cli/fleet-watch.ts';
import { alarm, claim, healthy, member, node, type Said } from './fleet-bus.ts';

interface HeardOptions {
  /** As from a broker that had it before. */
  readonly retain?: boolean;
  /** How long ago it was heard. */
  readonly heardMs?: number;
  readonly expiresInMs?: number;
}

const NOW = 1_000_000;

const groupsOf = (
  said: readonly Said[],
  { retain = true, heardMs = 0, expiresInMs }: HeardOptions = {},
): readonly FleetGroup[] => {
  const view = new BusView('carp');
  for (const { topic, payload } of said) {
    const expiry = expiresInMs === undefined ? {} : { expiresInMs };
    view.apply({ topic, payload: Buffer.from(payload), retain, ...expiry }, NOW - heardMs);
  }
  assert.equal(view.counts.invalid, 0);
  return fleetGroups(view, { now: NOW, wallNow: Date.now(), silentMs: 30_000 });
};

const groupOf = (said: readonly Said[], options: HeardOptions = {}): FleetGroup => {
  const [group, ...others] = groupsOf(said, options);
  assert.ok(group);
  assert.equal(others.length, 0);
  return group;
};

const findings = ({ findings: all }: FleetGroup): readonly string[] =>
  all.map(({ severity, code, text }) => `${severity} ${code}: ${text}`);

describe('a group of the fleet', () => {
  test('has its MASTER, its members by name, and nothing to say while all is well', () => {
    const group = groupOf(healthy());
    assert.equal(group.group, 'plant');
    assert.equal(group.vhid, 10);
    assert.deepEqual(
      [group.master?.node, group.master?.address, group.master?.confirmed],
      ['rpi1', '192.0.2.11', true],
    );
    assert.deepEqual(
      group.members.map((each) => [each.node, each.status, each.alive, each.role, each.advskew, each.mode]),
      [
        ['rpi1', 'online', true, 'MASTER', 0, 'normal'],
        ['rpi2', 'online', true, 'BACKUP', 100, 'normal'],
      ],
    );
    assert.deepEqual(group.members[0]?.held, ['192.0.2.100']);
    assert.deepEqual(group.members[1]?.absent, ['192.0.2.100']);
    assert.deepEqual(findings(group), []);
  });

  test('is sorted as people count', () => {
    const said = ['rpi10', 'rpi2', 'rpi1'].flatMap((name) => [
      ...node(name),
      ...member({ node: name, role: 'BACKUP' }),
    ]);
    assert.deepEqual(
      groupOf(said).members.map((each) => each.node),
      ['rpi1', 'rpi2', 'rpi10'],
    );
  });

  test('has no MASTER while all that are there are BACKUP', () => {
    const group = groupOf([...node('rpi1'), ...member({ node: 'rpi1', role: 'BACKUP' })]);
    assert.deepEqual(findings(group), ['alarm no-master: nobody is MASTER']);
    assert.equal(group.master, undefined);
  });

  test('does not believe an offline host that it is MASTER, and says what it said last', () => {
    const group = groupOf([
      ...healthy().filter(({ topic }) => topic !== 'carp/node/rpi1/status'),
      ...node('rpi1', 'offline'),
    ]);
    assert.deepEqual(findings(group), [
      'alarm no-master: nobody is MASTER',
      'warning offline: rpi1 is offline; the last that it said was MASTER',
    ]);
    assert.equal(group.master?.confirmed, false);
  });

  test('has the MASTER that says so itself, when a claim is old or missing', () => {
    const state = { master: { address: '192.0.2.12', self: true } };
    const moved = [
      ...healthy(),
      ...member({ node: 'rpi1', role: 'BACKUP' }),
      ...member({ node: 'rpi2', role: 'MASTER', state }),
    ];
    const stats = {
      topic: memberTopic({ base: 'carp', node: 'rpi2' }, 'plant', 'stats'),
      payload: JSON.stringify({ since: '2026-11-22T12:00:00.000Z' }),
    };
    const expected = { node: 'rpi2', address: '192.0.2.12', since: '2026-11-22T12:00:00.000Z', confirmed: true };
    assert.deepEqual(groupOf([...moved, stats]).master, expected);
    const unclaimed = moved.filter(({ topic }) => topic !== 'carp/plant/master');
    assert.deepEqual(groupOf([...unclaimed, stats]).master, expected);
    assert.deepEqual(groupOf(unclaimed).master, { node: 'rpi2', address: '192.0.2.12', confirmed: true });
    assert.match(groupLines(groupOf(unclaimed), new Date())[0] ?? '', /MASTER rpi2 192\.0\.2\.12$/);
  });

  test('takes no notice of a host that stopped in an orderly way', () => {
    const said = [...healthy(), ...node('rpi3', 'offline'), ...member({ node: 'rpi3', role: 'STOPPED' })];
    assert.deepEqual(findings(groupOf(said)), []);
  });

  test('has two MASTERs when both go on saying so', () => {
    const said = [
      ...healthy(),
      ...member({ node: 'rpi2', role: 'MASTER', secondsAgo: 2 }),
      claim({ node: 'rpi1', since: 5 }),
    ];
    assert.deepEqual(findings(groupOf(said)), ['alarm two-masters: rpi1 and rpi2 say that they are MASTER']);
  });

  test('has one MASTER when the other has said nothing since that took over: it crashed, and its will is still to come', () => {
    const said = [
      ...healthy(),
      ...member({ node: 'rpi1', role: 'MASTER', secondsAgo: 8 }),
      ...member({ node: 'rpi2', role: 'MASTER', secondsAgo: 1 }),
      claim({ node: 'rpi2', since: 5 }),
    ];
    assert.deepEqual(findings(groupOf(said)), []);
  });

  test('is told of hosts that say they live, and nothing of the group', () => {
    const state = memberTopic({ base: 'carp', node: 'rpi2' }, 'plant', 'state');
    const gone = groupOf(healthy().filter(({ topic }) => topic !== state));
    assert.deepEqual(findings(gone), [
      'warning no-answer: rpi2 is online, and has said nothing of late about this group',
    ]);
    const old = groupOf([...healthy(), ...member({ node: 'rpi2', role: 'BACKUP', secondsAgo: 45 })]);
    assert.match(
      findings(old).join(),
      /^warning no-answer: rpi2 is online, and has said nothing for 4\d s about this group$/,
    );
  });

  test('believes the broker before the clock of the author: what it still keeps is true', () => {
    const said = [...healthy(), ...member({ node: 'rpi2', role: 'BACKUP', secondsAgo: 3600 })];
    assert.deepEqual(findings(groupOf(said, { expiresInMs: 20_000 })), []);
  });

  test('counts by its own clock what it has heard itself, whatever time the author has', () => {
    const said = [...healthy(), ...member({ node: 'rpi2', role: 'BACKUP', secondsAgo: 3600 })];
    assert.deepEqual(findings(groupOf(said, { retain: false, heardMs: 29_000 })), []);
    assert.equal(groupOf(said, { retain: false, heardMs: 29_000 }).members[1]?.ageMs, 29_000);
    assert.equal(groupOf(said, { retain: false, heardMs: 31_000 }).members[1]?.alive, false);
  });

  test('tells why a host is INIT, and what keeps it from working', () => {
    const init = member({ node: 'rpi2', role: 'INIT', state: { reason: 'link-down', detail: 'eth0 has no carrier' } });
    assert.deepEqual(findings(groupOf([...healthy(), ...init])), [
      'warning init: rpi2 is INIT (link-down): eth0 has no carrier',
    ]);
    const stats = {
      topic: memberTopic({ base: 'carp', node: 'rpi2' }, 'plant', 'stats'),
      payload: JSON.stringify({ problem: { code: 'CARP_ADDRESS', message: 'eth0 has no address' } }),
    };
    assert.deepEqual(findings(groupOf([...healthy(), stats])), ['warning problem: rpi2: eth0 has no address']);
  });

  test('repeats the alarms of its hosts, in their words, once', () => {
    const said = [
      ...node('rpi1'),
      ...member({ node: 'rpi1', role: 'BACKUP' }),
      alarm('rpi1', 'no-master', 'start rpi2'),
    ];
    const [finding, ...others] = groupOf(said).findings;
    assert.deepEqual(finding, {
      severity: 'alarm',
      code: 'no-master',
      text: 'start rpi2',
      since: '2026-11-22T12:00:00.000Z',
      by: 'rpi1',
    });
    assert.deepEqual(others, []);
  });

  test('takes no alarm from a host that has gone, nor one that is over', () => {
    const over = alarm('rpi1', 'two-masters', 'x');
    assert.deepEqual(
      findings(groupOf([...healthy(), { ...over, payload: over.payload.replace('true', 'false') }])),
      [],
    );
    assert.deepEqual(
      findings(groupOf([...healthy(), ...node('rpi9', 'offline'), alarm('rpi9', 'two-masters', 'x')])),
      [],
    );
  });

  test('of which only the name is left says so', () => {
    assert.deepEqual(findings(groupOf([claim({ node: 'rpi1' })])), [
      'warning leftover: no host says that it takes part; clear its topics if it is gone for good',
    ]);
  });
});

describe('the text of a group', () => {
  const now = new Date();
  const text = (said: readonly Said[]): readonly string[] =>
    groupLines(groupOf(said, { retain: false, heardMs: 1500 }), now);

  test('is a table', () => {
    const [head, ...rows] = text([
      ...healthy(),
      ...node('rpi3', 'offline'),
      ...member({ node: 'rpi3', role: 'MASTER' }),
    ]);
    assert.match(
      head ?? '',
      /^plant {2}vhid 10 {2}MASTER rpi1 192\.0\.2\.11 since \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ \(\d+ s\)$/,
    );
    assert.deepEqual(rows, [
      '  NODE  STATUS   ROLE      ADVSKEW  DEMOTION  MODE    HOLDS   SAID',
      '  rpi1  online   MASTER    0        0         normal  1 of 1  1 s ago',
      '  rpi2  online   BACKUP    100      0         normal  0 of 1  1 s ago',
      '  rpi3  offline  (MASTER)  0        0         normal  1 of 1  1 s ago',
      '  warning  rpi3 is offline; the last that it said was MASTER',
    ]);
  });

  test('has nothing in it that a terminal would obey, whoever wrote it', () => {
    const evil = 'two\u001b]0;title\u0007 lines\r\nhere \u202eright to left';
    const init = member({ node: 'rpi1', role: 'INIT', state: { detail: evil } });
    const said = [...node('rpi1'), ...init, alarm('rpi1', 'one-way', evil)];
    for (const line of text(said)) {
      assert.doesNotMatch(line, /[\p{Cc}\u202e]/u);
      assert.doesNotMatch(line, /\n/);
    }
    assert.ok(text(said).some((line) => line.includes('lines here')));
  });

  test('breaks long sentences where the terminal ends, so that their end is read', () => {
    const long =
      'rpi1 and rpi2 are MASTER of plant at once: find out why they do not hear each other, and then do something';
    const group = groupOf([...healthy(), alarm('rpi1', 'two-masters', long)]);
    for (const columns of [60, 80, 200]) {
      const sentences = groupLines(group, now, columns).slice(4);
      assert.ok(sentences.every((line) => line.length <= columns));
      assert.match(sentences[0] ?? '', /^ {2}ALARM {4}two-masters: rpi1/);
      const joined = sentences.map((line) => line.slice(11)).join(' ');
      assert.equal(joined, `two-masters: ${long} (says rpi1 since 2026-11-22 12:00:00Z)`);
    }
  });

  test('of many groups begins with those that somebody has to look at, and fits the terminal', () => {
    const quiet = ['a', 'b', 'c'].flatMap((group) => member({ group, node: 'rpi1', role: 'MASTER' }));
    const groups = groupsOf([...node('rpi1'), ...quiet, ...member({ group: 'z', node: 'rpi1', role: 'BACKUP' })]);
    assert.equal(summaryLine(groups), '4 groups on 1 node; 1 to look at: z');
    const lines = pageLines({ broker: 'mqtt://broker:1883', refused: [], groups }, { rows: 10, columns: 80 });
    assert.equal(lines.length, 9);
    assert.match(lines[3] ?? '', /^z /);
    assert.match(lines.at(-1) ?? '', /^… \d+ more lines/);
    const all = pageLines({ broker: 'mqtt://broker:1883', refused: [], groups }, { rows: 0, columns: 0 });
    assert.equal(all.length - 9 + 1, Number(/\d+/.exec(lines.at(-1) ?? '')?.[0]));
  });
});
