/** The models do what was seen of the real systems: times, counters, farewells and demotion (protocol.md 12, ucarp.md 5). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { advSkew } from '../../src/protocol/units.ts';
import { Lan, type LanAdvert, type LanHost } from '../support/machine-lan.ts';
import { ip } from '../support/machine-words.ts';
import { Actor, type Part, type Role } from '../support/model-cast.ts';
import { SYSTEMS, type System } from '../support/model-peers.ts';
import { forSeeds, spells, steadyHolder } from '../support/model-watch.ts';

const KERNELS = ['freebsd', 'openbsd', 'netbsd'] as const;

/** A host on the LAN, whose adverts are recorded. */
const cast = (lan: Lan, role: Role, last: number, skew: number, more: Partial<Part> = {}): Actor =>
  new Actor(lan, { role, last, base: 1, skew, preempt: false, families: [4], ...more });

interface Sent extends LanAdvert {
  readonly at: number;
  readonly from: LanHost;
}

const record = (lan: Lan): readonly Sent[] => {
  const sent: Sent[] = [];
  const send = lan.send.bind(lan);
  lan.send = (from, advert) => {
    sent.push({ ...advert, at: lan.now, from });
    send(from, advert);
  };
  return sent;
};

const near = (what: string, ms: number, expected: number, within: number): void =>
  assert.ok(Math.abs(ms - expected) <= within, `${what}: ${ms.toFixed(1)} ms instead of ${expected}`);

