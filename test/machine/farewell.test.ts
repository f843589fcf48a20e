/** How a MASTER leaves, who follows, and what demotion does to it: DESIGN D5 and D6. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MachineEvent } from '../../src/machine/events.ts';
import { roleOf } from '../../src/machine/state.ts';
import { type Millis, millis } from '../../src/protocol/units.ts';
import { Bench, backup, HIGHER, LOWER, master } from '../support/machine-bench.ts';
import { BOW_OUT, event, ip, settingsOf } from '../support/machine-words.ts';

const { advert, demoted, drained, handOver, ready, stop, timer } = event;
const nothing = '';
const linkDown = (at: number): MachineEvent => ({
  type: 'becameUnready',
  reason: 'link-down',
  detail: '',
  at: millis(at),
});

describe('D5: farewell', () => {
  test('a hand-over says farewell, keeps the addresses until the successor speaks, and releases them 5 ms later', () => {
    const bench = master();
    assert.equal(bench.tell(handOver(10_500)), 'bow-out, bowOut+1500');
    assert.equal(roleOf(bench.state), 'MASTER');
    assert.equal(bench.tell(advert(HIGHER, '1/100', 10_503)), 'release+5');
    assert.equal(
      bench.tell(timer('release', 10_508)),
      'release, hush, MASTER>BACKUP (hand-over), masterDown+3000, handed over to 192.0.2.30 after 3',
    );
  });

  test('somebody else’s farewell is no successor', () => {
    const bench = master();
    bench.tell(handOver(10_500));
    assert.equal(bench.tell(advert(HIGHER, BOW_OUT, 10_503)), nothing);
  });

  test('nobody takes over: a hand-over stays MASTER and advertises again, a forced one releases', () => {
    const kept = master();
    kept.tell(handOver(10_500));
    assert.equal(
      kept.tell(timer('bowOut', 12_000)),
      'regular 1/0, advert+1000, announce again, nobody took over, kept',
    );
    assert.equal(roleOf(kept.state), 'MASTER');
    const forced = master();
    forced.tell(handOver(10_500, true));
    assert.equal(
      forced.tell(timer('bowOut', 12_000)),
      'release, hush, MASTER>BACKUP (forced), masterDown+3000, nobody took over, released',
    );
  });

  test('force may come after a hand-over that is under way', () => {
    const bench = master();
    bench.tell(handOver(10_500));
    bench.tell(handOver(10_600, true));
    assert.match(bench.tell(timer('bowOut', 12_000)), /nobody took over, released$/);
  });

  test('a stop releases after a second, at once when the successor is heard, and then it is over', () => {
    const alone = master();
    assert.equal(alone.tell(stop(10_500)), 'bow-out, bowOut+1000');
    const end = 'release, hush, MASTER>STOPPED (stop), finish';
    assert.equal(alone.tell(timer('bowOut', 11_500)), `${end}, nobody took over, released`);
    assert.equal(alone.tell(advert(HIGHER, '1/0', 11_600)), nothing);
    const followed = master();
    followed.tell(stop(10_500));
    followed.tell(advert(HIGHER, '1/0', 10_502));
    assert.equal(followed.tell(timer('release', 10_507)), `${end}, handed over to 192.0.2.30 after 2`);
  });

  test('a stop during a hand-over ends within a second of the stop, and asking twice does not prolong it', () => {
    const bench = master();
    bench.tell(handOver(10_500));
    assert.equal(bench.tell(stop(11_000)), 'bowOut+1000');
    assert.equal(bench.tell(stop(11_500)), nothing);
    assert.match(bench.tell(timer('bowOut', 12_000)), /finish/);
  });

  test('every hand-over gets one receipt, also when something cuts it short', () => {
    const cuts: readonly ((at: Millis) => MachineEvent)[] = [
      linkDown,
      (at) => ({ type: 'addressesLost', detail: '', at }),
      (at) => ({ type: 'leaseLapsed', detail: '', at }),
      (at) => timer('bowOut', 12_000, at + 5000),
    ];
    for (const cut of cuts) {
      const bench = master();
      bench.tell(handOver(10_500));
      assert.match(bench.tell(cut(millis(10_600))), /nobody took over, released$/);
      const stopping = master();
      stopping.tell(stop(10_500));
      const words = stopping.tell(cut(millis(10_600)));
      assert.match(words, /^release, hush, .*MASTER>STOPPED \(stop\).* finish, nobody took over, released$/);
    }
  });

  const following = (source: string, address = '192.0.2.20', skew = 0): Bench => {
    const bench = new Bench(settingsOf(`1/${skew}`));
    bench.tell(ready({ 4: ip(address) }, 0));
    bench.tell(advert(source, '1/200', 1000));
    return bench;
  };

  test('a BACKUP answers the farewell of the MASTER that it follows, and nobody else’s', () => {
    assert.equal(following(LOWER).tell(advert(LOWER, BOW_OUT, 1500)), 'stagger+0');
    assert.equal(following(LOWER).tell(advert(HIGHER, BOW_OUT, 1500)), nothing);
    assert.equal(backup().tell(advert(LOWER, BOW_OUT, 100)), nothing, 'it never heard a MASTER');
  });

  test('it follows the one that it heard last', () => {
    const bench = following(LOWER);
    bench.tell(advert(HIGHER, '1/200', 1200));
    assert.equal(bench.tell(advert(LOWER, BOW_OUT, 1500)), nothing);
    assert.equal(bench.tell(advert(HIGHER, BOW_OUT, 1500)), 'stagger+0');
  });

  test('a farewell in either family of the followed MASTER counts, and the second one changes nothing', () => {
    const bench = backup('1/0', { families: [4, 6] });
    bench.tell(advert(LOWER, '1/9', 1000));
    bench.tell(advert('2001:db8::10', '1/9', 1000));
    assert.equal(bench.tell(advert(LOWER, BOW_OUT, 1500)), 'stagger+0');
    assert.equal(bench.tell(advert('2001:db8::10', BOW_OUT, 1500)), nothing);
    const other = backup('1/0', { families: [4, 6] });
    other.tell(advert(LOWER, '1/9', 1000));
    other.tell(advert('2001:db8::10', '1/9', 1000));
    assert.equal(other.tell(advert('2001:db8::10', BOW_OUT, 1500)), 'stagger+0');
  });

  test('it waits for its turn: 6 ms at skew 254, and a millisecond for each of the lowest two bits of its address', () => {
    const turn = (address: string, skew: number): string =>
      following(LOWER, address, skew).tell(advert(LOWER, BOW_OUT, 1500));
    assert.equal(turn('192.0.2.20', 0), 'stagger+0');
    assert.equal(turn('192.0.2.23', 0), 'stagger+3');
    assert.equal(turn('192.0.2.24', 0), 'stagger+0');
    assert.equal(turn('192.0.2.20', 254), 'stagger+6');
    assert.equal(turn('192.0.2.21', 127), 'stagger+4');
  });

  test('at its turn it claims; whoever claims before is followed instead', () => {
    const first = following(LOWER);
    first.tell(advert(LOWER, BOW_OUT, 1500));
    assert.equal(first.tell(timer('stagger', 1500)), 'claim 1/0, hold+3');
    const second = following(LOWER, '192.0.2.23');
    second.tell(advert(LOWER, BOW_OUT, 1500));
    assert.equal(second.tell(advert(HIGHER, '1/100', 1501)), 'masterDown+3000');
    assert.equal(second.tell(timer('stagger', 1503)), nothing);
  });

  test('held up for longer than an interval at its turn, it listens for one more interval', () => {
    const bench = following(LOWER);
    bench.tell(advert(LOWER, BOW_OUT, 1500));
    assert.equal(bench.tell(timer('stagger', 1500, 2501)), 'masterDown+1000');
  });

  test('neither a farewell nor a worse advert promotes a host that heard a better MASTER within its interval', () => {
    const between = (at: number): Bench => {
      const bench = backup('1/50', { preempt: true });
      bench.tell(advert(LOWER, '1/0', 1000));
      bench.tell(advert(LOWER, '1/0', at));
      return bench;
    };
    assert.equal(between(2000).tell(advert(HIGHER, '1/100', 2999)), 'masterDown+3196');
    assert.equal(between(2000).tell(advert(HIGHER, '1/100', 3000)), 'masterDown+3196');
    assert.match(between(2000).tell(advert(HIGHER, '1/100', 3001)), /^claim/);
    assert.equal(between(2000).tell(advert(HIGHER, BOW_OUT, 2999)), nothing);
    assert.match(between(2000).tell(advert(LOWER, BOW_OUT, 2999)), /^stagger/, 'the better one itself leaves');
  });

  test('a MASTER that hears somebody else’s farewell says that it is there', () => {
    assert.equal(master().tell(advert(HIGHER, BOW_OUT, 10_500)), 'answer 1/0, announce again');
  });

  test('an order to leave is followed by a farewell; a lost link is not, because nothing can be said', () => {
    const disabled: MachineEvent = { type: 'becameUnready', reason: 'forced', detail: '', at: millis(10_500) };
    assert.equal(master().tell(disabled), 'bow-out, release, hush, MASTER>INIT (forced)');
    assert.equal(master().tell(linkDown(10_500)), 'release, hush, MASTER>INIT (link-down)');
    assert.equal(backup().tell(linkDown(100)), 'BACKUP>INIT (link-down)');
  });
});

describe('D6: demotion', () => {
  test('a sitting MASTER hands over on the edge where its demotion reaches 240; 239 only lowers its rank', () => {
    assert.equal(master().tell(demoted(240, 10_500)), 'bow-out, bowOut+1500');
    assert.equal(master().tell(demoted(239, 10_500)), 'regular 1/239, advert+1933.594');
  });

  test('it hands over once: nobody took over, so more demotion changes nothing until it has fallen below 240', () => {
    const bench = master();
    bench.tell(demoted(240, 10_500));
    assert.match(bench.tell(timer('bowOut', 12_000)), /^regular 1\/240, .* kept$/);
    assert.match(bench.tell(demoted(480, 12_100)), /^regular 1\/240,/);
    assert.match(bench.tell(demoted(240, 12_200)), /^regular 1\/240,/);
    assert.match(bench.tell(demoted(100, 12_300)), /^regular 1\/100,/);
    assert.match(bench.tell(demoted(300, 12_400)), /^bow-out/);
  });

  test('a host that is promoted while demoted by 240 stays, as last resort, until the sum has fallen and risen', () => {
    const bench = master('1/0', {}, 240);
    assert.match(bench.tell(demoted(300, 10_500)), /^regular/);
    assert.match(bench.tell(demoted(239, 10_600)), /^regular/);
    assert.match(bench.tell(demoted(240, 10_700)), /^bow-out/);
  });

  test('the same sum again is no news', () => {
    assert.equal(master('1/0', {}, 100).tell(demoted(100, 10_500)), nothing);
  });

  test('a BACKUP that is demoted still takes over from a dead MASTER and answers a farewell, but never preempts', () => {
    const bench = backup('1/0', { preempt: true });
    bench.tell(demoted(240, 100));
    assert.equal(bench.tell(advert(LOWER, '1/250', 1000)), 'masterDown+3938');
    assert.equal(bench.tell(advert(LOWER, BOW_OUT, 1500)), 'stagger+5.669');
    bench.tell(timer('stagger', 1506));
    const alone = backup('1/0', { preempt: true });
    alone.tell(demoted(240, 100));
    alone.tell(timer('masterDown', 3000));
    assert.equal(alone.tell(drained(3000)), 'claim 1/240, hold+3');
    const slightly = backup('1/0', { preempt: true });
    slightly.tell(demoted(239, 100));
    assert.match(slightly.tell(advert(LOWER, '1/250', 1000)), /^claim 1\/239/);
  });

  test('the reason of the demotion is the reason of the hand-over', () => {
    const bench = master();
    bench.tell({ type: 'demotionChanged', demotion: 240, reason: 'maintenance', at: millis(10_500) });
    bench.tell(advert(HIGHER, '1/0', 10_503));
    assert.match(bench.tell(timer('release', 10_508)), /MASTER>BACKUP \(maintenance\)/);
  });

  test('addresses that somebody removed make a MASTER say farewell and listen', () => {
    const lost: MachineEvent = { type: 'addressesLost', detail: '', at: millis(10_500) };
    assert.equal(master().tell(lost), 'bow-out, release, hush, MASTER>BACKUP (address-lost), masterDown+3000');
  });
});
