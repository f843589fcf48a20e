import type { HeardAdvert } from '../machine/events.ts';
import type { Log } from '../ports/log.ts';
import type { Packet } from '../ports/transport.ts';
import type { Family } from '../protocol/address.ts';
import { type InboundRules, inspect } from './inbound.ts';
import type { Findings } from './mismatch-findings.ts';
import type { Tally } from './tally.ts';

/** Adverts that may be missing: the kernel had no room for them, or their counter had been heard before. */
export interface Missed {
  readonly dropped: number;
  readonly replayed: number;
}

const AGAINST_REPLAYS =
  'somebody repeats adverts that were sent before: find out who (carp watch); if that is an OpenBSD host at an address ' +
  'that another system had a moment ago, make its carp interface anew after ten minutes (or restart it)';

/** Listens for one group: counts what comes, says what is refused, and notes what got lost. */
export class Ear {
  readonly #rules: InboundRules;
  readonly #tally: Tally;
  readonly #log: Log;
  readonly #findings: Pick<Findings, 'refused' | 'genuine'> | undefined;
  /** What each family's socket had lost when its last genuine advert came. A socket knows only its own losses. */
  readonly #lostBefore = new Map<Family, number>();
  /** How many adverts were refused as replayed since the last genuine one. */
  #replayed = 0;

  /** @param findings - whoever finds out what is wrong with peers */
  constructor(rules: InboundRules, tally: Tally, log: Log, findings?: Pick<Findings, 'refused' | 'genuine'>) {
    this.#rules = rules;
    this.#tally = tally;
    this.#log = log;
    this.#findings = findings;
  }

  /** What the packet says, if it is genuine. */
  hear(packet: Packet): HeardAdvert | undefined {
    const verdict = inspect(packet, this.#rules);
    if (verdict.type === 'refused') {
      const { why, source } = verdict;
      if (why === 'replayed') this.#replayed += 1;
      // Floods are counted: a line is written for the 1st, the 10th, the 100th …
      if (this.#tally.count(why))
        this.#log('warn', `refused an advert of ${source.text}: ${why}`, {
          times: this.#tally.counters[why],
          ...(why === 'replayed' ? { remedy: AGAINST_REPLAYS } : {}),
        });
      this.#findings?.refused(packet, why);
      return undefined;
    }
    const { family, dropped } = packet;
    this.#replayed = 0;
    this.#tally.count('received');
    this.#tally.count('dropped', dropped - (this.#lostBefore.get(family) ?? 0));
    this.#lostBefore.set(family, dropped);
    this.#findings?.genuine(packet, verdict.traits);
    return verdict.advert;
  }

  /** What was missed since the last genuine advert (of each family). @param total - lost by all sockets, until now */
  missed(total: number): Missed {
    const before = [...this.#lostBefore.values()].reduce((sum, lost) => sum + lost, 0);
    return { dropped: total - before, replayed: this.#replayed };
  }

  /** New sockets count from zero. */
  forget(): void {
    this.#lostBefore.clear();
  }
}
