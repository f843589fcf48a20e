import { Observable, Subject } from 'rxjs';
import { type Problem, problemOf } from '../ports/error.ts';
import type { WatchParams } from './rpc.ts';
import type { RpcClient } from './rpc-client.ts';
import type { SegmentUpdate } from './segment-updates.ts';
import { segmentKey } from './segments.ts';

interface Watched {
  readonly params: WatchParams;
  readonly updates$: Subject<SegmentUpdate>;
  listeners: number;
}

/**
 * Segments that are listened to through an agent that may come and go. The agent is asked once for each segment, by the
 * first listener, and again when it has come back; the last one lets go.
 */
export class LinkSegments {
  readonly #watched = new Map<string, Watched>();
  /** The agent that answers now; if there is none, perhaps why. */
  readonly #agent: () => RpcClient | Problem | undefined;
  #ended = false;

  constructor(agent: () => RpcClient | Problem | undefined) {
    this.#agent = agent;
  }

  /** Cold. Completes with `end`, never errors. A later listener makes the others hear again how things stand. */
  watch(params: WatchParams): Observable<SegmentUpdate> {
    const key = segmentKey(params);
    return new Observable((subscriber) => {
      if (this.#ended) return subscriber.complete();
      const one = this.#watched.get(key) ?? { params, updates$: new Subject<SegmentUpdate>(), listeners: 0 };
      this.#watched.set(key, one);
      one.listeners += 1;
      const listening = one.updates$.subscribe(subscriber);
      const agent = this.#agent();
      if (agent !== undefined && 'code' in agent) subscriber.next({ type: 'problem', problem: agent });
      else if (agent !== undefined) this.#ask(agent, one);
      return () => {
        listening.unsubscribe();
        one.listeners -= 1;
        if (one.listeners > 0 || this.#watched.get(key) !== one) return;
        this.#watched.delete(key);
        const last = this.#agent();
        // An agent that has gone has let go already.
        if (last !== undefined && !('code' in last)) last.unwatch(params).catch(() => undefined);
      };
    });
  }

  /** An agent answers, which knows nothing of former listeners. */
  found(client: RpcClient): void {
    client.segments$.subscribe(({ interface: name, simulated, ...update }) =>
      this.#watched.get(segmentKey({ interface: name, simulated }))?.updates$.next(update),
    );
    for (const one of this.#watched.values()) this.#ask(client, one);
  }

  lost(problem: Problem): void {
    for (const { updates$ } of this.#watched.values()) updates$.next({ type: 'problem', problem });
  }

  end(): void {
    this.#ended = true;
    const all = [...this.#watched.values()];
    this.#watched.clear();
    for (const { updates$ } of all) updates$.complete();
  }

  #ask(client: RpcClient, { params, updates$ }: Watched): void {
    client.watch(params).catch((error: unknown) => {
      // That the connection has ended is told by `lost`.
      if (this.#agent() === client) updates$.next({ type: 'problem', problem: problemOf(error) });
    });
  }
}
