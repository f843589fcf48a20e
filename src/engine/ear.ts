import type { HeardAdvert } from '../machine/events.ts';
import type { Log } from '../ports/log.ts';
import type { Packet } from '../ports/transport.ts';
import type { Family } from '../protocol/address.ts';
import { type InboundRules, inspect } from './inbound.ts';
import type { Tally } from './tally.ts';

/** Listens for one group: counts what comes, says what is refused, and notes what got lost. */
export class Ear {
  readonly #rules: InboundRules;
  readonly #tally: Tally;
  readonly #log: Log;
  /** What each family's socket had lost when its last genuine advert came. A socket knows only its own losses. */
  readonly #lostBefore = new Map<Family, number>();

  constructor(rules: InboundRules, tally: Tally, log: Log) {
    this.#rules = rules;
    this.#tally = tally;
    this.#log = log;
  }

  /** What the packet says, if it is genuine. */
  hear(packet: Packet): HeardAdvert | undefined {
    const verdict = inspect(packet, this.#rules);
    if (verdict.type === 'refused') {
      const { why, source } = verdict;
      // Floods are counted: a line is written for the 1st, the 10th, the 100th …
      if (this.#tally.count(why))
        this.#log('warn', `refused an advert of ${source.text}: ${why}`, { times: this.#tally.counters[why] });
      return undefined;
    }
    const { family, dropped } = packet;
    this.#tally.count('received');
    this.#tally.count('dropped', dropped - (this.#lostBefore.get(family) ?? 0));
    this.#lostBefore.set(family, dropped);
    return verdict.advert;
  }

  /** How many packets got lost since the last genuine advert of each family. @param total - of all sockets, until now */
  lostSince(total: number): number {
    return total - [...this.#lostBefore.values()].reduce((sum, lost) => sum + lost, 0);
  }

  /** New sockets count from zero. */
  forget(): void {
    this.#lostBefore.clear();
  }
}
