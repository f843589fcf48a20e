import assert from 'node:assert/strict';
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { readCapture } from '../../src/adapters/node/capture.ts';
import { reportLines } from '../../src/cli/watch-table.ts';
import { EMPTY_SEGMENT, hearFrame, type Segment } from '../../src/engine/segment.ts';
import { segmentReport } from '../../src/engine/segment-report.ts';
import { carp as advert, every, HOST, OTHER, vrrp } from '../engine/segment-frames.ts';
import { type Capture, captures } from '../protocol/vectors.ts';
import { missingForAgent } from '../support/requirements.ts';
import { pcap } from './capture-file.ts';
import { carp, lines, type Result } from './carp.ts';
import { describe as describeInterface, enhanced, section } from './pcapng-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'carp-watch-'));
after(() => rmSync(folder, { recursive: true, force: true }));

type Item = Readonly<Record<string, unknown>> & { readonly event: string };
const items = ({ stdout }: Result): readonly Item[] => lines(stdout).map((text) => JSON.parse(text) as Item);
const watch = (...args: readonly string[]): Promise<Result> => carp(['watch', ...args]);

const named = (name: string): Capture => {
  const found = captures.find(({ file }) => file === name);
  assert.ok(found, name);
  return found;
};

const SYSTEMS = { fbsd14: 'freebsd', obsd80: 'openbsd', netbsd: 'netbsd', ucarp: 'ucarp' } as const;

/** The library reads them all in one process: thirty more would take a minute. */
const storyOf = async ({ path }: Capture): Promise<{ segment: Segment; kinds: readonly string[] }> => {
  let segment = EMPTY_SEGMENT;
  const kinds: string[] = [];
  for await (const frame of readCapture(path, createReadStream(path))) {
    const [next, events] = hearFrame(segment, frame);
    segment = next;
    kinds.push(...events.map(({ event }) => event));
  }
  return { segment, kinds };
};

describe('the captures', () => {
  test('are of each system', () => {
    assert.deepEqual(
      Object.keys(SYSTEMS).map((prefix) => captures.some(({ file }) => file.startsWith(prefix))),
      [true, true, true, true],
    );
  });

  for (const capture of captures)
    test(`${capture.file} tells the vhid, the MASTER, its interval, and the right system`, async () => {
      const { segment, kinds } = await storyOf(capture);
      const { speakers, wires, refused, disputes } = segmentReport(segment);
      assert.ok(!kinds.includes('rank-changed'));
      const system = Object.entries(SYSTEMS).find(([prefix]) => capture.file.startsWith(prefix))?.[1];
      assert.ok(speakers.length > 0);
      for (const speaker of speakers) {
        assert.equal(speaker.vhid, capture.vhid);
        assert.equal(speaker.protocol, 'carp');
        assert.equal(speaker.system, system, `${speaker.reasons}`);
        const { rank } = speaker;
        assert.ok('advbase' in rank);
        assert.equal(speaker.intervalMs, rank.advbase * 1000 + (rank.advskew * 1000) / 256);
        // The first and the last advert lie as far apart as the interval says, each late by a tick at most. FreeBSD's
        // first interval as MASTER knows nothing of its demotion (protocol.md 12).
        const isDemoted = capture.file === 'fbsd14-demoted.pcap';
        const lasted = Date.parse(speaker.lastHeard) - Date.parse(speaker.firstHeard);
        if (!isDemoted && !kinds.some((kind) => kind === 'bow-out' || kind === 'master-silent'))
          assert.ok(Math.abs(lasted / (speaker.adverts - 1) - speaker.intervalMs) < 40, `${lasted} ms`);
      }
      if (capture.adverts !== undefined)
        assert.equal(
          speakers.reduce((sum, { adverts }) => sum + adverts, 0),
          capture.adverts,
        );
      assert.deepEqual(
        wires.map(({ used }) => used),
        [[capture.vhid]],
      );
      assert.deepEqual([refused, disputes], [{}, []]);
    });
});

