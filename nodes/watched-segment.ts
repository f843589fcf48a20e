import type { SegmentUpdate } from '../src/agent/segment-updates.ts';
import type { SegmentStanding } from '../src/engine/segment-standing.ts';
import type { Problem } from '../src/ports/error.ts';
import { standingWord } from './watch-messages.ts';

/** An agent remembers 512 virtual hosts, and forgets some of them without a word; the oldest go here, too. */
const PLACES_MAX = 1024;

/** What a carp-watch node knows of its segment. */
export class WatchedSegment {
  readonly #vhid: number | undefined;
  readonly #standings = new Map<string, SegmentStanding>();
  /** What has been told of each virtual host, also by the node of the same id before a deploy. */
  readonly #told: Map<string, string>;
  #heard = false;
  problem: Problem | undefined;

  /** @param vhid - the only one that counts; `undefined`: all */
  constructor(vhid: number | undefined, told: Readonly<Record<string, string>> = {}) {
    this.#vhid = vhid;
    this.#told = new Map(Object.entries(told));
  }

  take(update: SegmentUpdate): void {
    this.problem = update.type === 'problem' ? update.problem : undefined;
    if (update.type === 'problem') this.#standings.clear();
    if (update.type === 'report') {
      this.#heard = true;
      this.#standings.clear();
      for (const standing of update.standings) this.#stand(standing);
    }
    if (update.type === 'change' && update.standing !== undefined) this.#stand(update.standing);
  }

  #stand(standing: SegmentStanding): void {
    if (this.#vhid !== undefined && standing.vhid !== this.#vhid) return;
    this.#standings.set(keyOf(standing), standing);
    if (this.#standings.size <= PLACES_MAX) return;
    const [oldest = ''] = this.#standings.keys();
    this.#standings.delete(oldest);
    this.#told.delete(oldest);
  }

  /** Whether anything can be said: that nobody speaks is something, too. */
  get isKnown(): boolean {
    return this.#heard && this.problem === undefined;
  }

  get speakers(): number {
    return [...this.#standings.values()].reduce((sum, { speakers }) => sum + speakers, 0);
  }

  get disputed(): boolean {
    return [...this.#standings.values()].some(({ disputed }) => disputed);
  }

  /** Virtual hosts that stand otherwise than has been told; they count as told from now on. */
  news(): readonly SegmentStanding[] {
    const all = [...this.#standings.values()];
    const news = all.filter((standing) => this.#told.get(keyOf(standing)) !== summaryOf(standing));
    for (const standing of news) this.tell(standing);
    return news;
  }

  tell(standing: SegmentStanding): void {
    this.#told.set(keyOf(standing), summaryOf(standing));
  }

  /** For the node of the same id after the next deploy. */
  get told(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#told);
  }
}

const keyOf = ({ protocol, vhid, vlan = '' }: SegmentStanding): string => `${protocol} ${vhid} ${vlan}`;

const summaryOf = (standing: SegmentStanding): string =>
  `${standingWord(standing)} ${[...standing.masters].sort().join(' ')}`;
