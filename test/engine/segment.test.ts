import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EMPTY_SEGMENT, hearFrame, passTime } from '../../src/engine/segment.ts';
import { PLACES_MAX, SPEAKERS_MAX } from '../../src/engine/segment-memory.ts';
import { DIAGNOSES_MAX, NEWS_MAX } from '../../src/engine/segment-news.ts';
import { REFUSED_MAX } from '../../src/engine/segment-refusals.ts';
import { segmentReport } from '../../src/engine/segment-report.ts';
import { standingsOf } from '../../src/engine/segment-standing.ts';
import type { LinkType } from '../../src/ports/sniffer.ts';
import { at, carp, every, farewell, frameOf, HOST, OTHER, only, RULES, START, story, vrrp } from './segment-frames.ts';

const sources = (events: readonly { readonly source: string }[]): readonly string[] =>
  events.map(({ source }) => source);

describe('who is MASTER', () => {
  test('not whoever speaks with a TTL that nobody takes', () => {
    const far = { ...OTHER, source: '198.51.100.9', ttl: 64 };
    const told = story(every(1000, 0, 5000).flatMap((ms) => [carp(HOST, ms), carp(far, ms + 300)]));
    assert.deepEqual(
      segmentReport(told.segment).speakers.map(({ source, role }) => [source, role]),
      [
        ['192.0.2.11', 'MASTER'],
        ['198.51.100.9', 'refused'],
      ],
    );
    const [standing] = standingsOf(told.segment);
    assert.deepEqual(standing?.masters, ['192.0.2.11']);
    assert.equal(standing?.speakers, 1);
  });

  test('a forged advert that nobody takes changes nothing about the host in whose name it comes', () => {
    const forgeries = [carp({ ...HOST, advskew: 200, ttl: 64 }, 4500), farewell({ ...HOST, ttl: 64 }, 4600)];
    const frames = [...every(1000, 0, 4000).map((ms) => carp(HOST, ms)), ...forgeries, carp(HOST, 5000)];
    const told = story(frames);
    assert.deepEqual(only(told, 'master').length, 1);
    for (const event of ['master-silent', 'rank-changed', 'bow-out'] as const) assert.deepEqual(only(told, event), []);
    assert.equal(only(told, 'refused')[0]?.why, 'badttl');
    const [speaker] = segmentReport(told.segment).speakers;
    assert.deepEqual([speaker?.role, speaker?.ttl, speaker?.adverts], ['MASTER', 255, 6]);
  });

  test('a host whose adverts were refused is MASTER from the first one that is taken', () => {
    const far = every(1000, 0, 3000).map((ms) => carp({ ...HOST, ttl: 64 }, ms));
    const told = story([...far, carp(HOST, 4000)]);
    assert.deepEqual(
      only(told, 'master').map((event) => event.at),
      [at(4000)],
    );
  });

  test('a priority without a VLAN is the same wire, and VLAN 1 is another', () => {
    const frames = (vlans: readonly number[]) =>
      every(1000, 0, 5000).flatMap((ms) => [carp({ ...HOST, vlans }, ms), carp({ ...OTHER, advskew: 0 }, ms + 300)]);
    assert.equal(only(story(frames([0])), 'two-masters').length, 1);
    assert.deepEqual(only(story(frames([1])), 'two-masters'), []);
    assert.equal(only(story(frames([0])), 'speaker-heard')[0]?.vlan, undefined);
    // The same where the capture has taken the tag off the frame, and below another tag.
    const taken = story([{ ...carp(HOST, 0), vlans: [0] }]);
    assert.equal(only(taken, 'speaker-heard')[0]?.vlan, undefined);
    assert.equal(only(story([carp({ ...HOST, vlans: [0, 42] }, 0)]), 'speaker-heard')[0]?.vlan, '42');
  });

  test('whoever speaks first is', () => {
    const told = story([carp(HOST, 0)]);
    assert.deepEqual(told.events, [
      {
        event: 'speaker-heard',
        at: at(0),
        protocol: 'carp',
        vhid: 7,
        family: 4,
        source: '192.0.2.11',
        mac: '00:00:5e:00:01:07',
        rank: { advbase: 1, advskew: 0, demotion: 0 },
        intervalMs: 1000,
        digest: 'unchecked',
        self: false,
        addresses: [],
      },
      {
        event: 'master',
        at: at(0),
        how: 'first',
        protocol: 'carp',
        vhid: 7,
        family: 4,
        source: '192.0.2.11',
        mac: '00:00:5e:00:01:07',
      },
    ]);
  });

  test('a MASTER that has said nothing for three intervals is silent, from that moment on', () => {
    const frames = every(1000, 0, 5000).map((ms) => carp(HOST, ms));
    assert.deepEqual(only(story(frames, 7999), 'master-silent'), []);
    const [silent, ...others] = only(story(frames, 20_000), 'master-silent');
    assert.deepEqual(others, []);
    assert.equal(silent?.at, at(8000));
    assert.equal(silent?.silentMs, 3000);
  });

  test('a host that takes over after a silence does so from the one before, with the time between', () => {
    const frames = [...every(1000, 0, 5000).map((ms) => carp(HOST, ms)), carp(OTHER, 8390), carp(OTHER, 9781)];
    const [, taken] = only(story(frames), 'master');
    assert.equal(taken?.how, 'timeout');
    assert.equal(taken?.source, '192.0.2.12');
    assert.equal(taken?.previous?.source, '192.0.2.11');
    assert.equal(taken?.afterMs, 3390);
    assert.equal(taken?.at, at(8390));
  });

  test('a farewell is told, and that it was one', () => {
    const told = story([carp(HOST, 0), carp(HOST, 1000), farewell(HOST, 1500), carp(OTHER, 1504), carp(OTHER, 2895)]);
    const [, taken] = only(told, 'master');
    assert.deepEqual(sources(only(told, 'bow-out')), ['192.0.2.11']);
    assert.equal(taken?.how, 'bow-out');
    assert.equal(taken?.afterMs, 4);
    assert.deepEqual(only(told, 'master-silent', 'rank-changed'), []);
    assert.equal(segmentReport(told.segment).speakers[0]?.role, 'bowed-out');
  });

  test('a better host takes over when the MASTER stops, one or two adverts after the claim', () => {
    for (const last of [2000, 3391, 4000]) {
      const before = [0, 1391, ...(last > 2000 ? [2782] : []), ...(last === 4000 ? [3900] : [])];
      const claim = 2500;
      const told = story(
        [...before.map((ms) => carp(OTHER, ms)), ...every(1000, claim, 12_500).map((ms) => carp(HOST, ms))],
        12_600,
      );
      const [, taken, ...more] = only(told, 'master');
      assert.deepEqual(more, []);
      assert.equal(taken?.how, 'preempt');
      assert.equal(taken?.source, '192.0.2.11');
      assert.equal(taken?.afterMs, claim - 1391);
      assert.deepEqual(only(told, 'two-masters', 'master-silent', 'claim-failed'), []);
    }
  });

  test('a claim that is given up leaves the MASTER', () => {
    const told = story([...every(1000, 0, 10_000).map((ms) => carp(HOST, ms)), carp(OTHER, 2500)], 10_000);
    const [failed] = only(told, 'claim-failed');
    assert.equal(failed?.source, '192.0.2.12');
    assert.equal(failed?.master.source, '192.0.2.11');
    assert.equal(only(told, 'master').length, 1);
  });

  test('a MASTER that is back after a silence is MASTER again', () => {
    const told = story([carp(HOST, 0), carp(HOST, 1000), carp(HOST, 9000), carp(HOST, 10_000)]);
    assert.deepEqual(
      only(told, 'master').map(({ how, afterMs }) => [how, afterMs]),
      [
        ['first', undefined],
        ['returned', 8000],
      ],
    );
  });

  test('the families of a group are told apart', () => {
    const six = { ...HOST, source: 'fe80::11', destination: 'ff02::12' };
    const told = story([carp(HOST, 0), carp(six, 0), carp(HOST, 1000), carp(six, 1000)]);
    assert.deepEqual(sources(only(told, 'master')), ['192.0.2.11', 'fe80::11']);
  });
});

