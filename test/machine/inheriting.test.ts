/** An agent that was killed as MASTER and started again: DESIGN 6. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MachineSettings } from '../../src/machine/settings.ts';
import { roleOf } from '../../src/machine/state.ts';
import { transition } from '../../src/machine/transition.ts';
import { millis } from '../../src/protocol/units.ts';
import { Bench, HIGHER, LOWER, OWN } from '../support/machine-bench.ts';
import { event, ip, type Rank, settingsOf } from '../support/machine-words.ts';

const { advert, demoted, drained, ready, stop, taken, timer } = event;
const nothing = '';

/** Ready at 0 ms. */
const heir = (rank: Rank = '1/0', more: Partial<MachineSettings> = {}): Bench => {
  const bench = new Bench(settingsOf(rank, more));
  assert.equal(bench.tell(ready({ 4: ip(OWN) }, 0, true)), 'INIT>BACKUP (startup), hold+50');
  return bench;
};

/** Said farewell at 50 ms. */
const offering = (rank?: Rank, more?: Partial<MachineSettings>): Bench => {
  const bench = heir(rank, more);
  assert.equal(bench.tell(timer('hold', 50)), 'drain');
  assert.equal(bench.tell(drained(50)), 'bow-out, bowOut+200');
  return bench;
};

const asking = (rank?: Rank, more?: Partial<MachineSettings>): Bench => {
  const bench = offering(rank, more);
  assert.equal(bench.tell(timer('bowOut', 250)), 'drain');
  return bench;
};

const claiming = (): Bench => {
  const bench = asking();
  assert.equal(bench.tell(drained(250)), 'claim 1/0, hold+3');
  return bench;
};

const isHeir = ({ state }: Bench): boolean => state.inherited === true;

describe('an agent that inherits addresses of its predecessor', () => {
  test('says farewell for it, keeps them until 5 ms after the successor’s claim, and follows', () => {
    const bench = offering();
    assert.equal(bench.tell(advert(HIGHER, '1/100', 60)), 'release+5');
    assert.ok(isHeir(bench));
    assert.equal(bench.tell(timer('release', 65)), 'masterDown+3000, disinherit');
    assert.equal(bench.state.master?.source.text, HIGHER);
    assert.equal(roleOf(bench.state), 'BACKUP');
  });

  test('gives up what is left when a MASTER speaks in the first 50 ms, even one that it preempts', () => {
    const bench = heir();
    assert.equal(bench.tell(advert(LOWER, '1/0', 30)), 'disinherit, masterDown+3000');
    assert.equal(bench.tell(timer('hold', 50)), nothing);
    const preempting = heir('1/0', { preempt: true });
    assert.equal(preempting.tell(advert(HIGHER, '1/100', 30)), 'disinherit, claim 1/0, hold+3');
    assert.ok(!isHeir(preempting));
  });

  test('goes on for it when nobody answers within 200 ms: one claim, and the addresses were there all the time', () => {
    const bench = claiming();
    assert.equal(bench.tell(timer('hold', 253)), 'drain');
    assert.equal(bench.tell(drained(253)), 'take');
    assert.equal(bench.tell(taken(253)), 'announce, BACKUP>MASTER (startup), advert+997');
    assert.ok(!isHeir(bench), 'they are its own now');
  });

  test('says why it goes on', () => {
    const bench = asking();
    const [{ phase }] = transition(bench.state, drained(250), bench.settings);
    assert.ok(phase.name === 'claiming');
    assert.equal(phase.detail, 'goes on for its predecessor, whose farewell nobody answered within 200 ms');
  });

  test('loses its claim to a better one, and the addresses with it', () => {
    const bench = claiming();
    assert.equal(bench.tell(advert(LOWER, '1/0', 252)), 'masterDown+3000, disinherit');
  });

  test('gives them up on every other way out of its claim: stop, link loss, a failure to add', () => {
    assert.equal(claiming().tell(stop(251)), 'bow-out, disinherit, BACKUP>STOPPED (stop), finish');
    const cut = claiming();
    const linkDown = { type: 'becameUnready', reason: 'link-down', detail: '', at: millis(251) } as const;
    assert.equal(cut.tell(linkDown), 'disinherit, BACKUP>INIT (link-down)');
    assert.equal(cut.tell(ready({ 4: ip(OWN) }, 300)), 'INIT>BACKUP (startup), masterDown+3000');
    const failing = claiming();
    failing.tell(timer('hold', 253));
    failing.tell(drained(253));
    assert.equal(
      failing.tell({ type: 'addressesFailed', detail: '', at: millis(254) }),
      'bow-out, masterDown+3000, disinherit',
    );
  });

  test('demoted to 240 it says farewell, but does not go on: it listens', () => {
    const bench = offering();
    assert.equal(bench.tell(demoted(240, 100)), nothing);
    assert.equal(bench.tell(timer('bowOut', 250)), 'drain');
    assert.equal(bench.tell(drained(250)), 'masterDown+3938, disinherit');
  });

  test('with a lease that outlives the takeover it does not go on either: silence proves nothing then', () => {
    for (const [rank, deadratio, effects] of [
      ['0/10', 3, 'masterDown+118, disinherit'],
      ['1/0', 1, 'masterDown+1000, disinherit'],
      ['1/0', 2, 'claim 1/0, hold+3'],
    ] as const)
      assert.equal(asking(rank, { deadratio }).tell(drained(250)), effects, `${rank}, deadratio ${deadratio}`);
  });

  test('held up for longer than an interval, it gives them up and listens', () => {
    assert.equal(heir().tell(timer('hold', 50, 1100)), 'masterDown+3000, disinherit');
    assert.equal(offering().tell(timer('bowOut', 250, 1300)), 'masterDown+3000, disinherit');
    assert.equal(claiming().tell(timer('hold', 253, 1300)), 'masterDown+3000, disinherit');
  });

  test('only a group in INIT inherits: ready once more is no new inheritance', () => {
    const bench = new Bench(settingsOf('1/0'));
    bench.tell(ready({ 4: ip(OWN) }, 0));
    assert.equal(bench.tell(ready({ 4: ip(OWN) }, 10, true)), nothing);
    assert.ok(!isHeir(bench));
  });
});
