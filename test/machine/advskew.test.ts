/** What an operator's change of advskew does to a running machine: another rank, and never by itself another role. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { roleOf } from '../../src/machine/state.ts';
import { type Bench, backup, HIGHER, LOWER, master } from '../support/machine-bench.ts';
import { event } from '../support/machine-words.ts';

const { advert, advskew, demoted, drained, taken, timer } = event;
const nothing = '';

describe('a MASTER whose advskew is set', () => {
  test('advertises its new rank at once, and from then on in the new rhythm', () => {
    const bench = master('1/0');
    assert.equal(bench.tell(advskew(128, 10_500)), 'regular 1/128, advert+1500');
    assert.equal(bench.tell(timer('advert', 12_000)), 'regular 1/128, advert+1500');
  });

  test('says nothing where its rank stays the same', () => {
    const bench = master('1/20');
    assert.equal(bench.tell(advskew(20, 10_500)), nothing);
    assert.equal(bench.tell(advskew(undefined, 10_600)), nothing);
  });

  test('is judged by the new rank: what it defended against before, it yields to now, and the other way round', () => {
    const worse = master('1/20');
    worse.tell(advskew(100, 10_500));
    assert.match(worse.tell(advert(HIGHER, '1/99', 10_600)), /^yield 1\/100, release, .*better-master/);
    const better = master('1/100');
    better.tell(advskew(20, 10_500));
    assert.match(better.tell(advert(LOWER, '1/99', 10_600)), /^answer 1\/20/);
  });

  test('goes back to the advskew of its settings', () => {
    const bench = master('1/20');
    bench.tell(advskew(100, 10_500));
    assert.equal(bench.tell(advskew(undefined, 10_600)), 'regular 1/20, advert+1078.125');
  });

  test('adds its demotion to the new advskew, up to 240', () => {
    const bench = master('1/0');
    bench.tell(demoted(50, 10_400));
    assert.match(bench.tell(advskew(100, 10_500)), /^regular 1\/150,/);
    assert.match(bench.tell(advskew(220, 10_600)), /^regular 1\/240,/);
    assert.match(bench.tell(advskew(254, 10_700)), /^regular 1\/254,/);
  });

  test('says nothing while its demotion hides the difference', () => {
    const bench = master('1/0');
    bench.tell(demoted(239, 10_400));
    bench.tell(advskew(10, 10_500));
    assert.equal(bench.tell(advskew(20, 10_600)), nothing);
  });

  test('lets a farewell be a farewell, and tells the new rank when nobody took over', () => {
    const bench = master('1/0');
    bench.tell(event.handOver(10_500));
    assert.equal(bench.tell(advskew(128, 10_600)), nothing);
    assert.match(bench.tell(timer('bowOut', 12_000)), /^regular 1\/128,/);
  });
});

describe('a BACKUP whose advskew is set', () => {
  test('does nothing by itself, and waits by its new rank from the next advert on', () => {
    const bench = backup('1/0');
    bench.tell(advert(LOWER, '1/0', 100));
    assert.equal(bench.tell(advskew(128, 200)), nothing);
    assert.equal(bench.tell(advert(LOWER, '1/0', 1100)), 'masterDown+3500');
    assert.equal(bench.tell(advskew(undefined, 1200)), nothing);
    assert.equal(bench.tell(advert(LOWER, '1/0', 2100)), 'masterDown+3000');
  });

  test('preempts at the next advert of a MASTER that is worse now; without preempt it does not', () => {
    const bench = backup('1/100', { preempt: true });
    bench.tell(advert(LOWER, '1/50', 100));
    assert.equal(bench.tell(advskew(20, 200)), nothing);
    assert.equal(bench.tell(advert(LOWER, '1/50', 1300)), 'claim 1/20, hold+3');
    const patient = backup('1/100');
    patient.tell(advskew(20, 200));
    assert.match(patient.tell(advert(LOWER, '1/50', 1300)), /^masterDown/);
  });

  test('gives up waiting to preempt when it has become worse meanwhile', () => {
    const bench = backup('1/0', { preempt: true, preemptDelay: event.taken(5000).at });
    assert.match(bench.tell(advert(LOWER, '1/50', 100)), /preempt\+5000/);
    bench.tell(advskew(100, 2000));
    assert.equal(bench.tell(timer('preempt', 5100)), nothing);
    assert.equal(roleOf(bench.state), 'BACKUP');
  });

  test('keeps it over a link that was down', () => {
    const bench = backup('1/0');
    bench.tell(advskew(128, 200));
    bench.tell({ type: 'becameUnready', reason: 'link-down', detail: '', at: event.taken(300).at });
    assert.match(bench.tell(event.ready({}, 400)), /masterDown\+3500/);
  });
});

describe('a host that is set while it claims', () => {
  const claimed = (): Bench => {
    const bench = backup('1/200');
    bench.tell(timer('masterDown', 4000));
    assert.match(bench.tell(drained(4000)), /^claim 1\/200/);
    return bench;
  };

  test('judges objections by its new rank, and tells that at once when it is MASTER', () => {
    const bench = claimed();
    assert.equal(bench.tell(advskew(0, 4001)), nothing);
    assert.equal(bench.tell(advert(HIGHER, '1/100', 4002)), nothing);
    bench.tell(timer('hold', 4003));
    bench.tell(drained(4003));
    assert.equal(bench.tell(taken(4005)), 'announce, BACKUP>MASTER (master-timeout), advert+-4');
    assert.equal(bench.tell(timer('advert', 4001, 4005)), 'regular 1/0, advert+996');
  });

  test('gives way to those who are better than its new rank', () => {
    const bench = claimed();
    bench.tell(advskew(254, 4001));
    assert.match(bench.tell(advert(HIGHER, '1/220', 4002)), /^masterDown/);
  });
});
