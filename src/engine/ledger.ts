import {
  distinctUntilChanged,
  map,
  type Observable,
  type SchedulerLike,
  Subject,
  type Subscription,
  startWith,
} from 'rxjs';
import type { DemotionEntry } from './status.ts';

/** Whom an entry demotes: every group of the host, the groups of one `sync`, or one group with its sync. */
export type Scope =
  | { readonly of: 'host' }
  | { readonly of: 'sync'; readonly name: string }
  | { readonly of: 'group'; readonly name: string; readonly sync?: string };

export interface Demotion {
  /** Unique within its scope: the same reason again replaces the entry. */
  readonly reason: string;
  readonly weight: number;
  readonly scope: Scope;
  /** Whom it concerns never becomes MASTER while it stands. */
  readonly observes?: true;
  /** Removed by itself after this time, in ms. */
  readonly forMs?: number;
  /** When it began, if not now. */
  readonly since?: Date;
}

/** A group, as far as the ledger must know it. */
export interface Debtor {
  readonly name: string;
  readonly sync?: string;
}

/** What demotes a group now. */
export interface DemotionSum {
  readonly demotion: number;
  /** An entry says that the group only listens. */
  readonly observing: boolean;
  /** Of the change that led here: what a hand-over will give as its reason. */
  readonly reason: 'demoted' | 'maintenance' | 'forced' | 'stalled';
}

interface Entry extends Omit<Demotion, 'since'> {
  readonly since: Date;
  readonly until?: Date;
  readonly expiry?: Subscription;
}

const keyOf = (reason: string, scope: Scope): string =>
  JSON.stringify([reason, scope.of, 'name' in scope ? scope.name : '']);

/** An entry of a group concerns its whole sync: groups that move together are fit or unfit together. */
const concerns = (scope: Scope, { name, sync }: Debtor): boolean => {
  switch (scope.of) {
    case 'host':
      return true;
    case 'sync':
      return scope.name === sync;
    case 'group':
      return scope.name === name || (scope.sync !== undefined && scope.sync === sync);
  }
};

const kindOf = (reason: string, observes: boolean): DemotionSum['reason'] => {
  if (observes) return 'forced';
  return reason === 'maintenance' || reason === 'stalled' ? reason : 'demoted';
};

/**
 * Why a host is not at its best: named reasons, each with a weight, cleared one by one or by themselves (DESIGN D6).
 * One ledger for each host; it lives as long as its host, and ends with `close`.
 */
export class Ledger {
  readonly #scheduler: SchedulerLike;
  readonly #wallClock: () => Date;
  readonly #entries = new Map<string, Entry>();
  readonly #changes$ = new Subject<DemotionSum['reason']>();

  constructor(scheduler: SchedulerLike, wallClock: () => Date) {
    this.#scheduler = scheduler;
    this.#wallClock = wallClock;
  }

  /** Adds an entry, or replaces the one of the same reason and scope; `since` stays that of the first. */
  demote({ reason, weight, scope, observes, forMs, since }: Demotion): void {
    const key = keyOf(reason, scope);
    const before = this.#entries.get(key);
    before?.expiry?.unsubscribe();
    const now = this.#wallClock();
    const expiring =
      forMs === undefined
        ? {}
        : {
            until: new Date(now.getTime() + forMs),
            expiry: this.#scheduler.schedule(() => this.restore(reason, scope), forMs),
          };
    const kind = observes === undefined ? {} : { observes };
    this.#entries.set(key, { reason, weight, scope, ...kind, since: before?.since ?? since ?? now, ...expiring });
    this.#changes$.next(kindOf(reason, observes === true));
  }

  /** @returns whether there was such an entry */
  restore(reason: string, scope: Scope): boolean {
    const key = keyOf(reason, scope);
    const found = this.#entries.get(key);
    if (found === undefined) return false;
    found.expiry?.unsubscribe();
    this.#entries.delete(key);
    this.#changes$.next(kindOf(reason, found.observes === true));
    return true;
  }

  entriesOf(debtor: Debtor): readonly DemotionEntry[] {
    return this.#concerning(debtor).map(({ reason, weight, since, until }) => ({
      reason,
      weight,
      since: since.toISOString(),
      ...(until === undefined ? {} : { until: until.toISOString() }),
    }));
  }

  /** The sum now, and after each change of it. Hot; completes with `close`. */
  sums(debtor: Debtor): Observable<DemotionSum> {
    return this.#changes$.pipe(
      startWith('demoted' as const),
      map((reason) => {
        const entries = this.#concerning(debtor);
        const demotion = entries.reduce((sum, { weight }) => sum + weight, 0);
        return { demotion, observing: entries.some(({ observes }) => observes === true), reason };
      }),
      distinctUntilChanged((a, b) => a.demotion === b.demotion && a.observing === b.observing),
    );
  }

  close(): void {
    for (const { expiry } of this.#entries.values()) expiry?.unsubscribe();
    this.#entries.clear();
    this.#changes$.complete();
  }

  #concerning(debtor: Debtor): readonly Entry[] {
    return [...this.#entries.values()].filter(({ scope }) => concerns(scope, debtor));
  }
}
