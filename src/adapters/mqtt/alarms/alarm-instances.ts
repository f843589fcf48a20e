/** How many nodes are watched for twins. */
const NODES_MAX = 1024;
/** How many former instances of a name are known: more hosts that take turns at it are not noticed. */
const EARLIER_MAX = 8;
/** A host that stands aside for its twin gives a sign of life with each refresh; the expiry is three of them. */
interface Sightings {
  readonly last: string;
  /** Others that have spoken before it, the newest first. */
  readonly earlier: readonly string[];
  /** When an instance spoke that another had spoken after before. */
  readonly doubleAt?: number;
}

/**
 * Which node names two hosts have at once. A restart brings another instance, and the former is never heard again; of
 * twins, both are heard again and again.
 */
export class Instances {
  readonly #silenceMs: number;
  readonly #nodes = new Map<string, Sightings>();

  /** @param silenceMs - a twin that says nothing for so long has gone */
  constructor(silenceMs: number) {
    this.#silenceMs = silenceMs;
  }

  /** @param instance - of a host that has just said so */
  heard(node: string, instance: string, now: number): void {
    const seen = this.#nodes.get(node);
    if (seen === undefined) {
      if (this.#nodes.size < NODES_MAX) this.#nodes.set(node, { last: instance, earlier: [] });
      return;
    }
    if (seen.last === instance) return;
    const earlier = [seen.last, ...seen.earlier.filter((one) => one !== instance)].slice(0, EARLIER_MAX);
    const isDouble = seen.earlier.includes(instance);
    this.#nodes.set(node, { last: instance, earlier, ...(isDouble ? { doubleAt: now } : {}) });
  }

  duplicates(now: number): readonly string[] {
    return [...this.#nodes]
      .filter(([, { doubleAt }]) => doubleAt !== undefined && now - doubleAt <= this.#silenceMs)
      .map(([node]) => node);
  }
}
