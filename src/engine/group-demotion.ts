import { type SchedulerLike, Subscription } from 'rxjs';
import type { Ledger, Scope } from './ledger.ts';
import type { DemotionWeights, GroupSettings } from './settings.ts';

/** What a group weighs whose addresses cannot be held: enough never to preempt. */
const ADDRESS_FAILED_WEIGHT = 240;
/** How long it weighs: doubled with each failure in a row. */
const ADDRESS_FAILED_MS = { first: 10_000, longest: 60_000 } as const;

export interface GroupDemotionNeeds {
  readonly settings: Pick<GroupSettings, 'name' | 'sync'>;
  readonly weights: DemotionWeights;
  readonly ledger: Ledger;
  readonly scheduler: SchedulerLike;
  /** Whether the addresses look as if they could be taken now. */
  readonly canTake: () => boolean;
}

/** What one group writes into the ledger of its host by itself, and takes out again (DESIGN D6). */
export class GroupDemotion {
  readonly #needs: GroupDemotionNeeds;
  readonly #own: Scope;
  /** Whom a lost link demotes: nobody, if the group moves alone. Its own group is INIT anyway. */
  readonly #others: Scope | undefined;
  #retry = new Subscription();
  #holdMs: number = ADDRESS_FAILED_MS.first;

  constructor(needs: GroupDemotionNeeds) {
    const { settings, weights } = needs;
    this.#needs = needs;
    const { name, sync } = settings;
    this.#own = sync === undefined ? { of: 'group', name } : { of: 'group', name, sync };
    if (weights.scope === 'host') this.#others = { of: 'host' };
    else this.#others = settings.sync === undefined ? undefined : { of: 'sync', name: settings.sync };
  }

  link(lost: boolean): void {
    const { ledger, settings, weights } = this.#needs;
    if (this.#others === undefined) return;
    const reason = `link-down ${settings.name}`;
    if (lost) ledger.demote({ reason, weight: weights.linkDown, scope: this.#others });
    else ledger.restore(reason, this.#others);
  }

  sending(healthy: boolean): void {
    const { ledger, weights } = this.#needs;
    if (healthy) ledger.restore('send-errors', this.#own);
    else ledger.demote({ reason: 'send-errors', weight: weights.sendErrors, scope: this.#own });
  }

  /**
   * A host that wins elections but cannot hold the addresses would take them from everybody, again and again. So it does
   * not preempt until they look free and some time has passed.
   */
  addresses(held: boolean): void {
    this.#retry.unsubscribe();
    if (held) {
      this.#holdMs = ADDRESS_FAILED_MS.first;
      this.#needs.ledger.restore('address-failed', this.#own);
      return;
    }
    this.#needs.ledger.demote({ reason: 'address-failed', weight: ADDRESS_FAILED_WEIGHT, scope: this.#own });
    this.#retryLater();
  }

  #retryLater(): void {
    const { scheduler, canTake, ledger } = this.#needs;
    this.#retry = scheduler.schedule(() => {
      if (canTake()) ledger.restore('address-failed', this.#own);
      else this.#retryLater();
    }, this.#holdMs);
    this.#holdMs = Math.min(this.#holdMs * 2, ADDRESS_FAILED_MS.longest);
  }

  /** The group ends: nothing of it demotes anybody any more. */
  clear(): void {
    this.#retry.unsubscribe();
    this.link(false);
    this.sending(true);
    this.#needs.ledger.restore('address-failed', this.#own);
  }
}