describe('two masters', () => {
  const both = (until: number) => [
    ...every(1000, 0, until).map((ms) => carp(HOST, ms)),
    ...every(1391, 500, until).map((ms) => carp(OTHER, ms)),
  ];

  test('are two that have both spoken for two intervals, and not before', () => {
    assert.deepEqual(only(story(both(3000), 3000), 'two-masters'), []);
    const [two, ...more] = only(story(both(9000), 9000), 'two-masters');
    assert.deepEqual(more, []);
    assert.equal(two?.source, '192.0.2.11');
    assert.equal(two?.rival.source, '192.0.2.12');
    assert.equal(two?.signatures, 'unchecked');
    assert.ok((two?.overlapMs ?? 0) >= 2 * 1390);
  });

  test('sign alike if the network is to blame, and differently if their settings are', () => {
    const [alike] = only(story(both(9000), 9000, RULES), 'two-masters');
    assert.equal(alike?.signatures, 'same');
    const stranger = { ...OTHER, pass: 'other' };
    const mixed = both(9000).map((frame, i) => (i > 9 ? carp(stranger, frame.at - START) : frame));
    const told = story(mixed, 9000, RULES);
    assert.equal(only(told, 'two-masters')[0]?.signatures, 'different');
    const [bad] = only(told, 'digest');
    assert.equal(bad?.digest, 'bad');
    assert.equal(bad?.others, 'ok');
  });

  test('are one again when one of them yields', () => {
    const frames = [...both(9000), ...every(1000, 10_000, 15_000).map((ms) => carp(HOST, ms))];
    const [over] = only(story(frames, 15_000), 'two-masters-over');
    assert.equal(over?.source, '192.0.2.11');
    assert.equal(over?.rival.source, '192.0.2.12');
    assert.ok(Math.abs((over?.lastedMs ?? 0) - 8346) < 1, `${over?.lastedMs} ms`);
    const yielded = [...both(9000), ...every(1391, 10_237, 16_000).map((ms) => carp(OTHER, ms))];
    const told = story(yielded, 16_000);
    assert.deepEqual(sources(only(told, 'two-masters-over')), ['192.0.2.12']);
    assert.equal(only(told, 'master').at(-1)?.source, '192.0.2.12');
  });

  test('of different VLANs or interfaces are no two', () => {
    const frames = every(1000, 0, 9000).flatMap((ms) => [
      carp({ ...HOST, vlans: [42] }, ms),
      carp({ ...OTHER, advskew: 0, vlans: [10, 42] }, ms),
      { ...carp({ ...OTHER, advskew: 0 }, ms), interface: 1 },
    ]);
    const told = story(frames, 9000);
    assert.deepEqual(only(told, 'two-masters'), []);
    assert.deepEqual(
      segmentReport(told.segment).wires.map(({ vlan, interface: port }) => `${vlan ?? ''}/${port ?? ''}`),
      ['10.42/', '42/', '/1'],
    );
  });
});

