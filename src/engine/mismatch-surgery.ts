import { Subscription } from 'rxjs';
import type { GroupSettings } from './settings.ts';

/** What all groups of a host share for their diagnoses: one at a time, and knowledge of each other. */
export class Surgery {
  readonly #groups: () => readonly GroupSettings[];
  #isBusy = false;

  /** @param groups - of the host, now */
  constructor(groups: () => readonly GroupSettings[]) {
    this.#groups = groups;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Keeps everybody else out until unsubscribed. */
  enter(): Subscription {
    this.#isBusy = true;
    return new Subscription(() => {
      this.#isBusy = false;
    });
  }

  othersThan(name: string): readonly GroupSettings[] {
    return this.#groups().filter((group) => group.name !== name);
  }
}