test('the story of two ucarp hosts: the second preempts, is stopped, and the first takes over', async () => {
  const { code, stdout, stderr } = await watch('--json', '--read', named('ucarp-two-hosts-preempt.pcap').path);
  assert.equal(code, 0, stderr);
  const told = items({ code, stdout, stderr });
  const masters = told.filter(({ event }) => event === 'master');
  assert.deepEqual(
    masters.map(({ how, source }) => [how, source]),
    [
      ['first', '192.0.2.12'],
      ['preempt', '192.0.2.11'],
      ['timeout', '192.0.2.12'],
    ],
  );
  assert.ok(Math.abs(Number(masters[1]?.['afterMs']) - 254) < 1);
  assert.ok(Math.abs(Number(masters[2]?.['afterMs']) - 4174) < 1);
  assert.equal(told.filter(({ event }) => event === 'master-silent').length, 1);
  assert.equal(told.filter(({ event }) => event === 'two-masters').length, 0);
  const summary = told.at(-1);
  assert.equal(summary?.event, 'summary');
  assert.deepEqual(summary?.['wires'], [{ used: [1], free: [2, 3, 4, 5, 6] }]);
});

test('people get a line for each change, and a table', async () => {
  const { code, stdout } = await watch('--read', named('ucarp-two-hosts-preempt.pcap').path);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^\S+ vhid 1: 192\.0\.2\.12 speaks: advbase 1 advskew 100, every 1\.391 s, from 00:00:5e:00:00:01$/m,
  );
  assert.match(stdout, /192\.0\.2\.12 is probably ucarp \(guessed: .*TOS 0x10/);
  assert.match(
    stdout,
    /192\.0\.2\.11 took over from 192\.0\.2\.12, 254 ms after its last advert, although it still spoke/,
  );
  assert.match(stdout, /nobody speaks: 192\.0\.2\.11 has been silent for 3\.000 s/);
  assert.match(stdout, /192\.0\.2\.12 took over from 192\.0\.2\.11, 4\.174 s after its last advert/);
  assert.match(stdout, /^vhid 1 {2}192\.0\.2\.12 {2}00:00:5e:00:00:01 {2}MASTER .* ucarp\? /m);
  assert.match(stdout, /^ids in use: 1; free are for instance 2, 3, 4, 5, 6$/m);
});

test('--once shows the table alone', async () => {
  const { code, stdout } = await watch('--once', '--read', named('obsd80-v4-v6.pcap').path);
  assert.equal(code, 0);
  assert.match(lines(stdout)[0] ?? '', /^GROUP +SOURCE +MAC/);
  assert.equal(lines(stdout).length, 5);
});

test('digests are checked with password and addresses, and a farewell is told', async () => {
  const { path, key, addresses } = named('netbsd-v4-single.pcap');
  const args = addresses.flatMap((text) => ['--address', text]);
  const good = items(await watch('--json', '--pass', key, ...args, '--read', path));
  assert.equal(good.find(({ event }) => event === 'speaker-heard')?.['digest'], 'ok');
  assert.equal(good.filter(({ event }) => event === 'bow-out').length, 1);
  assert.deepEqual(
    good.filter(({ event }) => event === 'digest'),
    [],
  );
  const passfile = join(folder, 'pass');
  writeFileSync(passfile, 'hunter2\n');
  const bad = await watch('--json', '--passfile', passfile, ...args, '--read', path);
  const verdicts = items(bad).filter(({ event }) => event === 'digest');
  assert.deepEqual(
    verdicts.map(({ digest, others }) => [digest, others]),
    [['bad', 'unchecked']],
  );
  assert.doesNotMatch(bad.stdout + bad.stderr, /hunter2/);
  const other = await watch('--json', '--vhid', '99', '--passfile', passfile, ...args, '--read', path);
  assert.deepEqual(
    items(other).filter(({ event }) => event === 'digest'),
    [],
  );
});

test('two masters and an id that VRRP uses too are told from a capture of standard input', async () => {
  const frames = [
    ...every(1250, 0, 12_500).map((ms) => advert({ ...HOST, advskew: 64 }, ms)),
    ...every(1250, 0, 12_500).map((ms) => advert({ ...OTHER, advskew: 64 }, ms)),
    ...every(1250, 0, 12_500).map((ms) => vrrp({ ...OTHER, source: '192.0.2.13' }, ms)),
  ].sort((a, b) => a.at - b.at);
  const file = Buffer.concat([
    ...[section(), describeInterface({ resolution: 3 })],
    ...frames.map(({ at, data }) => enhanced(data, BigInt(at))),
  ]);
  const { code, stdout } = await carp(['watch', '--read', '-'], { stdin: file });
  assert.equal(code, 0);
  assert.match(stdout, /vhid 7: TWO MASTERS: 192\.0\.2\.11 and 192\.0\.2\.12 have both spoken for 2\.500 s/);
  assert.match(stdout, /ONE ID for CARP and VRRP/);
  assert.match(stdout, /^two masters of vhid 7: 192\.0\.2\.11 and 192\.0\.2\.12$/m);
});

