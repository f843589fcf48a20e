/** Families, floods, stalls, and adverts that keep their rhythm: DESIGN D1, D9, D10 and D12. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { roleOf } from '../../src/machine/state.ts';
import { millis } from '../../src/protocol/units.ts';
import { type Bench, backup, HIGHER, LOWER, master } from '../support/machine-bench.ts';
import { BOW_OUT, event } from '../support/machine-words.ts';

const { advert, demoted, drained, handOver, stop, timer } = event;
const nothing = '';

describe('D1: adverts keep their rhythm', () => {
  test('a thousand adverts that are each late by a few milliseconds do not drift', () => {
    for (const skew of [0, 1, 100, 254]) {
      const bench = master(`1/${skew}`);
      const interval = 1000 + (skew * 1000) / 256;
      for (let i = 1; i <= 1000; i++) {
        const due = 10_000 + i * interval;
        const late = (i * 7) % 11;
        const expected = Number((interval - late).toFixed(3));
        assert.equal(bench.tell(timer('advert', due, due + late)), `regular 1/${skew}, advert+${expected}`);
      }
    }
  });

  test('an advert that is called off because another was sent at once is not sent when it expires all the same', () => {
    const bench = master();
    bench.tell(demoted(10, 10_990));
    assert.equal(bench.tell(timer('advert', 11_000)), nothing);
    assert.match(bench.tell(timer('advert', 10_990 + 1000 + 10_000 / 256)), /^regular/);
  });

  test('an answer to a rival does not move the next regular advert', () => {
    const bench = master();
    bench.tell(advert(HIGHER, '1/9', 10_500));
    assert.equal(bench.tell(timer('advert', 11_000)), 'regular 1/0, advert+1000');
  });
});

describe('D9: two families, one timer', () => {
  test('an advert in either family prolongs the one master-down timer', () => {
    const bench = backup('1/0', { families: [4, 6] });
    assert.equal(bench.tell(advert(LOWER, '1/0', 1000)), 'masterDown+3000');
    assert.equal(bench.tell(advert('2001:db8::10', '1/0', 2000)), 'masterDown+3000');
    assert.equal(bench.tell(advert('2001:db8::10', '1/0', 3000)), 'masterDown+3000', 'IPv4 silent meanwhile');
  });
});

describe('D10: packets that the kernel dropped', () => {
  test('they prolong the wait by one interval, once; without drops the claim goes out', () => {
    const flooded = backup('1/128');
    flooded.tell(timer('masterDown', 3500));
    assert.equal(flooded.tell(drained(3500, 1)), 'masterDown+1500');
    assert.equal(flooded.tell(timer('masterDown', 5000)), 'drain');
    assert.equal(flooded.tell(drained(5000, 9000)), 'claim 1/128, hold+3');
    const quiet = backup('1/128');
    quiet.tell(timer('masterDown', 3500));
    assert.equal(quiet.tell(drained(3500, 0)), 'claim 1/128, hold+3');
  });

  test('after a genuine advert the wait may be prolonged again', () => {
    const bench = backup();
    bench.tell(timer('masterDown', 3000));
    bench.tell(drained(3000, 1));
    bench.tell(advert(LOWER, '1/0', 3500));
    bench.tell(timer('masterDown', 6500));
    assert.equal(bench.tell(drained(6500, 1)), 'masterDown+1000');
  });
});

describe('D12: a BACKUP that was held up', () => {
  test('later than one interval: it listens for one more, once; within an interval it goes on', () => {
    const late = backup();
    assert.equal(late.tell(timer('masterDown', 3000, 4001)), 'masterDown+1000');
    assert.equal(late.tell(timer('masterDown', 5001, 9999)), 'drain', 'once');
    assert.equal(backup().tell(timer('masterDown', 3000, 4000)), 'drain');
  });

  test('a stall and a flood together prolong once', () => {
    const bench = backup();
    bench.tell(timer('masterDown', 3000, 4001));
    bench.tell(timer('masterDown', 5001));
    assert.match(bench.tell(drained(5001, 7)), /^claim/);
  });

  test('in the middle of a claim: it gives the claim up', () => {
    const bench = backup();
    bench.tell(timer('masterDown', 3000));
    bench.tell(drained(3000));
    assert.equal(bench.tell(timer('hold', 3003, 4004)), 'masterDown+3000');
  });

  test('while it added the addresses: the advert that is overdue goes out at once', () => {
    const bench = backup();
    bench.tell(timer('masterDown', 3000));
    bench.tell(drained(3000));
    bench.tell(timer('hold', 3003));
    bench.tell(drained(3003));
    assert.match(bench.tell(event.taken(4500)), /advert\+-500$/);
    assert.equal(bench.tell(timer('advert', 4000, 4500)), 'regular 1/0, advert+500');
  });
});

describe('D12: a MASTER that was held up', () => {
  test('within its lease it keeps the rhythm', () => {
    assert.equal(master().tell(timer('advert', 11_000, 11_999)), 'regular 1/0, advert+1');
  });

  test('within a long lease, but past the next advert, the rhythm starts anew', () => {
    assert.equal(master('10/0').tell(timer('advert', 20_000, 31_000)), 'regular 10/0, advert+10000');
  });

  /** The lease is 2 s, counted from the advert at 10 s; the next was due at 11 s. */
  const looking = (at: number): Bench => {
    const bench = master();
    assert.equal(bench.tell(timer('advert', 11_000, at)), 'release, hush, drain');
    return bench;
  };

  test('past its lease it gives up the addresses and looks first: a rival that is queued makes it BACKUP', () => {
    for (const rank of ['1/0', '1/200'] as const) {
      const bench = looking(12_001);
      assert.equal(
        bench.tell(advert(HIGHER, rank, 12_001)),
        'release, hush, MASTER>BACKUP (stalled), masterDown+3000',
        'even a worse one, because it holds the addresses now',
      );
      assert.equal(bench.tell(drained(12_001)), nothing);
    }
  });

  test('a farewell that is queued is no rival', () => {
    const bench = looking(12_001);
    assert.equal(bench.tell(advert(HIGHER, BOW_OUT, 12_001)), nothing);
    assert.match(bench.tell(drained(12_001)), /claim/);
  });

  test('no rival, and less than deadratio x advbase since its last advert: it claims at once; after that it listens', () => {
    assert.equal(
      looking(12_999).tell(drained(12_999)),
      'release, hush, MASTER>BACKUP (stalled), masterDown+3000, claim 1/0, hold+3',
    );
    assert.equal(looking(13_000).tell(drained(13_000)), 'release, hush, MASTER>BACKUP (stalled), masterDown+3000');
  });

  test('whatever wakes it first, it sees that it overslept: a rival’s advert, a command, a demotion', () => {
    const gone = 'release, hush, drain, release, hush, MASTER>BACKUP (stalled), masterDown+3000';
    assert.equal(master().tell(advert(HIGHER, '1/200', 14_000)), gone);
    assert.equal(master().tell(demoted(10, 14_000)), 'release, hush, drain');
    assert.equal(master().tell(handOver(14_000)), 'release, hush, drain, nobody took over, released');
    assert.equal(master().tell(stop(14_000)), 'release, hush, drain, release, hush, MASTER>STOPPED (stop), finish');
    assert.match(master().tell(advert(HIGHER, '1/200', 11_999)), /^answer/, 'it did not oversleep');
  });

  test('a lease that lapsed is a stall, however punctual the adverts are', () => {
    const bench = master();
    assert.equal(bench.tell({ type: 'leaseLapsed', detail: '', at: millis(10_900) }), 'release, hush, drain');
    assert.match(bench.tell(drained(10_900)), /claim 1\/0/);
  });

  test('while it handed over: it looks before it takes the group back', () => {
    const bench = master();
    bench.tell(handOver(10_500));
    assert.equal(bench.tell(timer('bowOut', 12_000, 20_000)), 'release, hush, drain, nobody took over, released');
    assert.match(bench.tell(advert(HIGHER, '1/200', 20_000)), /MASTER>BACKUP \(stalled\)/);
  });

  test('in sub-second mode it always listens first', () => {
    const bench = master('0/128');
    assert.equal(bench.tell(timer('advert', 10_500, 11_600)), 'release, hush, drain');
    assert.equal(bench.tell(drained(11_600)), 'release, hush, MASTER>BACKUP (stalled), masterDown+1500');
    assert.equal(roleOf(bench.state), 'BACKUP');
  });
});
