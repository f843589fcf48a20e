/** What an agent hears on a segment: simulated hosts in virtual time, and fakes for what goes wrong. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, type Observable, of, Subject, type Subscription, throwError, VirtualTimeScheduler } from 'rxjs';
import { watchParams } from '../../src/agent/params.ts';
import { listeningProblem } from '../../src/agent/privileges.ts';
import type { WatchParams } from '../../src/agent/rpc.ts';
import {
  CHANGES_MAX,
  type Hearing,
  type SegmentUpdate,
  SPEAKERS_MAX,
  segmentUpdates,
} from '../../src/agent/segment-updates.ts';
import { createSegments, LISTEN_RETRY_MS } from '../../src/agent/segments.ts';
import { EMPTY_SEGMENT, hearFrame, type Segment } from '../../src/engine/segment.ts';
import { CarpError } from '../../src/ports/error.ts';
import type { CapturedFrame } from '../../src/ports/sniffer.ts';
import { carp, HOST, START } from '../engine/segment-frames.ts';
import { groupText } from './fakes.ts';
import { pair, type SimulatedAgent, simulatedAgent, stateFolder } from './simulated-agent.ts';

const listenTo = (updates$: Observable<SegmentUpdate>) => {
  const heard: SegmentUpdate[] = [];
  const listening: Subscription = updates$.subscribe((update) => heard.push(update));
  const words = (): readonly string[] =>
    heard.map((update) => {
      if (update.type === 'change') return update.change.event;
      return update.type === 'report' ? `report of ${update.report.speakers.length}` : update.problem.message;
    });
  return { heard, words, stop: () => listening.unsubscribe() };
};

const LAN = { interface: 'lan', simulated: true } as const;

test('an interface is named, a simulated one is called so, and nothing else is understood', () => {
  assert.deepEqual(watchParams({ interface: 'eth0' }), { interface: 'eth0' });
  assert.deepEqual(watchParams(LAN), LAN);
  for (const params of [
    {},
    { interface: '' },
    { interface: 'x'.repeat(256) },
    { interface: 7 },
    { ...LAN, vhid: 1 },
    null,
  ])
    assert.throws(() => watchParams(params), { code: -32602 }, JSON.stringify(params));
});

describe('the LAN of simulated hosts', () => {
  /** Listens from now on: the sniffer is there a promise later. */
  const listenIn = async (sim: SimulatedAgent, params: WatchParams = LAN) => {
    const listening = listenTo(sim.agent.watch(params));
    await sim.pass(0);
    return listening;
  };

  test('who listens is told how things stand, then who speaks, falls silent, and takes over', async (t) => {
    const sim = await pair(t);
    // Between two adverts.
    await sim.pass(500);
    const { heard, words, stop } = await listenIn(sim);
    await sim.pass(1500);
    assert.deepEqual(words().slice(0, 3), ['report of 0', 'speaker-heard', 'master']);
    await sim.answer(sim.agent.simulate({ node: 'a', action: 'crash' }));
    await sim.pass(5000);
    const change = heard.findLast((update) => update.type === 'change' && update.change.event === 'master');
    assert.ok(change?.type === 'change' && change.change.event === 'master');
    assert.deepEqual([change.change.source, change.change.mac], ['192.0.2.12', '02:00:00:00:00:0c']);
    assert.deepEqual(change.standing, {
      protocol: 'carp',
      vhid: 10,
      masters: ['192.0.2.12'],
      speakers: 1,
      disputed: false,
    });
    stop();
  });

  test('digests are checked with the keys of the groups that the agent serves there', async (t) => {
    const sim = simulatedAgent();
    await sim.run(stateFolder(t), {
      a: [groupText('plant'), groupText('lab', { vhid: 77, addresses: ['192.0.2.77/24'] })],
    });
    const { heard, stop } = await listenIn(sim);
    await sim.pass(6000);
    const digests = heard.flatMap((update) =>
      update.type === 'change' && update.change.event === 'speaker-heard'
        ? [`${update.change.vhid} ${update.change.digest}`]
        : [],
    );
    assert.deepEqual(new Set(digests), new Set(['10 ok', '77 ok']));
    stop();
  });

  test('a real interface of the same name is another segment', async (t) => {
    const sim = await pair(t);
    const { words, stop } = await listenIn(sim, { interface: LAN.interface });
    await sim.pass(2000);
    assert.deepEqual(words(), ['only simulated hosts here']);
    stop();
  });

  test('two who do not hear each other are two masters, and whoever comes later is told so, too', async (t) => {
    const sim = simulatedAgent();
    const stranger = groupText('plant', { pass: 'other', advskew: 1 });
    await sim.run(stateFolder(t), { a: [groupText('plant')], b: [stranger] });
    const { heard, stop } = await listenIn(sim);
    await sim.pass(9000);
    const masters = ['192.0.2.11', '192.0.2.12'];
    const standing = { protocol: 'carp', vhid: 10, masters, speakers: 2, disputed: true };
    const dispute = heard.find((update) => update.type === 'change' && update.change.event === 'two-masters');
    assert.ok(dispute?.type === 'change');
    assert.deepEqual(dispute.standing, standing);
    const later = await listenIn(sim);
    const [report] = later.heard;
    assert.ok(report?.type === 'report');
    assert.deepEqual([report.standings, report.report.disputes.length], [[standing], 1]);
    later.stop();
    stop();
  });
});

