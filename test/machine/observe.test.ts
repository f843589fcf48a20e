/** A host that only listens (DESIGN D6: `disable` = never MASTER). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MachineEvent } from '../../src/machine/events.ts';
import { roleOf } from '../../src/machine/state.ts';
import { masterDownMs } from '../../src/machine/timings.ts';
import { type Millis, millis } from '../../src/protocol/units.ts';
import { Bench, backup, HIGHER, LOWER, master } from '../support/machine-bench.ts';
import { MachineHost } from '../support/machine-host.ts';
import { Lan } from '../support/machine-lan.ts';
import { BOW_OUT, event, ip, settingsOf } from '../support/machine-words.ts';
import { forSeeds, names, steadyHolder } from '../support/model-watch.ts';

const { advert, demoted, drained, handOver, observe, ready, stop, taken, timer } = event;
/** Until it has heard nobody for the master-down time of a host that is demoted by 240. */
const LISTENS = 'masterDown+3938';

const observer = (...more: readonly MachineEvent[]): Bench => {
  const bench = backup();
  for (const what of [observe(1), ...more]) bench.tell(what);
  return bench;
};

describe('a MASTER that is to observe', () => {
  test('hands over, and releases when the successor has spoken', () => {
    const bench = master();
    assert.equal(bench.tell(observe(10_500)), 'bow-out, bowOut+1500');
    assert.equal(bench.tell(advert(HIGHER, '1/100', 10_503)), 'release+5');
    assert.equal(
      bench.tell(timer('release', 10_508)),
      `release, hush, MASTER>BACKUP (forced), ${LISTENS}, handed over to 192.0.2.30 after 3`,
    );
  });

  test('releases also when nobody takes over', () => {
    const bench = master();
    bench.tell(observe(10_500));
    assert.equal(
      bench.tell(timer('bowOut', 12_000)),
      `release, hush, MASTER>BACKUP (forced), ${LISTENS}, nobody took over, released`,
    );
  });

  test('lets go also as the last resort that it is in maintenance, and in the middle of that hand-over', () => {
    const lastResort = master('1/0', {}, 240);
    assert.equal(lastResort.tell({ ...observe(10_500), demotion: 480 } as MachineEvent), 'bow-out, bowOut+1500');
    assert.match(lastResort.tell(timer('bowOut', 12_000)), /nobody took over, released$/);
    for (const first of [demoted(240, 10_500), handOver(10_500)]) {
      const leaving = master();
      leaving.tell(first);
      assert.equal(leaving.tell(observe(10_600)), '');
      assert.match(leaving.tell(timer('bowOut', 12_000)), /nobody took over, released$/);
    }
  });

  test('still ends when it is stopped', () => {
    const bench = master();
    bench.tell(observe(10_500));
    assert.equal(bench.tell(stop(10_600)), 'bowOut+1000');
    assert.match(bench.tell(timer('bowOut', 11_600)), /finish/);
  });

  test('that was held up past its lease listens, and does not claim again', () => {
    const bench = master();
    bench.tell({ type: 'leaseLapsed', detail: '', at: millis(10_900) });
    bench.tell(observe(10_901));
    assert.equal(bench.tell(drained(10_902)), `release, hush, MASTER>BACKUP (stalled), ${LISTENS}, ${LISTENS}`);
    assert.equal(roleOf(bench.state), 'BACKUP');
  });
});