describe('what a speaker says', () => {
  test('a changed rank is told with the one before', () => {
    const [changed, ...more] = only(
      story([carp(HOST, 0), carp({ ...HOST, advskew: 240 }, 1000), carp({ ...HOST, advskew: 240 }, 2937)]),
      'rank-changed',
    );
    assert.deepEqual(more, []);
    assert.deepEqual(changed?.rank, { advbase: 1, advskew: 240, demotion: 0 });
    assert.deepEqual(changed?.before, { advbase: 1, advskew: 0, demotion: 0 });
  });

  test('a wrong TTL is counted, told at powers of ten, and makes nobody MASTER', () => {
    const forged = { ...OTHER, advskew: 0, ttl: 64 };
    const told = story(
      every(1000, 0, 11_000).flatMap((ms) => [carp(HOST, ms), carp(forged, ms + 300)]),
      11_500,
    );
    assert.deepEqual(
      only(told, 'refused').map(({ why, times, source, ttl }) => [why, times, source, ttl]),
      [
        ['badttl', 1, '192.0.2.12', 64],
        ['badttl', 10, '192.0.2.12', 64],
      ],
    );
    assert.deepEqual(sources(only(told, 'master')), ['192.0.2.11']);
    assert.deepEqual(only(told, 'two-masters'), []);
  });

  test('an advert to a unicast peer may have crossed a router', () => {
    const told = story([carp({ ...HOST, ttl: 60, destination: '198.51.100.9' }, 0)]);
    assert.deepEqual(sources(only(told, 'master')), ['192.0.2.11']);
    assert.deepEqual(only(told, 'refused'), []);
  });

  test('damage is refused and nobody speaks', () => {
    const whole = carp(HOST, 0);
    const damaged = { ...whole, data: whole.data.map((octet, i) => (i === 40 ? octet ^ 1 : octet)) };
    const told = story([damaged, frameOf(HOST, 1, Uint8Array.of(0x21, 7)), frameOf(HOST, 2, Uint8Array.of(0x51, 7))]);
    assert.deepEqual(
      only(told, 'refused').map(({ why }) => why),
      ['badsum', 'badlen', 'badver'],
    );
    assert.deepEqual(segmentReport(told.segment).speakers, []);
    assert.deepEqual(segmentReport(told.segment).refused, { badsum: 1, badlen: 1, badver: 1 });
  });

  test('the same packet twice at once is a loop, not two adverts', () => {
    const frames = every(1000, 0, 5000).flatMap((ms) => {
      const frame = carp(HOST, ms);
      return [frame, { ...frame, at: frame.at + 1 }];
    });
    const [speaker] = segmentReport(story(frames).segment).speakers;
    assert.equal(speaker?.adverts, 6);
    assert.equal(speaker?.duplicates, 6);
    assert.equal(speaker?.system, 'freebsd');
  });

  test('CARP and VRRP of one id clash, whoever was first', () => {
    const router = { ...OTHER, mac: '00005e000107' };
    for (const frames of [
      [carp(HOST, 0), vrrp(router, 300)],
      [vrrp(router, 0), carp(HOST, 300)],
    ]) {
      const [clash, ...more] = only(story([...frames, carp(HOST, 1000), vrrp(router, 1300)]), 'id-clash');
      assert.deepEqual(more, []);
      assert.deepEqual([clash?.protocol, clash?.rival.protocol].sort(), ['carp', 'vrrp']);
    }
    assert.deepEqual(only(story([carp(HOST, 0), vrrp({ ...router, vhid: 8 }, 300)]), 'id-clash'), []);
  });

  test('VRRP tells its addresses and says farewell with priority 0', () => {
    const told = story([vrrp(HOST, 0), vrrp(HOST, 1000), vrrp(HOST, 1500, 0), vrrp(OTHER, 1600)], 1700);
    assert.deepEqual(only(told, 'speaker-heard')[0]?.addresses, ['192.0.2.100']);
    assert.deepEqual(sources(only(told, 'bow-out')), ['192.0.2.11']);
    assert.equal(only(told, 'master')[1]?.how, 'bow-out');
  });

  test('ids in use are those of CARP, of VRRP and of virtual MACs; the others are free', () => {
    const told = story([
      carp({ ...HOST, vhid: 1, mac: '00005e000103' }, 0),
      vrrp({ ...OTHER, vhid: 2, mac: '020000000001' }, 1),
    ]);
    const [wire] = segmentReport(told.segment).wires;
    assert.deepEqual(wire, { used: [1, 2, 3], free: [4, 5, 6, 7, 8] });
    const all = every(1, 1, 255).map((id) => carp({ ...HOST, vhid: id }, id));
    assert.deepEqual(segmentReport(story(all).segment).wires[0]?.free, []);
  });
});

