import { ReplayMemory, SPANS_MAX } from './replay-memory.ts';

/** How many spans all groups of a host remember together: 23 MB. */
export const HOST_SPANS_MAX = 8 * SPANS_MAX;

/**
 * The room that all groups of a host share. When it is full, the group that remembers most forgets its oldest: a group
 * whose peers need few spans is never forgotten for one whose peers need many.
 */
export class ReplayBudget {
  readonly #limit: number;
  readonly #memories = new Set<ReplayMemory>();

  /** @param limit - of spans, at least 1 */
  constructor(limit = HOST_SPANS_MAX) {
    this.#limit = limit;
  }

  /** A new memory that counts, until it is left. */
  join(): ReplayMemory {
    const memory = new ReplayMemory(Math.min(SPANS_MAX, this.#limit), (spans) => this.#makeRoom(spans));
    this.#memories.add(memory);
    return memory;
  }

  leave(memory: ReplayMemory): void {
    this.#memories.delete(memory);
  }

  #makeRoom(spans: number): void {
    let all = 0;
    for (const { size } of this.#memories) all += size;
    for (; all > 0 && all + spans > this.#limit; all -= 1) this.#largest()?.forgetOldest();
  }

  #largest(): ReplayMemory | undefined {
    let largest: ReplayMemory | undefined;
    for (const memory of this.#memories) if (memory.size > (largest?.size ?? 0)) largest = memory;
    return largest;
  }
}
