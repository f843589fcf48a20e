/** Where real systems do not settle by their own rules: what the facts say happens then, by name. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Lan } from '../support/machine-lan.ts';
import { Actor, type Part, type Role } from '../support/model-cast.ts';
import { forSeeds, names, type Spell, spells, steadyHolder } from '../support/model-watch.ts';

const KERNELS = ['freebsd', 'openbsd', 'netbsd'] as const;

const cast = (lan: Lan, role: Role, last: number, skew: number, families: Part['families'] = [4]): Actor =>
  new Actor(lan, { role, last, base: 1, skew, preempt: false, families });

/** How often one became MASTER beside the other, or in its place. */
const promotions = (seen: readonly Spell[], actor: Actor): number =>
  seen.filter(({ holders }, i) => holders.includes(actor.host) && seen[i - 1]?.holders.includes(actor.host) === false)
    .length;

const story = (seen: readonly Spell[]): string => seen.map(({ holders, ms }) => `${names(holders)} ${ms}`).join(', ');

describe('two MASTERs of equal rank', () => {
  for (const system of KERNELS)
    test(`two of ${system} whose first adverts cross both yield, wait a master-down time, and may do so for minutes`, () => {
      let endless = 0;
      forSeeds(100, (seed) => {
        const lan = new Lan(seed);
        for (const last of [10, 20]) cast(lan, system, last, 0).host.start();
        const seen = spells(lan, 90_000);
        const waits = seen.filter(({ holders, ms }) => holders.length === 0 && ms > 10).slice(0, -1);
        for (const { ms } of waits) assert.ok(ms > 2998 && ms < 3021, story(seen));
        if (waits.length > 20) endless++;
      });
      // Whether they do depends on how their clocks tick against each other.
      assert.ok(endless > 0 && endless < 90, `${endless} of 100`);
    });

  test('most pairs of equal kernels settle by chance: ticks and latencies make one of them the first', () => {
    let settled = 0;
    forSeeds(200, (seed) => {
      const lan = new Lan(seed);
      const actors = [cast(lan, 'openbsd', 10, 0), cast(lan, 'openbsd', 20, 0)];
      for (const { host } of actors) lan.at(lan.random.between(0, 1000), () => host.start());
      lan.run(5000);
      if (lan.holders().length === 1) settled++;
    });
    assert.ok(settled > 190, `${settled} of 200`);
  });

  test('a kernel and a ucarp whose last octet is higher may yield to each other for minutes, the other way round they settle', () => {
    const endless = { 10: 0, 20: 0 };
    forSeeds(100, (seed) => {
      for (const last of [10, 20] as const) {
        const lan = new Lan(seed);
        const kernel = cast(lan, 'freebsd', last, 0);
        const ucarp = cast(lan, 'ucarp', 30 - last, 0);
        for (const { host } of [kernel, ucarp]) lan.at(lan.random.between(0, 3), () => host.start());
        const seen = spells(lan, 300_000);
        if (seen.filter(({ holders, ms }) => holders.length === 0 && ms > 1000).length > 50) endless[last]++;
      }
    });
    // The ucarp is .20 when the kernel is .10, and yields late to what the kernel has said before it yielded itself.
    assert.ok(endless[10] > 50, `${endless[10]} of 100`);
    assert.equal(endless[20], 0);
  });
});

describe('IPv6 between NetBSD and the others', () => {
  for (const other of ['freebsd', 'openbsd', 'ours'] as const) {
    test(`in an IPv6 group NetBSD and ${other} are both MASTER for ever: the checksums differ`, () => {
      const lan = new Lan(1);
      const actors = [cast(lan, other, 10, 0, [6]), cast(lan, 'netbsd', 20, 100, [6])];
      for (const { host } of actors) host.start();
      lan.run(6000);
      const seen = spells(lan, 60_000);
      assert.deepEqual(
        seen.map(({ holders }) => holders.length),
        [2],
        story(seen),
      );
    });

    test(`in a dual-stack group NetBSD becomes MASTER beside ${other} each time its IPv6 timer is over`, () => {
      const lan = new Lan(1);
      const first = cast(lan, other, 10, 0, [4, 6]);
      const netbsd = cast(lan, 'netbsd', 20, 100, [4, 6]);
      for (const { host } of [first, netbsd]) host.start();
      lan.run(6000);
      const seen = spells(lan, 66_000);
      // 3.39 s as BACKUP, and up to an interval as MASTER; ours answers at once, a kernel with its next advert.
      assert.ok(promotions(seen, netbsd) >= 60 / 4.5, story(seen));
      assert.ok(seen.every(({ holders }) => holders.includes(first.host)));
      const together = Math.max(...seen.map(({ holders, ms }) => (holders.length === 2 ? ms : 0)));
      assert.ok(other === 'ours' ? together < 1.3 : together > 100, `${together} ms`);
    });
  }

  test('ours with the profile netbsd is heard by NetBSD in both families, and NetBSD stays BACKUP', () => {
    for (const families of [[6], [4, 6]] as const) {
      const lan = new Lan(1);
      const ours = cast(lan, 'ours as netbsd', 10, 0, families);
      const netbsd = cast(lan, 'netbsd', 20, 100, families);
      for (const { host } of [ours, netbsd]) host.start();
      lan.run(6000);
      assert.equal(steadyHolder(lan, 60_000), ours.host);
    }
  });

  test('ours hears NetBSD in any profile, and follows it', () => {
    for (const role of ['ours', 'ours as freebsd', 'ours as openbsd', 'ours as netbsd'] as const) {
      const lan = new Lan(1);
      const ours = cast(lan, role, 10, 100, [6]);
      const netbsd = cast(lan, 'netbsd', 20, 0, [6]);
      for (const { host } of [ours, netbsd]) host.start();
      lan.run(6000);
      assert.equal(steadyHolder(lan, 60_000), netbsd.host, role);
    }
  });
});

describe('when the adverts of one family are lost', () => {
  for (const lost of [4, 6] as const)
    for (const master of ['ours', ...KERNELS] as const)
      for (const backup of ['ours', ...KERNELS] as const) {
        // NetBSD's IPv6 is lost on all others anyway.
        if ((master === 'netbsd') !== (backup === 'netbsd')) continue;
        const flaps = backup !== 'ours';
        test(`IPv${lost} lost: ${backup} beside ${master} ${flaps ? 'becomes MASTER again and again' : 'stays BACKUP'}`, () => {
          const lan = new Lan(1);
          const first = cast(lan, master, 10, 0, [4, 6]);
          const second = cast(lan, backup, 20, 100, [4, 6]);
          for (const { host } of [first, second]) host.start();
          lan.run(6000);
          assert.equal(steadyHolder(lan, 10_000), first.host);
          lan.reaches = (_from, _to, { family }) => family !== lost;
          const seen = spells(lan, lan.now + 60_000);
          if (flaps) assert.ok(promotions(seen, second) >= 60 / 5.6, story(seen));
          else assert.equal(promotions(seen, second), 0, story(seen));
          lan.reaches = () => true;
          lan.run(lan.now + 8000);
          assert.equal(steadyHolder(lan, 20_000), first.host);
        });
      }
});
