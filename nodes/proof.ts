/**
 * How old our knowledge of a group may be. Roles come as news, and no news is what a frozen agent sends, too. And after
 * a stall of this process the messages that waited may be handled before the news that waited.
 *
 * So whoever must not act on an old role asks here: knowledge is as old as the last question that the agent has
 * answered. Answers come after all the news that went before them.
 */
import { uptime } from 'node:os';
import { type Observable, Subject } from 'rxjs';

/** Milliseconds; only differences count. Goes on while this process stands still, and while the machine sleeps. */
export type StallClock = () => { readonly monotonic: number; readonly boot: number };

const systemClock: StallClock = () => ({ monotonic: performance.now(), boot: uptime() * 1000 });

/**
 * An agent that stood still together with us answers before it has looked around. What it found out by the time of the
 * next answer counts: its overdue timers have run by then, and its socket is drained.
 */
const SECOND_LOOK_MS = 50;
/** A question is asked so many times before knowledge gets too old. */
const QUESTIONS = 3;

/** Keeps asking one agent for a sign of life, as long as somebody wants to know. */
export class Proof {
  readonly #ping: () => Promise<void>;
  readonly #clock: StallClock;
  readonly #limits = new Map<object, number>();
  readonly #changed$ = new Subject<void>();
  #provenAt: ReturnType<StallClock> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #asking = false;

  /** @param ping - resolves when the agent has answered */
  constructor(ping: () => Promise<void>, clock: StallClock = systemClock) {
    this.#ping = ping;
    this.#clock = clock;
  }

  /** Hot: there is an answer, or there is none where there should be one. */
  get changed$(): Observable<void> {
    return this.#changed$;
  }

  /** From now on questions are asked often enough for this limit, in ms. Returns the end of that. */
  use(limitMs: number): () => void {
    const user = {};
    this.#limits.set(user, limitMs);
    if (!this.#asking) this.#ask();
    return () => {
      this.#limits.delete(user);
      if (this.#limits.size === 0 && !this.#asking) clearTimeout(this.#timer);
    };
  }

  /** Whether what is known is younger than this, in ms. If it is not, the agent is asked at once. */
  isFresh(limitMs: number): boolean {
    const fresh = this.#age() < limitMs;
    if (!fresh && !this.#asking && this.#limits.size > 0) this.#ask();
    return fresh;
  }

  #age(): number {
    return this.#provenAt === undefined ? Number.POSITIVE_INFINITY : elapsed(this.#provenAt, this.#clock());
  }

  #ask(): void {
    clearTimeout(this.#timer);
    this.#asking = true;
    const askedAt = this.#clock();
    const stale = this.#provenAt !== undefined && elapsed(this.#provenAt, askedAt) > this.#smallestLimit;
    this.#ping().then(
      () => (stale ? this.#lookAgain(askedAt) : this.#proven(askedAt)),
      () => this.#goOn(),
    );
  }

  #lookAgain(firstAt: ReturnType<StallClock>): void {
    this.#timer = setTimeout(() => {
      const askedAt = this.#clock();
      this.#ping().then(
        // If it took that long, there was another stall.
        () => (elapsed(firstAt, askedAt) > this.#smallestLimit ? this.#lookAgain(askedAt) : this.#proven(askedAt)),
        () => this.#goOn(),
      );
    }, SECOND_LOOK_MS).unref();
  }

  #proven(askedAt: ReturnType<StallClock>): void {
    this.#provenAt = askedAt;
    this.#goOn();
  }

  #goOn(): void {
    this.#asking = false;
    if (this.#limits.size > 0) this.#timer = setTimeout(() => this.#ask(), this.#smallestLimit / QUESTIONS).unref();
    this.#changed$.next();
  }

  get #smallestLimit(): number {
    return Math.min(...this.#limits.values(), Number.MAX_SAFE_INTEGER);
  }
}

const elapsed = (since: ReturnType<StallClock>, now: ReturnType<StallClock>): number =>
  Math.max(now.monotonic - since.monotonic, now.boot - since.boot);
