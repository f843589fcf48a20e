/** Whether the role of a group is known, and known to be the present one. Fails closed. */
import { EMPTY, type Observable, Subject, Subscription, switchMap } from 'rxjs';
import type { GroupStatus, PublicRole } from '../src/engine/status.ts';
import type { Problem } from '../src/ports/error.ts';
import type { GroupView } from './board.ts';
import type { Proof } from './proof.ts';
import type { Registry } from './registry.ts';

/** Sub-second groups change hands faster than a busy event loop turns; half a second is what can be told apart from load. */
const LIMIT_MS_MIN = 500;
const RETRY_MS = 1000;

export interface Standing {
  /** Undefined: not known now. */
  readonly role: PublicRole | undefined;
  /** When this role began, as far as that was told; wall-clock time, ISO 8601. */
  readonly since?: string;
  readonly problem?: Problem;
}

const UNKNOWN: Standing = { role: undefined };

/**
 * Follows the role of one group for somebody who must not act on an old one: what was heard longer ago than the others
 * wait before they take over counts as unknown, until the agent has answered again.
 */
export class KnownRole {
  readonly #registry: Registry;
  readonly #id: string;
  readonly #subscription = new Subscription();
  #proof: Proof | undefined;
  #release: (() => void) | undefined;
  #view: GroupView = {};
  #since: string | undefined;
  /** How old the knowledge may be, in ms; undefined until the agent has said how fast this group is. */
  #limitMs: number | undefined;
  #learning = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #changed$ = new Subject<void>();

  constructor(registry: Registry, id: string) {
    this.#registry = registry;
    this.#id = id;
    this.#subscription.add(registry.view$(id).subscribe((view) => this.#see(view)));
    const proof$ = registry.proof$(id);
    this.#subscription.add(proof$.subscribe((proof) => this.#trust(proof)));
    this.#subscription.add(
      proof$.pipe(switchMap((proof) => proof?.changed$ ?? EMPTY)).subscribe(() => {
        this.#learn();
        this.#changed$.next();
      }),
    );
  }

  /** Hot: `standing` may be another one. */
  get changed$(): Observable<void> {
    return this.#changed$;
  }

  /** Now. Cheap enough to be asked at each message. */
  get standing(): Standing {
    const { event, problem } = this.#view;
    if (problem !== undefined) return { role: undefined, problem };
    if (event === undefined || this.#limitMs === undefined) return UNKNOWN;
    if (this.#proof?.isFresh(this.#limitMs) !== true) return UNKNOWN;
    return { role: event.role, ...(this.#since === undefined ? {} : { since: this.#since }) };
  }

  close(): void {
    this.#closed = true;
    this.#subscription.unsubscribe();
    clearTimeout(this.#retry);
    this.#release?.();
  }

  #trust(proof: Proof | undefined): void {
    this.#release?.();
    this.#proof = proof;
    this.#release = undefined;
    this.#limitMs = undefined;
    this.#learn();
    this.#changed$.next();
  }

  #see(view: GroupView): void {
    const before = this.#view.event;
    this.#view = view;
    const { event } = view;
    if (event !== undefined && event !== before) {
      if (event.event === 'transition' || event.role !== before?.role)
        this.#since = event.event === 'transition' ? event.at : undefined;
      // Its settings may be others.
      this.#learn(true);
    }
    this.#changed$.next();
  }

  /** Asks how fast the group is, unless that is known. */
  #learn(again = false): void {
    if (this.#learning || this.#closed || this.#proof === undefined) return;
    if (this.#limitMs !== undefined && !again) return;
    const proof = this.#proof;
    this.#learning = true;
    this.#registry.statusOf(this.#id).then(
      (status) => {
        this.#learning = false;
        if (this.#closed) return;
        // Meanwhile there is another agent: this was not its answer.
        if (this.#proof !== proof) return this.#learn();
        this.#limitMs = knowledgeLimitMs(status);
        this.#since ??= status.since;
        this.#release?.();
        this.#release = proof.use(this.#limitMs);
        this.#changed$.next();
      },
      () => {
        // There is no agent now, or it does not know the group yet. What is known may be too slow for its new settings.
        this.#learning = false;
        this.#limitMs = undefined;
        this.#changed$.next();
        clearTimeout(this.#retry);
        if (!this.#closed) this.#retry = setTimeout(() => this.#learn(), RETRY_MS).unref();
      },
    );
  }
}

/**
 * The shortest time in which another host may take over from one that has fallen silent: the master-down time of a
 * host whose advskew is 0 (DESIGN D2).
 */
export const knowledgeLimitMs = (status: Pick<GroupStatus, 'advbase' | 'intervalMs' | 'masterDownMs'>): number => {
  const skewMs = status.intervalMs - status.advbase * 1000;
  return Math.max(LIMIT_MS_MIN, status.advbase === 0 ? 0 : status.masterDownMs - skewMs);
};
