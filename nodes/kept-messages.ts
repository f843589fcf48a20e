/** What becomes of messages while a gate is closed. */
export const KEEP_MODES = ['drop', 'latest', 'queue'] as const;
export type KeepMode = (typeof KEEP_MODES)[number];

export interface KeepOptions {
  readonly mode: KeepMode;
  /** So many messages are kept: of `latest`, so many topics. */
  readonly limit: number;
}

interface Keepable {
  readonly msg: { readonly topic?: unknown };
}

/**
 * The messages that wait for their gate to open: none, the latest of each topic, or all, in the order of their coming.
 * Bounded: what is too much is evicted, the oldest first.
 */
export class KeptMessages<One extends Keepable> {
  readonly #options: KeepOptions;
  /** In the order of their coming. */
  readonly #kept = new Map<unknown, One>();

  constructor(options: KeepOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Keeps one. Returns what is not kept (any more): this one, the one that it replaces, or the oldest. */
  add(one: One): One | undefined {
    const { mode, limit } = this.#options;
    if (mode === 'drop') return one;
    const key = mode === 'queue' ? one : topicOf(one);
    const replaced = this.#kept.get(key);
    // The place in the order is that of the latest message, too.
    this.#kept.delete(key);
    this.#kept.set(key, one);
    if (replaced !== undefined) return replaced;
    return this.#kept.size > limit ? this.takeOldest() : undefined;
  }

  takeOldest(): One | undefined {
    const [first] = this.#kept;
    if (first === undefined) return undefined;
    this.#kept.delete(first[0]);
    return first[1];
  }
}

const topicOf = ({ msg: { topic } }: Keepable): string => (topic === undefined || topic === null ? '' : String(topic));
