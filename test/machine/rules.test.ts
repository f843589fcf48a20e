/** The rules of the design about rank and claims, one sentence each, with the nearest neighbour that is refused. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { roleOf } from '../../src/machine/state.ts';
import { millis } from '../../src/protocol/units.ts';
import { type Bench, backup, HIGHER, LOWER, master, OWN, OWN_6 } from '../support/machine-bench.ts';
import { BOW_OUT, event, ip } from '../support/machine-words.ts';

const { advert, demoted, drained, ready, stop, taken, timer } = event;

const YIELD_TIE_1 = 'yield 1/1, release, hush, MASTER>BACKUP (tie), masterDown+3000';
const nothing = '';

describe('D1: intervals are compared in ticks of 1/256 s', () => {
  test('one tick shorter makes a MASTER yield; one tick longer does not', () => {
    assert.match(master('1/100').tell(advert(HIGHER, '1/99', 10_500)), /^yield 1\/100, release, .*better-master/);
    assert.equal(master('1/100').tell(advert(LOWER, '1/101', 10_500)), 'answer 1/100, announce again');
  });

  test('base and skew are one number: 1/255 wins over 2/0', () => {
    assert.match(master('2/0').tell(advert(HIGHER, '1/255', 10_500)), /better-master/);
    assert.match(master('1/255').tell(advert(LOWER, '2/0', 10_500)), /^answer/);
  });

  test('timers round up to whole milliseconds, so that none is early', () => {
    assert.match(backup('1/1').tell(advert(LOWER, '1/0', 100)), /masterDown\+3004$/);
    assert.match(backup('1/0').tell(advert(LOWER, '1/0', 100)), /masterDown\+3000$/);
  });
});

describe('D2: demotion raises the skew up to 240', () => {
  test('a demoted MASTER advertises and compares with the raised skew, at once', () => {
    const bench = master('1/20');
    assert.equal(bench.tell(demoted(50, 10_500)), 'regular 1/70, advert+1273.438');
    assert.match(bench.tell(advert(HIGHER, '1/69', 10_600)), /better-master/);
    assert.match(master('1/20').tell(advert(HIGHER, '1/69', 10_600)), /^answer/);
  });

  test('the raised skew ends at 240; a skew above that stays', () => {
    const bench = master('1/20');
    bench.tell(demoted(230, 10_500));
    assert.equal(bench.tell(timer('advert', 12_500)), 'regular 1/240, advert+1937.5');
    assert.match(master('1/250').tell(demoted(100, 10_500)), /^regular 1\/250,/);
  });

  test('a negative sum counts as none', () => {
    assert.match(master('1/20').tell(demoted(-5, 10_500)), /^regular 1\/20,/);
  });

  test('the master-down time grows with the raised skew', () => {
    const bench = backup('1/0');
    bench.tell(demoted(128, 50));
    assert.match(bench.tell(advert(LOWER, '1/0', 100)), /masterDown\+3500$/);
  });

  test('with advbase 0 the interval is its skew in ticks, at least one, and master-down is deadratio intervals', () => {
    assert.match(backup('0/0').tell(advert(LOWER, '0/0', 100)), /masterDown\+12$/);
    assert.match(backup('0/128').tell(advert(LOWER, '0/1', 100)), /masterDown\+1500$/);
    assert.equal(master('0/0').tell(timer('advert', 10_004)), 'regular 0/0, advert+3.906');
  });
});

describe('D3: who wins', () => {
  test('on a tie the lower source address stays MASTER, and the higher one yields', () => {
    assert.equal(master().tell(advert(LOWER, '1/0', 10_500)), YIELD_TIE_1);
    assert.equal(master().tell(advert(HIGHER, '1/0', 10_500)), 'answer 1/0, announce again');
  });

  test('addresses compare as numbers in network order; the ucarp profile takes the last octet first', () => {
    const [low, high] = ['10.0.0.99', '203.0.113.1'];
    assert.match(master().tell(advert(low, '1/0', 10_500)), /\(tie\)/);
    assert.match(master().tell(advert(high, '1/0', 10_500)), /^answer/);
    assert.match(master('1/0', { tieBreak: 'last-octet-first' }).tell(advert(low, '1/0', 10_500)), /^answer/);
    assert.match(master('1/0', { tieBreak: 'last-octet-first' }).tell(advert(high, '1/0', 10_500)), /\(tie\)/);
  });

  test('equal sources: yield', () => {
    assert.equal(master().tell(advert(OWN, '1/0', 10_500)), YIELD_TIE_1);
    assert.match(master().tell(advert(OWN, '1/1', 10_500)), /^answer/);
  });

  test('a tied rival that goes on after three of our adverts wins; one that goes on after two does not', () => {
    const bench = master();
    assert.match(bench.tell(advert(HIGHER, '1/0', 10_100)), /^answer/);
    bench.tell(timer('advert', 11_000));
    assert.match(bench.tell(advert(HIGHER, '1/0', 11_050)), /^answer/, 'after two adverts');
    assert.match(bench.tell(advert(HIGHER, '1/0', 11_090)), /\(tie\)/, 'after three adverts');
  });

  test('it is the same rival that has to go on, and without a silence of a master-down time', () => {
    const other = master();
    for (const [at, source] of [
      [10_100, HIGHER],
      [10_300, '192.0.2.31'],
      [10_500, HIGHER],
      [10_700, '192.0.2.31'],
    ] as const)
      assert.match(other.tell(advert(source, '1/0', at)), /^answer/, source);
    const later = master();
    later.tell(advert(HIGHER, '1/0', 10_100));
    for (let at = 11_000; at <= 14_000; at += 1000) later.tell(timer('advert', at));
    assert.match(later.tell(advert(HIGHER, '1/0', 14_100)), /^answer/, 'a rival of long ago is a new one');
  });

  test('a rival that speaks in both families is one rival', () => {
    const bench = master('1/0', { families: [4, 6] });
    for (const at of [10_100, 10_400, 10_700]) {
      assert.match(bench.tell(advert(HIGHER, '1/0', at)), /^answer/);
      assert.equal(bench.tell(advert('2001:db8::30', '1/0', at + 1)), nothing);
    }
    assert.match(bench.tell(advert(HIGHER, '1/0', 11_000)), /\(tie\)/);
  });

  test('a tie on IPv6 is judged only when IPv4 has been silent for a master-down time', () => {
    const rival = '2001:db8::10';
    const bench = master('1/0', { families: [4, 6] });
    assert.equal(bench.tell(advert(rival, '1/0', 10_100)), nothing);
    bench.tell(advert(HIGHER, '1/0', 11_000));
    for (const at of [11_000, 12_000, 13_000]) {
      assert.match(bench.tell(timer('advert', at)), /^regular/);
      assert.equal(bench.tell(advert(rival, '1/0', at + 900)), nothing, `IPv4 is silent for ${at - 10_100} ms`);
    }
    assert.match(bench.tell(timer('advert', 14_000)), /^regular/);
    assert.match(bench.tell(advert(rival, '1/0', 14_000)), /\(tie\)/);
  });

  test('a group without IPv4 judges ties on IPv6 at once', () => {
    const bench = master('1/0', { families: [6] });
    bench.tell(ready({ 6: ip(OWN_6) }, 10_050));
    assert.match(bench.tell(advert('2001:db8::30', '1/0', 10_100)), /^answer/);
    assert.match(bench.tell(advert('2001:db8::10', '1/0', 10_200)), /\(tie\)/);
  });

  test('a better advert on IPv6 wins at once, whatever IPv4 says', () => {
    const bench = master('1/1', { families: [4, 6] });
    assert.match(bench.tell(advert('2001:db8::30', '1/0', 10_100)), /better-master/);
  });

  test('who yields sends one advert that is strictly worse, and never a bow-out', () => {
    assert.match(master('1/100').tell(advert(LOWER, '1/0', 10_500)), /^yield 1\/100,/, 'worse already');
    assert.match(master('1/100').tell(advert(LOWER, '1/100', 10_500)), /^yield 1\/101,/);
    assert.match(master('1/254').tell(advert(LOWER, '1/254', 10_500)), /^yield 1\/255,/);
    assert.match(master('255/253').tell(advert(LOWER, '255/253', 19_500)), /^yield 255\/254,/);
    assert.match(
      master('255/254').tell(advert(LOWER, '255/254', 19_500)),
      /^release,/,
      'nothing is worse but a bow-out',
    );
    assert.match(master('0/0').tell(advert(LOWER, '0/1', 10_004)), /^yield 0\/2,/);
  });

  test('a rival is answered at once, but at most every 100 ms', () => {
    const bench = master();
    assert.match(bench.tell(advert(HIGHER, '1/9', 10_500)), /^answer/);
    assert.equal(bench.tell(advert(HIGHER, '1/9', 10_599)), nothing);
    assert.match(bench.tell(advert(HIGHER, '1/9', 10_600)), /^answer/);
  });

  test('a BACKUP never takes over from an equal, whichever address is lower', () => {
    for (const preempt of [false, true])
      assert.match(backup('1/0', { preempt }).tell(advert(HIGHER, '1/0', 100)), /^masterDown/);
  });
});

describe('D4: claim, hold, take', () => {
  test('a BACKUP looks, claims, holds for 3 ms, looks again, takes the addresses, and only then is MASTER', () => {
    const bench = backup();
    assert.equal(bench.tell(timer('masterDown', 3000)), 'drain');
    assert.equal(bench.tell(drained(3000)), 'claim 1/0, hold+3');
    assert.equal(bench.tell(timer('hold', 3003)), 'drain');
    assert.equal(bench.tell(drained(3003)), 'take');
    assert.equal(roleOf(bench.state), 'BACKUP');
    assert.equal(bench.tell(taken(3005)), 'announce, BACKUP>MASTER (master-timeout), advert+995');
    assert.equal(roleOf(bench.state), 'MASTER');
  });

  test('an advert that was queued when the time was over keeps it BACKUP', () => {
    const bench = backup();
    bench.tell(timer('masterDown', 3000));
    assert.equal(bench.tell(advert(HIGHER, '1/0', 3000)), 'masterDown+3000');
    assert.equal(bench.tell(drained(3000)), nothing);
  });

  const claimed = (): Bench => {
    const bench = backup('1/50');
    bench.tell(timer('masterDown', 3200));
    bench.tell(drained(3200));
    return bench;
  };

  test('a winner that objects within the hold, the last look, or while the addresses are added, stops the claim', () => {
    for (const [source, rank] of [
      [HIGHER, '1/49'],
      [LOWER, '1/50'],
    ] as const) {
      const holding = claimed();
      assert.equal(holding.tell(advert(source, rank, 3202)), 'masterDown+3196');
      const looking = claimed();
      looking.tell(timer('hold', 3203));
      assert.equal(looking.tell(advert(source, rank, 3203)), 'masterDown+3196');
      assert.equal(looking.tell(drained(3203)), nothing);
      const taking = claimed();
      taking.tell(timer('hold', 3203));
      taking.tell(drained(3203));
      assert.equal(taking.tell(advert(source, rank, 3204)), 'release, masterDown+3196');
      assert.equal(taking.tell(taken(3205)), nothing, 'addresses that come too late do not make a MASTER');
    }
  });

  test('a loser that objects does not', () => {
    for (const [source, rank] of [
      [LOWER, '1/51'],
      [HIGHER, '1/50'],
      [LOWER, BOW_OUT],
    ] as const) {
      const bench = claimed();
      assert.equal(bench.tell(advert(source, rank, 3202)), nothing);
      bench.tell(timer('hold', 3203));
      assert.equal(bench.tell(drained(3203)), 'take');
    }
  });

  test('addresses that cannot be taken make it say farewell, because its claim made others fall silent', () => {
    const bench = claimed();
    bench.tell(timer('hold', 3203));
    bench.tell(drained(3203));
    assert.equal(bench.tell({ type: 'addressesFailed', detail: '', at: millis(3204) }), 'bow-out, masterDown+3196');
  });

  test('a claim that is called off by a stop says farewell and gives back what it was about to add', () => {
    const bench = claimed();
    bench.tell(timer('hold', 3203));
    bench.tell(drained(3203));
    assert.equal(bench.tell(stop(3204)), 'bow-out, release, BACKUP>STOPPED (stop), finish');
    assert.equal(backup().tell(stop(100)), 'BACKUP>STOPPED (stop), finish', 'a mere BACKUP has nothing to say');
  });

  test('without preempt a BACKUP follows a worse MASTER; with preempt it claims', () => {
    assert.equal(backup().tell(advert(LOWER, '1/1', 100)), 'masterDown+3000');
    assert.equal(backup('1/0', { preempt: true }).tell(advert(LOWER, '1/1', 100)), 'claim 1/0, hold+3');
    assert.equal(backup('1/0', { preempt: true }).tell(advert(LOWER, '1/0', 100)), 'masterDown+3000', 'an equal one');
  });

  test('B3: it claims from a MASTER that will time out, but not from one a tick faster, nor with advbase 0', () => {
    assert.match(backup().tell(advert(LOWER, '3/1', 100)), /^claim/);
    assert.match(backup().tell(advert(LOWER, '3/0', 100)), /^masterDown/);
    assert.match(backup('0/10').tell(advert(LOWER, '1/0', 100)), /^masterDown/);
  });

  const waiting = (): Bench => {
    const bench = backup('1/0', { preempt: true, preemptDelay: millis(5000) });
    assert.equal(bench.tell(advert(HIGHER, '1/9', 1000)), 'masterDown+3000, preempt+5000');
    for (const at of [2000, 3000, 4000, 5000]) assert.equal(bench.tell(advert(HIGHER, '1/9', at)), 'masterDown+3000');
    return bench;
  };

  test('with preemptDelay it waits, and the wait is not prolonged by each advert', () => {
    assert.equal(waiting().tell(timer('preempt', 6000)), 'claim 1/0, hold+3');
  });

  test('a wait to preempt ends when the MASTER is no longer worse, and starts anew when it is again', () => {
    const bench = waiting();
    assert.equal(bench.tell(advert(HIGHER, '1/0', 5500)), 'masterDown+3000');
    assert.equal(bench.tell(timer('preempt', 6000)), nothing);
    assert.equal(bench.tell(advert(HIGHER, '1/9', 6500)), 'masterDown+3000, preempt+5000');
    const lowered = waiting();
    lowered.tell(demoted(50, 5900));
    assert.equal(lowered.tell(timer('preempt', 6000)), nothing, 'this host is the worse one now');
  });

  test('a wait to preempt that a farewell cut short starts anew with the next worse MASTER', () => {
    const bench = waiting();
    assert.equal(bench.tell(advert(HIGHER, BOW_OUT, 5500)), 'stagger+0');
    assert.equal(bench.tell(advert('192.0.2.31', '1/9', 5500)), 'masterDown+3000, preempt+5000');
  });

  test('a wait to preempt that a claim cut short starts anew, should the claim fail', () => {
    const bench = waiting();
    bench.tell(timer('masterDown', 8000));
    bench.tell(drained(8000));
    bench.tell(timer('hold', 8003));
    bench.tell(drained(8003));
    bench.tell({ type: 'addressesFailed', detail: '', at: millis(8004) });
    assert.equal(bench.tell(advert(HIGHER, '1/9', 8500)), 'masterDown+3000, preempt+5000');
  });

  test('a host that was held up for longer than an interval does not preempt on old news', () => {
    assert.equal(waiting().tell(timer('preempt', 6000, 7001)), nothing);
    assert.match(waiting().tell(timer('preempt', 6000, 7000)), /^claim/);
  });
});
