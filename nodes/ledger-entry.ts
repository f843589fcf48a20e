/**
 * One reason in the demotion ledger of a group, held as it is wished to be.
 *
 * The agent keeps the entry: a deploy, or a flow that hangs, does not lift it, and there is no moment without it. It is
 * compared with what is wished whenever there is news of the group, because an agent that was started again, or a group
 * that was changed, has forgotten it; and until it is right, once a second.
 */
import type { Subscription } from 'rxjs';
import { type Problem, problemOf } from '../src/ports/error.ts';
import type { Registry } from './registry.ts';

const RETRY_MS = 1000;

export interface LedgerEntryOptions {
  readonly registry: Registry;
  /** Id of the carp-group node. */
  readonly group: string;
  readonly reason: string;
  /** The first look has found this: whether the entry is there from before. */
  readonly found: (weight: number | undefined) => void;
  /** What keeps it from being as wished; undefined: it is. */
  readonly settled: (problem: Problem | undefined) => void;
}

/** `keep`: as it is. A number: there, with this weight. */
export type Wish = 'keep' | 'none' | number;

export class LedgerEntry {
  readonly #options: LedgerEntryOptions;
  readonly #news: Subscription;
  #wish: Wish = 'keep';
  #looked = false;
  #busy = false;
  #again = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: LedgerEntryOptions) {
    this.#options = options;
    this.#news = options.registry.view$(options.group).subscribe(() => this.#check());
    this.#check();
  }

  wish(wish: Wish): void {
    if (wish === this.#wish) return;
    this.#wish = wish;
    this.#check();
  }

  /** Leaves the entry as it is. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#news.unsubscribe();
  }

  #check(): void {
    if (this.#closed) return;
    this.#again = true;
    if (!this.#busy) void this.#run();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    clearTimeout(this.#retry);
    let problem: Problem | undefined;
    while (this.#again && !this.#closed) {
      this.#again = false;
      problem = await this.#settle().then(
        () => undefined,
        (error: unknown) => problemOf(error),
      );
    }
    this.#busy = false;
    if (this.#closed) return;
    if (problem !== undefined) this.#retry = setTimeout(() => this.#check(), RETRY_MS).unref();
    this.#options.settled(problem);
  }

  async #settle(): Promise<void> {
    const { registry, group, reason } = this.#options;
    if (this.#looked && this.#wish === 'keep') return;
    const { ledger } = await registry.statusOf(group);
    const weight = ledger.find((entry) => entry.reason === reason)?.weight;
    if (!this.#looked) {
      this.#looked = true;
      this.#options.found(weight);
    }
    const wish = this.#wish;
    if (this.#closed || wish === 'keep' || (wish === 'none' ? undefined : wish) === weight) return;
    if (wish === 'none') await registry.restore(group, reason, 'group');
    else await registry.demote(group, { reason, weight: wish, scope: 'group' });
  }
}
