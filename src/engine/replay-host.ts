import type { Environment } from '../ports/environment.ts';
import { KnownAdverts } from './replay-adverts.ts';
import { ReplayBudget } from './replay-budget.ts';
import type { GroupSettings } from './settings.ts';

/** What the groups of one host know of adverts, by place: a group that starts anew with other settings goes on from it. */
export class HostAdverts {
  readonly #budget = new ReplayBudget();
  readonly #known = new Map<string, KnownAdverts>();

  of({ interface: device, vhid }: GroupSettings, environment: Environment): KnownAdverts {
    const key = `${device} ${vhid}`;
    const { random64, log, replay } = environment;
    const known =
      this.#known.get(key) ??
      new KnownAdverts({ budget: this.#budget, random64, log, place: { interface: device, vhid } });
    this.#known.set(key, known);
    known.keepIn(replay);
    return known;
  }

  /** Writes what is left to be written, in the background. */
  close(): void {
    for (const known of this.#known.values()) known.close();
    this.#known.clear();
  }
}