describe('bounds', () => {
  const forged = (i: number) => ({
    ...OTHER,
    source: `198.51.${(i >> 8) & 255}.${i & 255}`,
    vhid: 1 + (i % 255),
    vlans: [i % 4000],
  });

  test('a flood of forged senders fills no memory, hides nobody who is known, and is told in few words', () => {
    const known = every(1000, 0, 10_000).map((ms) => carp(HOST, ms));
    const flood = every(1, 5000, 9999).map((ms) => carp(forged(ms), ms, 1n));
    const told = story([...known, ...flood], 10_000);
    assert.ok(told.segment.hosts.size <= PLACES_MAX);
    // Each second so many, and those that go over the edge with one frame; and a few that are about who is known.
    assert.ok(told.events.length <= 11 * (NEWS_MAX + 3) + 20, `${told.events.length} events`);
    const speaker = segmentReport(told.segment).speakers.find(({ source }) => source === HOST.source);
    assert.equal(speaker?.role, 'MASTER');
    assert.equal(speaker?.adverts, 11);
    assert.ok(told.segment.news.untold > 4000);
    assert.ok(only(told, 'flood').length <= 5);
  });

  test('a flood of forged senders of one group hides nobody either', () => {
    const known = every(1000, 0, 10_000).map((ms) => carp(HOST, ms));
    const flood = every(2, 5000, 9999).map((ms) => carp({ ...forged(ms), vhid: 7, vlans: [] }, ms, 1n));
    const told = story([...known, ...flood], 10_000);
    const [host] = told.segment.hosts.values();
    assert.ok((host?.speakers.length ?? 0) <= SPEAKERS_MAX);
    assert.ok(host?.speakers.some(({ who }) => who.source === HOST.source));
  });

  test('a flood that falls silent at once costs no more than it did to hear', () => {
    const ids = Array.from({ length: 255 }, (_, i) => i + 1);
    const flood = ids.flatMap((vhid) =>
      every(1, 0, SPEAKERS_MAX - 1).map((i) =>
        carp({ ...HOST, vhid, source: `198.51.100.${i + 1}` }, vhid * SPEAKERS_MAX + i, 1n),
      ),
    );
    const { segment } = story(flood);
    // Of processor time: what others do on this machine is not measured.
    const begun = process.cpuUsage();
    const [silent] = passTime(segment, START + 60_000);
    const { user, system } = process.cpuUsage(begun);
    // It takes a tenth of a second; looking at everybody for each silence took five minutes.
    assert.ok(user + system < 10e6, `${(user + system) / 1e6} s`);
    assert.ok([...silent.hosts.values()].every(({ speakers }) => speakers.every(({ state }) => state === 'silent')));
    assert.equal(silent.due, Number.POSITIVE_INFINITY);
  });

  test('silences of several virtual hosts are told in the order of time', () => {
    const frames = [HOST, { ...HOST, vhid: 8, advbase: 2 }, { ...HOST, vhid: 9 }].flatMap((host, i) =>
      [0, 100, 200].map((ms) => carp(host, ms + i)),
    );
    const inOrder = frames.toSorted((a, b) => a.at - b.at);
    const silences = only(story(inOrder, 60_000), 'master-silent');
    assert.deepEqual(
      silences.map((event) => [event.vhid, event.at]),
      [
        [7, at(3200)],
        [9, at(3202)],
        [8, at(6201)],
      ],
    );
  });

  test('a flood of wrong digests is diagnosed a few times a second, not each time', () => {
    let asked = 0;
    const diagnose = (): string => {
      asked += 1;
      return `diagnosis ${asked}`;
    };
    const flood = every(2, 0, 1998).map((ms) => carp({ ...forged(ms), pass: 'wrong' }, ms));
    const told = story(flood, 2000, { ...RULES, diagnose });
    assert.ok(asked > 0 && asked <= 2 * DIAGNOSES_MAX, `asked ${asked} times`);
    assert.equal(only(told, 'digest')[0]?.diagnosis, 'diagnosis 1');
  });

  test('thousands of frames a second are no work', (t) => {
    const rates = [
      ['one MASTER', every(1000, 0, 20_000_000).map((ms) => carp(HOST, ms, 1n)), {}],
      ['forged senders', every(1, 0, 20_000).map((ms) => carp(forged(ms), ms, 1n)), {}],
      ['one MASTER, digests checked', every(1000, 0, 20_000_000).map((ms) => carp(HOST, ms, 1n)), RULES],
    ] as const;
    for (const [name, frames, rules] of rates) {
      // Of processor time: what others do on this machine is not measured.
      const start = process.cpuUsage();
      const { segment } = story(frames, 0, rules);
      const { user, system } = process.cpuUsage(start);
      t.diagnostic(`${name}: ${Math.round((1e6 * frames.length) / (user + system))} frames a second`);
      assert.equal(segment.frames, frames.length);
    }
  });

  test('refused packets of endless sources fill no memory, are all counted, and hide no later ones', () => {
    const flood = every(1, 0, 2000).map((ms) => carp({ ...forged(ms), ttl: 1 }, ms, 1n));
    const damaged = carp(OTHER, 2001);
    damaged.data[40] = (damaged.data[40] ?? 0) ^ 1;
    const far = every(1000, 3000, 12_000).map((ms) => carp({ ...HOST, source: '192.0.2.9', ttl: 64 }, ms));
    const told = story([...flood, damaged, ...far]);
    assert.equal(told.segment.refusals.sources.size, REFUSED_MAX);
    assert.deepEqual(segmentReport(told.segment).refused, { badttl: 2011, badsum: 1 });
    const later = only(told, 'refused').filter(({ source }) => source === '192.0.2.9');
    assert.deepEqual(
      later.map(({ times }) => times),
      [1, 10],
    );
  });

  test('a flood of forged refused packets does not make a known source forgotten', () => {
    const far = (ms: number) => carp({ ...HOST, source: '192.0.2.9', ttl: 64 }, ms);
    const flood = every(1, 1000, 2000).map((ms) => carp({ ...forged(ms), ttl: 1 }, ms, 1n));
    const told = story([far(0), far(1), ...flood, ...every(1000, 3000, 10_000).map(far)]);
    const known = only(told, 'refused').filter(({ source }) => source === '192.0.2.9');
    assert.deepEqual(
      known.map(({ times }) => times),
      [1, 10],
    );
  });

  test('a flood in which each source is heard twice keeps nobody out either', () => {
    const flood = every(1, 0, 999).flatMap((ms) => [1, 2].map(() => carp({ ...forged(ms), ttl: 1 }, ms, 1n)));
    const told = story([...flood, carp({ ...HOST, source: '192.0.2.9', ttl: 64 }, 2000)]);
    assert.equal(told.segment.refusals.sources.size, REFUSED_MAX);
    assert.equal(only(told, 'refused').at(-1)?.source, '192.0.2.9');
  });

  test('refused packets of two interfaces of a capture are counted apart', () => {
    const far = carp({ ...HOST, ttl: 64 }, 0);
    const told = story([
      { ...far, interface: 0 },
      { ...far, interface: 1 },
    ]);
    assert.deepEqual(
      only(told, 'refused').map((event) => [event.interface, event.times]),
      [
        [0, 1],
        [1, 1],
      ],
    );
  });

  test('a clock that is set back stops nothing, and frames out of order do not go back', () => {
    const frames = [carp(HOST, 0), carp(HOST, 1000), carp(HOST, 2000)];
    const [first, second, third] = frames;
    assert.ok(first && second && third);
    const back = [first, second, third, ...every(1000, 0, 3000).map((ms) => carp(HOST, ms - 86_400_000))];
    let segment = EMPTY_SEGMENT;
    for (const frame of back) [segment] = hearFrame(segment, frame);
    const [late, events] = passTime(segment, START - 86_400_000 + 6000);
    assert.deepEqual(
      events.map(({ event, at: when }) => [event, when]),
      [['master-silent', at(6000 - 86_400_000)]],
    );
    assert.equal(segmentReport(late).speakers[0]?.adverts, 7);
    let disordered = EMPTY_SEGMENT;
    for (const frame of [first, third, second]) [disordered] = hearFrame(disordered, frame);
    assert.equal(disordered.clock?.now, START + 2000);
  });

  test('times beyond all clocks neither throw nor hang', () => {
    for (const wild of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e308, -1e308]) {
      const told = story([carp(HOST, 0), { ...carp(HOST, 0), at: wild }, carp(HOST, 1000)], 10_000);
      assert.ok(told.events.length > 0);
      segmentReport(told.segment);
    }
  });

  test('no bytes make it throw, on whatever link layer, and time only advances', () => {
    const links: readonly LinkType[] = ['ethernet', 'sll', 'sll2', 'ip', 'loopback'];
    const noise = fc.record({
      link: fc.constantFrom(...links),
      data: fc.uint8Array({ maxLength: 120 }),
      at: fc.double(),
    });
    const near = fc
      .record({ index: fc.nat(69), octet: fc.nat(255), length: fc.integer({ min: 14, max: 70 }), at: fc.nat(10_000) })
      .map(({ index, octet, length, at: when }) => {
        const frame = carp(HOST, when);
        return { ...frame, data: frame.data.map((each, i) => (i === index ? octet : each)).subarray(0, length) };
      });
    fc.assert(
      fc.property(fc.array(fc.oneof(noise, near), { maxLength: 60 }), (frames) => {
        let segment = EMPTY_SEGMENT;
        let now = Number.NEGATIVE_INFINITY;
        for (const frame of frames) {
          [segment] = hearFrame(segment, Number.isFinite(frame.at) ? frame : { ...frame, at: 0 }, RULES);
          assert.ok((segment.clock?.now ?? now) >= now);
          now = segment.clock?.now ?? now;
        }
        segmentReport(segment);
      }),
      { numRuns: 300 },
    );
  });
});
