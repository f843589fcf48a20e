import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SpeakerReport, segmentReport } from '../../src/engine/segment-report.ts';
import { counterSeries, nextCounter } from '../../src/protocol/counter.ts';
import { carp, every, farewell, HOST, type Host, story, vrrp } from './segment-frames.ts';

/** What is thought of a host after these counters, one second apart. */
const thought = (host: Host, counters: readonly bigint[]): SpeakerReport | undefined =>
  segmentReport(story(counters.map((counter, i) => carp(host, i * 1000, counter))).segment).speakers[0];

const RANDOM = [0x9d51_2a7c_11e0_44f3n, 0x1b02_77de_90aa_5c61n, 0xe6c4_03f9_5d28_7712n, 0x4477_8d1e_ab60_f935n];
const CONSTANT = RANDOM.map(() => 0x9d51_2a7c_11e0_44f3n);
const ADOPTED = RANDOM.map((_, i) => 0x9d51_2a7c_11e0_44f3n + BigInt(i));

const strides = (each = 1): readonly bigint[] => {
  let series = counterSeries([0xffff_ffff_ffff_0000n, 0x1234_5678_9abcn]);
  return every(1, 1, 4 * each)
    .map(() => {
      const [value, next] = nextCounter(series);
      series = next;
      return value;
    })
    .filter((_, i) => i % each === 0);
};

const BSD = { ...HOST, tos: 0x10 };
const UCARP = { ...HOST, tos: 0x10, id: 4711, mac: '00005e000007' };
const SIX = { ...HOST, source: 'fe80::11', destination: 'ff02::12' };

for (const [name, host, counters, system] of [
  ['FreeBSD alone', HOST, RANDOM, 'freebsd'],
  ['FreeBSD that has heard a peer', HOST, ADOPTED, 'freebsd'],
  ['FreeBSD with another DSCP', { ...HOST, tos: 0x28 }, RANDOM, 'freebsd'],
  ['FreeBSD to a unicast peer', { ...HOST, mac: '020000000001', destination: '192.0.2.12' }, RANDOM, 'freebsd'],
  ['FreeBSD, IPv6', SIX, RANDOM, 'freebsd'],
  ['OpenBSD', { ...BSD, id: 4711 }, CONSTANT, 'openbsd'],
  ['OpenBSD with a demotion count', { ...BSD, id: 4711, demotion: 1 }, CONSTANT, 'openbsd'],
  ['OpenBSD with a MAC of its own', { ...BSD, id: 4711, mac: '020000000001' }, CONSTANT, 'openbsd'],
  ['OpenBSD balancing', { ...BSD, id: 4711, mac: '01005e000107' }, CONSTANT, 'openbsd'],
  ['OpenBSD whose TOS was cleared on the way', { ...BSD, tos: 0, id: 4711 }, CONSTANT, 'openbsd'],
  ['NetBSD alone', BSD, RANDOM, 'netbsd'],
  ['NetBSD that has heard a peer', BSD, ADOPTED, 'netbsd'],
  ['NetBSD, IPv6', { ...SIX, tos: 0 }, RANDOM, 'netbsd'],
  ['ucarp alone', UCARP, RANDOM, 'ucarp'],
  ['ucarp that has heard a peer', UCARP, ADOPTED, 'ucarp'],
  ['this package', { ...BSD, mac: '020000000001' }, strides(), 'node-red-carp'],
  ['this package with a virtual MAC', BSD, strides(), 'node-red-carp'],
  ['this package in two families', BSD, strides(2), 'node-red-carp'],
  ['this package, IPv6', { ...SIX, tos: 0x10, mac: '020000000001' }, strides(), 'node-red-carp'],
  ['this package as FreeBSD', HOST, strides(), 'node-red-carp'],
] as const)
  test(`${name} is guessed, with reasons`, () => {
    const speaker = thought(host, counters);
    assert.equal(speaker?.system, system);
    assert.ok((speaker?.reasons.length ?? 0) > 0);
  });

test('while several systems fit, none is guessed', () => {
  const [first = 0n] = RANDOM;
  const speaker = thought(HOST, [first]);
  assert.equal(speaker?.system, 'unknown');
  assert.deepEqual(speaker?.candidates, ['freebsd', 'node-red-carp']);
});

test('what fits no system is unknown, with what was seen', () => {
  const speaker = thought({ ...HOST, mac: '00005e000207' }, RANDOM);
  assert.equal(speaker?.system, 'unknown');
  assert.deepEqual(speaker?.candidates, []);
  assert.ok(speaker?.reasons.includes('Ethernet source 00:00:5e:00:02:VHID'));
});

test('a farewell tells NetBSD and OpenBSD from FreeBSD, which says none', () => {
  const told = story([carp(BSD, 0), carp(BSD, 1000), farewell(BSD, 1500)]);
  assert.equal(segmentReport(told.segment).speakers[0]?.system, 'netbsd');
});

test('one replayed advert makes no constant counter', () => {
  const [a = 0n, b = 0n, c = 0n] = RANDOM;
  assert.equal(thought(BSD, [a, b, b, c])?.system, 'netbsd');
});

test('of VRRP speakers keepalived and FreeBSD are guessed, and no other', () => {
  const of = (host: Host): string | undefined =>
    segmentReport(story([vrrp(host, 0), vrrp(host, 1000)]).segment).speakers[0]?.system;
  assert.equal(of({ ...HOST, tos: 0xc0, id: 1, mac: '020000000001' }), 'keepalived');
  assert.equal(of(HOST), 'freebsd');
  assert.equal(of({ ...HOST, tos: 0xc0 }), 'unknown');
});