describe('a BACKUP that observes', () => {
  test('listens on when the MASTER is silent, as often as that happens', () => {
    const bench = observer();
    for (let round = 1; round <= 3; round++) {
      const at = round * 4000;
      assert.equal(bench.tell(timer('masterDown', at)), 'drain');
      assert.equal(bench.tell(drained(at)), LISTENS);
    }
  });

  test('answers no farewell', () => {
    const bench = observer(advert(LOWER, '1/0', 100), advert(LOWER, BOW_OUT, 200));
    assert.equal(bench.tell(timer('stagger', 206)), LISTENS);
  });

  test('preempts nobody: neither a slow MASTER, nor a worse one, nor with a delay', () => {
    assert.equal(observer().tell(advert(LOWER, '20/0', 100)), LISTENS);
    const eager = backup('1/0', { preempt: true });
    eager.tell(observe(1));
    assert.equal(eager.tell(advert(LOWER, '3/0', 100)), LISTENS);
    const patient = backup('1/0', { preempt: true, preemptDelay: 500 as Millis });
    patient.tell(advert(LOWER, '1/200', 100));
    patient.tell(observe(200));
    assert.equal(patient.tell(timer('preempt', 600)), '');
  });

  test('takes a claim back that is under way, and an address that is on its way', () => {
    const claiming = backup();
    claiming.tell(timer('masterDown', 3000));
    claiming.tell(drained(3000));
    assert.equal(claiming.tell(observe(3001)), `bow-out, ${LISTENS}`);
    assert.equal(claiming.tell(timer('hold', 3003)), '');

    const taking = backup();
    for (const what of [timer('masterDown', 3000), drained(3000), timer('hold', 3003), drained(3003)])
      taking.tell(what);
    assert.equal(taking.tell(observe(3004)), `release, bow-out, ${LISTENS}`);
    assert.equal(taking.tell(taken(3005)), '');
    assert.equal(roleOf(taking.state), 'BACKUP');
  });

  test('gives up what its predecessor has left, after a farewell', () => {
    const bench = new Bench(settingsOf('1/0'));
    bench.tell(observe(0));
    bench.tell(ready({ 4: ip('192.0.2.20') }, 0, true));
    bench.tell(timer('hold', 50));
    assert.equal(bench.tell(drained(50)), 'bow-out, bowOut+200');
    bench.tell(timer('bowOut', 250));
    assert.equal(bench.tell(drained(250)), `${LISTENS}, disinherit`);
  });

  test('follows and tells who is MASTER, and takes part again when that is over', () => {
    const bench = observer(advert(LOWER, '1/0', 100));
    assert.equal(bench.state.master?.source.text, LOWER);
    assert.equal(bench.tell(observe(200, false)), '');
    assert.equal(bench.tell(advert(LOWER, '1/0', 1100)), 'masterDown+3000');
    bench.tell(timer('masterDown', 4100));
    assert.equal(bench.tell(drained(4100)), 'claim 1/0, hold+3');
  });

  test('names no MASTER any more that has fallen silent, with or without a farewell, until it hears one', () => {
    for (const farewell of [[], [advert(LOWER, BOW_OUT, 200), timer('stagger', 206)]]) {
      const bench = observer(advert(LOWER, '1/0', 100), ...farewell, timer('masterDown', 4200));
      const named = () => bench.state.master?.source.text;
      assert.equal(named(), LOWER);
      assert.equal(bench.tell(drained(4200)), LISTENS);
      assert.equal(named(), undefined);
      bench.tell(advert(HIGHER, '1/0', 4300));
      assert.equal(named(), HIGHER);
    }
  });

  test('one that starts as an observer never was anything else', () => {
    const bench = new Bench(settingsOf('1/0', { preempt: true }));
    bench.tell(observe(0));
    assert.match(bench.tell(ready({ 4: ip('192.0.2.20') }, 0)), /INIT>BACKUP \(startup\)/);
    bench.tell(timer('masterDown', 4000));
    assert.equal(bench.tell(drained(4000)), LISTENS);
  });
});

test('on a LAN with faults an observer holds nothing for longer than a farewell takes, and one of the others holds the addresses', () => {
  forSeeds(150, (seed) => {
    const lan = new Lan(seed);
    const { random } = lan;
    const preempt = random.chance(0.5);
    const hosts = Array.from({ length: random.whole(2, 5) }, (_, i) => {
      const address = ip(`192.0.2.${10 + i}`);
      return new MachineHost(lan, [address], settingsOf(`1/${random.pick([0, 0, 50, 100])}`, { preempt }));
    });
    /** Since when. */
    const observers = new Map<MachineHost, number>();
    const tellObserve = (host: MachineHost, observing: boolean): void => {
      // A paused process hears it late; what counts is when it has heard it.
      host.tell({ type: 'demotionChanged', demotion: observing ? 240 : 0, observing, reason: 'forced' });
    };
    for (const host of hosts) lan.at(random.between(0, 3000), () => host.start());
    for (let i = 0; i < 10; i++)
      lan.at(random.between(0, 30_000), () => {
        const host = hosts[random.whole(0, hosts.length - 1)];
        if (host === undefined) return;
        const faults = [
          () => tellObserve(host, random.chance(0.7)),
          () => tellObserve(host, random.chance(0.7)),
          () => lan.pause(host, random.between(10, 6000)),
          () => {
            lan.loss = random.between(0, 0.6);
          },
          () => {
            lan.reaches = (from) => from !== host;
          },
          () => host.tell({ type: 'handOverRequested', force: random.chance(0.3) }),
        ] as const;
        random.pick(faults)();
      });
    lan.run(40_000);
    lan.reaches = () => true;
    lan.loss = 0;
    for (const host of hosts) {
      host.start();
      const observing = random.chance(0.4);
      tellObserve(host, observing);
      if (observing) observers.set(host, lan.now);
    }
    // Longer than any farewell.
    lan.run(lan.now + 1600);
    const slowest = Math.max(...hosts.map(({ state, settings }) => masterDownMs(state, settings)));
    const check = (): void => {
      for (const holder of lan.holders())
        assert.ok(!observers.has(holder as MachineHost), `${names([holder])} observes and holds at ${lan.now} ms`);
    };
    check();
    lan.run(lan.now + 2 * slowest, check);
    if (observers.size === hosts.length) assert.equal(names(lan.holders()), 'nobody');
    else assert.ok(!observers.has(steadyHolder(lan, 5000) as MachineHost));
  });
});
