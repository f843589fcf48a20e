/** One machine on a bench: it is told one event after the other, and says in words what it does. */
import assert from 'node:assert/strict';
import type { MachineEvent } from '../../src/machine/events.ts';
import type { MachineSettings } from '../../src/machine/settings.ts';
import { initialState, roleOf, type State } from '../../src/machine/state.ts';
import { transition } from '../../src/machine/transition.ts';
import { doings, event, ip, type Rank, settingsOf } from './machine-words.ts';

/** The addresses of the machine, and one below and one above it. */
export const OWN = '192.0.2.20';
export const OWN_6 = '2001:db8::20';
export const LOWER = '192.0.2.10';
export const HIGHER = '192.0.2.30';

export class Bench {
  readonly settings: MachineSettings;
  state: State = initialState;

  constructor(settings: MachineSettings) {
    this.settings = settings;
  }

  /** What came of it, in words, without the timers that are disarmed. */
  tell(what: MachineEvent): string {
    const [state, effects] = transition(this.state, what, this.settings);
    this.state = state;
    return doings(effects, what.at);
  }
}

/** Became ready at 0 ms. */
export const backup = (rank: Rank = '1/0', more: Partial<MachineSettings> = {}): Bench => {
  const bench = new Bench(settingsOf(rank, more));
  bench.tell(event.ready({ 4: ip(OWN), ...(more.families?.includes(6) === true ? { 6: ip(OWN_6) } : {}) }, 0));
  return bench;
};

/** Claimed at 10 s, and is MASTER since 10.004 s; its second advert is due one interval after the claim. */
export const master = (rank: Rank = '1/0', more: Partial<MachineSettings> = {}, demotion = 0): Bench => {
  const bench = backup(rank, more);
  bench.tell(event.demoted(demotion, 9000));
  bench.tell(event.timer('masterDown', 10_000));
  bench.tell(event.drained(10_000));
  bench.tell(event.timer('hold', 10_003));
  bench.tell(event.drained(10_003));
  bench.tell(event.taken(10_004));
  assert.equal(roleOf(bench.state), 'MASTER');
  return bench;
};
