import { EMPTY, type Observable, type Subscription, switchMap } from 'rxjs';
import type { SegmentUpdate } from '../src/agent/segment-updates.ts';
import type { AgentLink } from './agent-link.ts';
import type { WatchWish } from './watch-settings.ts';

type Watcher = Pick<AgentLink, 'watch'>;

/**
 * What carp-watch nodes listen to, across deploys. An agent forgets a segment that nobody listens to; so somebody here
 * does, as long as a node is wanted: the next deploy's node is told how things stand, and does not hear of everybody as
 * if for the first time.
 */
export class Watches {
  readonly #wishes = new Map<string, WatchWish>();
  /** By what is listened to. */
  readonly #held = new Map<string, Subscription>();
  readonly #agentFor: (wish: WatchWish) => Observable<Watcher | undefined>;

  /** @param agentFor - the present agent first; `undefined` while there is none */
  constructor(agentFor: (wish: WatchWish) => Observable<Watcher | undefined>) {
    this.#agentFor = agentFor;
  }

  get wishes(): Iterable<WatchWish> {
    return this.#wishes.values();
  }

  want(wish: WatchWish): void {
    this.#wishes.set(wish.id, wish);
  }

  forget(id: string): void {
    this.#wishes.delete(id);
  }

  segment$(wish: WatchWish): Observable<SegmentUpdate> {
    return this.#agentFor(wish).pipe(switchMap((agent) => agent?.watch(wish.params) ?? EMPTY));
  }

  /** Listens to all that is wanted now, and to nothing else. */
  hold(): void {
    const wanted = new Map([...this.#wishes.values()].map((wish) => [keyOf(wish), wish]));
    for (const [key, wish] of wanted) if (!this.#held.has(key)) this.#held.set(key, this.segment$(wish).subscribe());
    for (const [key, listening] of this.#held) {
      if (wanted.has(key)) continue;
      this.#held.delete(key);
      listening.unsubscribe();
    }
  }
}

const keyOf = ({ socket, params }: WatchWish): string => JSON.stringify([socket, params]);