test('listening needs CAP_NET_RAW and nothing else, and whoever lacks it is told how to get it', () => {
  const mask = (...bits: readonly bigint[]): string =>
    `CapEff:\t${bits
      .reduce((all, bit) => all | (1n << bit), 0n)
      .toString(16)
      .padStart(16, '0')}\n`;
  assert.equal(
    listeningProblem(() => mask(13n)),
    undefined,
  );
  const problem = listeningProblem(() => mask(12n));
  assert.equal(problem?.code, 'CARP_NO_PERMISSION');
  assert.match(problem.remedy ?? '', /setcap cap_net_raw/);
});

describe('listening', () => {
  const fakes = (listen: () => Observable<CapturedFrame>) => {
    const scheduler = new VirtualTimeScheduler();
    const opened: string[] = [];
    const segments = createSegments({
      scheduler,
      rulesFor: () => ({}),
      sniffer: async (simulated) => ({
        listen: ({ interface: name }) => {
          opened.push(`${simulated} ${name}`);
          return listen();
        },
      }),
    });
    const pass = async (ms: number): Promise<void> => {
      // The sniffer is a promise.
      await new Promise((resolve) => setImmediate(resolve));
      scheduler.maxFrames = scheduler.frame + ms;
      scheduler.flush();
      scheduler.frame = scheduler.maxFrames;
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { segments, opened, pass };
  };

  test('many share one socket; it is closed with the last of them, and forgets', async () => {
    let open = 0;
    const frames$ = new Subject<CapturedFrame>();
    const { segments, opened, pass } = fakes(() => {
      open += 1;
      return frames$;
    });
    const one = listenTo(segments({ interface: 'eth0' }));
    const two = listenTo(segments({ interface: 'eth0', simulated: false }));
    await pass(200);
    frames$.next({ ...carp(HOST, 0), time: 200 });
    const three = listenTo(segments({ interface: 'eth0' }));
    assert.deepEqual(opened, ['false eth0']);
    assert.deepEqual(
      [one, two, three].map(({ words }) => words()[0]),
      ['report of 0', 'report of 0', 'report of 1'],
    );
    one.stop();
    two.stop();
    assert.equal(frames$.observed, true);
    three.stop();
    assert.deepEqual([frames$.observed, open], [false, 1]);
    const again = listenTo(segments({ interface: 'eth0' }));
    await pass(200);
    assert.deepEqual([again.words(), open], [['report of 0'], 2]);
    again.stop();
  });

  test('what cannot be heard is told once, and tried again until it can', async () => {
    let works = false;
    const problem = new CarpError('CARP_NO_INTERFACE', 'there is no interface eth7');
    const { segments, opened, pass } = fakes(() => (works ? new Subject() : throwError(() => problem)));
    const { words, stop } = listenTo(segments({ interface: 'eth7' }));
    for (let i = 0; i < 3; i += 1) await pass(LISTEN_RETRY_MS + 1);
    assert.deepEqual(words(), [problem.message]);
    assert.ok(opened.length >= 3, `${opened.length} times`);
    works = true;
    await pass(LISTEN_RETRY_MS + 1);
    await pass(200);
    assert.deepEqual(words(), [problem.message, 'report of 0']);
    stop();
  });

  test('an interface that goes is a problem, and what was known of it is forgotten', async () => {
    const frames = [new Subject<CapturedFrame>(), new Subject<CapturedFrame>()];
    const { segments, opened, pass } = fakes(() => frames[opened.length - 1] ?? new Subject());
    const { words, stop } = listenTo(segments({ interface: 'eth0' }));
    await pass(200);
    frames[0]?.next({ ...carp(HOST, 0), time: 200 });
    frames[0]?.error(new CarpError('CARP_NO_INTERFACE', 'interface eth0 has gone'));
    await pass(LISTEN_RETRY_MS + 1);
    await pass(200);
    assert.deepEqual(words(), ['report of 0', 'speaker-heard', 'master', 'interface eth0 has gone', 'report of 0']);
    stop();
  });
});

describe('floods', () => {
  const flooded = (): Segment => {
    let segment: Segment = EMPTY_SEGMENT;
    for (let i = 0; i < 8 * 255; i += 1) {
      const source = `192.0.2.${1 + Math.floor(i / 255)}`;
      for (const ms of [0, 1, 2])
        [segment] = hearFrame(segment, carp({ ...HOST, source, vhid: 1 + (i % 255) }, 60_000 * i + ms));
    }
    return segment;
  };

  test('no more than so many changes a second are told one by one; then comes a report of where that has led', () => {
    let second = 0;
    const source$ = new Subject<Hearing>();
    const { words, stop } = listenTo(segmentUpdates(source$, () => second * 1000));
    const [segment, [event]] = hearFrame(EMPTY_SEGMENT, carp(HOST, 0));
    assert.ok(event);
    const hear = (times: number): void => {
      for (let i = 0; i < times; i += 1) source$.next({ segment, events: [event] });
    };
    hear(10 * CHANGES_MAX);
    assert.equal(words().length, CHANGES_MAX);
    second = 1;
    hear(2);
    assert.deepEqual(words().slice(CHANGES_MAX), ['report of 1', 'speaker-heard']);
    stop();
  });

  test('a report names so many speakers at most, and says how many it leaves out', () => {
    const segment = flooded();
    const { heard } = listenTo(segmentUpdates(concat(of({ segment, events: [] })), () => START));
    const [report] = heard;
    assert.ok(report?.type === 'report');
    assert.equal(report.report.speakers.length, SPEAKERS_MAX);
    assert.ok(report.speakersLeftOut > 1000, `${report.speakersLeftOut}`);
    assert.ok(JSON.stringify(report).length < 1_000_000, 'short enough for one message');
  });
});