describe('the models of other systems', () => {
  // Master-down and interval in ms; ucarp's are multiples of its interval.
  const TIMES: readonly (readonly [System, skew: number, masterDown: number, interval: number])[] = [
    ['freebsd', 0, 3000, 1000],
    ['freebsd', 100, 3390.6, 1390.6],
    ['freebsd', 254, 3992.2, 1937.5],
    ['netbsd', 100, 3390.6, 1390.6],
    ['netbsd', 254, 3992.2, 1992.2],
    ['openbsd', 100, 4171.9, 1390.6],
    ['ucarp', 0, 3003, 1000],
    ['ucarp', 100, 4174.9, 1390.6],
    ['ucarp', 254, 5979.6, 1992.2],
  ];
  for (const [system, skew, masterDown, interval] of TIMES)
    test(`a lone ${system} with skew ${skew} is MASTER after ${masterDown} ms, and advertises every ${interval} ms`, () => {
      const lan = new Lan(1);
      const sent = record(lan);
      cast(lan, system, 10, skew).host.start();
      lan.run(20_000);
      const [first, second, third, fourth] = sent.map(({ at }) => at);
      assert.ok(first !== undefined && second !== undefined && third !== undefined && fourth !== undefined);
      near('master-down', first, masterDown, 20.1);
      // FreeBSD's first interval is that of the raw skew.
      if (system !== 'freebsd') near('the first interval', second - first, interval, 20.1);
      near('an interval', third - second, interval, 20.1);
      near('another interval', fourth - third, interval, 20.1);
    });

  test('a demoted FreeBSD advertises at most skew 240, and its first interval as MASTER ignores that', () => {
    const lan = new Lan(1);
    const sent = record(lan);
    const host = cast(lan, 'freebsd', 10, 10);
    host.demote();
    host.host.start();
    lan.run(12_000);
    assert.deepEqual(new Set(sent.map(({ advskew }) => advskew as number)), new Set([240]));
    const [first = 0, second = 0, third = 0] = sent.map(({ at }) => at);
    near('the first interval', second - first, 1039, 2);
    near('the second interval', third - second, 1937.5, 2);
  });

  for (const system of ['freebsd', 'netbsd', 'ucarp'] as const)
    test(`${system} counts at random while alone, and on from what it has heard after that`, () => {
      const lan = new Lan(1);
      const sent = record(lan);
      const host = cast(lan, system, 10, 0).host;
      host.start();
      lan.run(8000);
      const alone = sent.map(({ counter }) => counter);
      assert.equal(new Set(alone.map((counter) => counter >> 32n)).size, alone.length);
      // A worse MASTER speaks once.
      const rival = cast(lan, 'openbsd', 20, 200).host;
      lan.send(rival, {
        ...(sent[0] as Sent),
        source: ip('192.0.2.20'),
        advskew: advSkew(200),
        counter: 0xffff_ffff_ffff_fffen,
      });
      lan.run(12_500);
      const mine = sent.filter(({ from }) => from === host).map(({ counter }) => counter);
      const heard = mine.indexOf(0xffff_ffff_ffff_ffffn);
      assert.ok(heard !== -1 && heard <= alone.length + 1, `heard after ${heard} adverts`);
      assert.deepEqual(mine.slice(heard, heard + 3), [0xffff_ffff_ffff_ffffn, 0n, 1n]);
    });

  test('FreeBSD sends IPv4 first, each packet with its own counter; OpenBSD sends one cookie for life, in both families', () => {
    for (const [system, perTick, pseudoHeader] of [
      ['freebsd', 2, false],
      ['netbsd', 2, true],
      ['openbsd', 1, false],
    ] as const) {
      const lan = new Lan(1);
      const sent = record(lan);
      cast(lan, system, 10, 0, { families: [4, 6] }).host.start();
      lan.run(5500);
      assert.deepEqual(
        sent.slice(0, 4).map(({ family }) => family),
        [4, 6, 4, 6],
      );
      assert.equal(new Set(sent.slice(0, 2).map(({ counter }) => counter)).size, perTick);
      if (system === 'openbsd') assert.equal(new Set(sent.map(({ counter }) => counter)).size, 1);
      assert.deepEqual(
        sent.slice(0, 2).map((advert) => advert.pseudoHeader),
        [false, pseudoHeader],
      );
    }
  });

  test('OpenBSD drops what carries its own cookie, FreeBSD yields to its own reflected advert', () => {
    for (const [system, yields] of [
      ['openbsd', false],
      ['freebsd', true],
    ] as const) {
      const lan = new Lan(1);
      const sent = record(lan);
      const { host } = cast(lan, system, 10, 0);
      host.start();
      lan.run(5500);
      host.hear(sent.at(-1) as Sent);
      assert.equal(host.holds(), !yields, system);
    }
  });

  // MASTER is the first one; the second follows it and does not preempt.
  for (const system of SYSTEMS)
    test(`the farewell of OpenBSD and NetBSD promotes ${system} ${system === 'ucarp' ? 'within a second' : 'at once'}, FreeBSD leaves in silence`, () => {
      forSeeds(20, (seed) => {
        for (const leaver of KERNELS) {
          const lan = new Lan(seed);
          const first = cast(lan, leaver, 10, 0);
          const second = cast(lan, system, 20, 0).host;
          first.host.start();
          lan.at(1500, () => second.start());
          lan.run(10_000 + lan.random.between(0, 1000));
          assert.equal(steadyHolder(lan, 1), first.host);
          first.leave();
          const left = lan.now;
          const [gap] = spells(lan, left + 5000);
          const waited = gap?.ms ?? 0;
          if (leaver === 'freebsd') assert.ok(waited > 1900 && waited < 5000, `${waited} ms`);
          else assert.ok(waited < (system === 'ucarp' ? 1001 : 1), `${waited} ms`);
          assert.equal(steadyHolder(lan, 3000), second);
        }
      });
    });

  test('a demoted MASTER is replaced at once among OpenBSDs, and among the others only if the BACKUP preempts', () => {
    forSeeds(20, (seed) => {
      for (const system of KERNELS)
        for (const preempt of [false, true]) {
          const lan = new Lan(seed);
          const first = cast(lan, system, 10, 0);
          const second = cast(lan, system, 20, 100, { preempt }).host;
          first.host.start();
          lan.at(1500, () => second.start());
          lan.run(10_000);
          first.demote();
          lan.run(lan.now + 100);
          const replaced = system === 'openbsd' || preempt;
          assert.equal(steadyHolder(lan, 10_000), replaced ? second : first.host, `${system}, preempt ${preempt}`);
        }
    });
  });

  test('no system but OpenBSD minds the demotion count of an OpenBSD MASTER, not even if it preempts', () => {
    for (const system of ['freebsd', 'netbsd', 'ucarp'] as const) {
      const lan = new Lan(1);
      const first = cast(lan, 'openbsd', 10, 0);
      first.host.start();
      const second = cast(lan, system, 20, 100, { preempt: true }).host;
      lan.at(1500, () => second.start());
      lan.run(10_000);
      first.demote();
      assert.equal(steadyHolder(lan, 10_000), first.host, system);
    }
  });

  test('a ucarp that was cut off is back after 10 s and its dead time; SIGUSR2 alone costs it 6 s', () => {
    const lan = new Lan(1);
    const actor = cast(lan, 'ucarp', 10, 0);
    actor.host.start();
    lan.run(5000);
    actor.stepDown();
    const [pause] = spells(lan, lan.now + 8000);
    near('the pause', pause?.ms ?? 0, 6000, 10);
    lan.plug(actor.host, false);
    const lost = lan.now;
    lan.run(lost + 1001);
    assert.deepEqual(lan.holders(), []);
    lan.plug(actor.host, true);
    const back = spells(lan, lost + 20_000).find(({ holders }) => holders.length > 0);
    near('the return', (back?.from ?? 0) - lost, 13_500, 510);
  });
});