test('a capture that ends early is told after its table, with exit code 1', async () => {
  const whole = readFileSync(named('ucarp-base.pcap').path);
  const { code, stdout, stderr } = await carp(['watch', '--read', '-'], { stdin: whole.subarray(0, -5) });
  assert.equal(code, 1);
  assert.match(stdout, /^ids in use: 1;/m);
  assert.match(stderr, /ends in the middle of a packet/);
});

test('a segment where nobody speaks has a table too', async () => {
  const { code, stdout } = await carp(['watch', '--read', '-'], { stdin: pcap([]) });
  assert.equal(code, 0);
  assert.deepEqual(lines(stdout), [
    'nobody speaks CARP or VRRP',
    'no id is in use; free are for instance 1, 2, 3, 4, 5',
    '0 packets of protocol 112',
  ]);
});

describe('a live segment that was listened to for some seconds', () => {
  const HINT =
    'a MASTER with a larger advbase may not have been heard: the slowest speaks every 256 s; --for 5m hears all';
  const [heard] = hearFrame(EMPTY_SEGMENT, advert(HOST, 0));

  test('may have slower speakers, and the table says so', () => {
    assert.deepEqual(reportLines({ ...segmentReport(EMPTY_SEGMENT), listenedMs: 4003 }), [
      'nobody was heard speaking CARP or VRRP within 4 s',
      'no id is in use; not heard within 4 s are for instance 1, 2, 3, 4, 5',
      '0 packets of protocol 112',
      HINT,
    ]);
    const rest = reportLines({ ...segmentReport(heard), listenedMs: 4003 }).slice(2);
    assert.deepEqual(rest, [
      'ids in use: 7; not heard within 4 s are for instance 1, 2, 3, 4, 5',
      '1 packet of protocol 112',
      HINT,
    ]);
  });

  test('has none after the longest interval that there is', () => {
    const rest = reportLines({ ...segmentReport(heard), listenedMs: 256_000 }).slice(2);
    assert.deepEqual(rest, ['ids in use: 7; free are for instance 1, 2, 3, 4, 5', '1 packet of protocol 112']);
  });

  test('is told with the time, also for programs', {
    skip: missingForAgent(),
  }, async () => {
    const { code, stdout, stderr } = await watch('--once', '--json', '--for', '1s', 'lo');
    assert.equal(code, 0, stderr);
    const [summary, ...more] = items({ code, stdout, stderr });
    assert.deepEqual(more, []);
    assert.ok(Number(summary?.['listenedMs']) >= 1000, stdout);
  });
});

test('standard input is called so, and what is in names is spelled out', async () => {
  const empty = await carp(['watch', '--read', '-'], { stdin: Buffer.alloc(0) });
  assert.equal(empty.code, 1);
  assert.match(empty.stderr, /^carp: standard input is empty/);
  const noise = await carp(['decode', '-'], { stdin: Buffer.from('noise') });
  assert.match(noise.stderr, /^carp: standard input is no pcap or pcapng file/);
  const name = '\u001b[31mred\u009b\u202e';
  for (const args of [['watch', name], ['watch', '--read', name], ['decode', name], [name]]) {
    const { code, stdout, stderr } = await carp(args);
    assert.notEqual(code, 0);
    assert.doesNotMatch(stdout + stderr, /[^\P{Cc}\n]|\u202e/u);
    assert.match(stderr, /\\u\{1b\}\[31mred\\u\{9b\}\\u\{202e\}/);
  }
});

for (const [name, args, message] of [
  ['no interface', [], /takes one interface, or --read FILE/],
  ['an interface and a file', ['eth0', '--read', 'x'], /takes one interface, or --read FILE/],
  ['a time of no unit', ['eth0', '--for', '10'], /"10" is no time/],
  ['a vhid of 256', ['eth0', '--vhid', '256'], /--vhid 256 is no number from 1 to 255/],
  ['a password too many', ['eth0', '--pass', 'a', '--passfile', 'b'], /exclude each other/],
  ['an address that is none', ['eth0', '--address', 'plant'], /--address plant is no IP address/],
] as const)
  test(`${name} is wrong usage`, async () => {
    const { code, stderr } = await watch(...args);
    assert.equal(code, 2);
    assert.match(stderr, message);
    assert.match(stderr, /carp watch --help/);
  });

test('a file that is not there is a failure and not a defect', async () => {
  const { code, stderr } = await watch('--read', join(folder, 'none.pcap'));
  assert.equal(code, 1);
  assert.match(stderr, /there is no such file/);
});
