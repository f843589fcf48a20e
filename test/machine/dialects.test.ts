/** OpenBSD's demotion count and FreeBSD's clamp: what the rules make of them, on both sides of each limit. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { backup, HIGHER, LOWER, master } from '../support/machine-bench.ts';
import { event } from '../support/machine-words.ts';

const { advert, demoted, handOver, timer } = event;
const OPENBSD = { demotes: 'byte-4' } as const;

describe('a host that counts its demotion in byte 4, as OpenBSD does', () => {
  test('sends its skew as it is, and the count beside it', () => {
    assert.equal(master('1/20', OPENBSD).tell(demoted(50, 10_500)), 'regular 1/20 demoted 50, advert+1078.125');
    assert.match(master('1/20', OPENBSD).tell(demoted(239, 10_500)), /^regular 1\/20 demoted 239,/);
  });

  test('as MASTER yields to whoever has a lower count, whatever the intervals are, and to nobody with a higher one', () => {
    const demotedMaster = () => master('1/20', OPENBSD, 5);
    assert.match(demotedMaster().tell(advert(HIGHER, '3/200', 10_500, 4)), /^yield 1\/20 demoted 5, .*better-master/);
    assert.match(demotedMaster().tell(advert(HIGHER, '1/19', 10_500, 5)), /better-master/);
    assert.match(demotedMaster().tell(advert(HIGHER, '1/21', 10_500, 5)), /^answer/);
    assert.match(demotedMaster().tell(advert(LOWER, '1/0', 10_500, 6)), /^answer/);
  });

  test('as BACKUP takes over from whoever has a higher count, whatever preempt says', () => {
    const listening = (demotion: number) => {
      const bench = backup('1/20', OPENBSD);
      bench.tell(demoted(demotion, 50));
      return bench;
    };
    assert.match(listening(5).tell(advert(LOWER, '1/0', 100, 6)), /^claim 1\/20 demoted 5/);
    assert.match(listening(5).tell(advert(LOWER, '1/0', 100, 5)), /^masterDown/);
  });

  test('does not preempt a slower MASTER with a lower count', () => {
    const bench = backup('1/20', { ...OPENBSD, preempt: true });
    bench.tell(demoted(5, 50));
    assert.match(bench.tell(advert(LOWER, '1/100', 100, 4)), /^masterDown/);
    assert.match(bench.tell(advert(LOWER, '1/100', 200, 5)), /^claim/);
  });

  test('yields a tie of both with the same count, one tick worse', () => {
    assert.match(master('1/0', OPENBSD, 5).tell(advert(LOWER, '1/0', 10_500, 5)), /^yield 1\/1 demoted 5,/);
  });
});

describe('a host that tells its demotion in advskew meets a count', () => {
  test('as BACKUP it takes over from a MASTER that is more demoted than itself', () => {
    assert.match(backup('1/100').tell(advert(LOWER, '1/0', 100, 1)), /^claim 1\/100, hold/);
    const bench = backup('1/100');
    bench.tell(demoted(3, 50));
    assert.match(bench.tell(advert(LOWER, '1/0', 100, 3)), /^masterDown/);
    assert.match(bench.tell(advert(LOWER, '1/0', 200, 4)), /^claim/);
  });

  test('as MASTER it goes on: its own count is 0 on the wire, and the other will yield', () => {
    assert.match(master('1/100').tell(advert(LOWER, '1/0', 10_500, 1)), /^answer 1\/100/);
  });

  test('does not take back what an operator gave to a host with a count, nor does one in maintenance take over', () => {
    const bench = master('1/0');
    bench.tell(handOver(10_500));
    bench.tell(advert(LOWER, '1/50', 10_510, 7));
    assert.match(bench.tell(timer('release', 10_515)), /MASTER>BACKUP \(hand-over\)/);
    assert.match(bench.tell(advert(LOWER, '1/50', 11_500, 7)), /^masterDown/);
    const maintained = backup('1/0');
    maintained.tell(demoted(240, 50));
    assert.match(maintained.tell(advert(LOWER, '1/0', 100, 255)), /^masterDown/);
  });

  test('follows a better MASTER that has spoken within its interval, and not the claim of a demoted one', () => {
    const bench = backup('1/100');
    bench.tell(advert(LOWER, '1/0', 100));
    assert.match(bench.tell(advert(HIGHER, '1/0', 300, 9)), /^masterDown/);
  });
});

test('a host as FreeBSD never uses a skew above 240, demoted or not', () => {
  assert.match(master('1/250', { clampsSkew: true }).tell(demoted(1, 10_500)), /^regular 1\/240,/);
  assert.match(master('1/250', { clampsSkew: true }).tell(advert(HIGHER, '1/241', 10_500)), /^answer 1\/240/);
  assert.match(master('1/250').tell(advert(HIGHER, '1/241', 10_500)), /better-master/);
});
