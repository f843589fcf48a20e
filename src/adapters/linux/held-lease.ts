import { type Observable, Subject } from 'rxjs';
import type { LeaseEvent, LeaseRequest } from '../../ports/addresses.ts';
import { addAddress, type Place, type RouteRequest } from './rtnetlink.ts';

/** An address of a lease that is held. */
export interface HeldAddress extends Place {
  /** When somebody removed it, on the monotonic clock: the latest few. */
  removedAt: readonly number[];
  /** The same each time, so it is encoded once. */
  readonly renewal: RouteRequest;
}

/** The two clocks by which a lease is judged, in ms: neither may say that it is too late. */
export interface Instant {
  readonly monotonic: number;
  /** CLOCK_BOOTTIME: the monotonic clock stands still while the machine sleeps, and the peers do not. */
  readonly boot: number;
}

/**
 * A lease must be renewed this long before the kernel may drop the address. It covers the way from looking at the clock
 * to the kernel's doing, and the 10 ms steps of the boot clock.
 */
const FENCE_MARGIN_MS = 100;

/** Addresses that this process holds, and how fresh they are. */
export class HeldLease {
  readonly request: LeaseRequest;
  readonly addresses: readonly HeldAddress[];
  /** A restored address is logged once: it may be taken away again and again. */
  restoredBefore = false;
  /** When the next renewal is due, on the monotonic clock. */
  dueAt: number;
  #renewed: Instant;
  readonly #events = new Subject<LeaseEvent>();

  constructor(request: LeaseRequest, places: readonly Place[], renewed: Instant) {
    this.request = request;
    this.addresses = places.map((place) => ({
      ...place,
      removedAt: [],
      renewal: addAddress(place, request.seconds, 'replace'),
    }));
    this.#renewed = renewed;
    this.dueAt = renewed.monotonic + this.periodMs;
  }

  get events$(): Observable<LeaseEvent> {
    return this.#events.asObservable();
  }

  /** From one renewal to the next, ms: two may fail before the lease is in danger. */
  get periodMs(): number {
    return this.request.seconds * 250;
  }

  /** ms since the last renewal, by the clock on which more has passed. */
  ageMs(now: Instant): number {
    return Math.max(now.monotonic - this.#renewed.monotonic, now.boot - this.#renewed.boot);
  }

  /** Whether the addresses are certainly still ours. Once they are not, they must not be renewed: a peer may have them. */
  isFresh(now: Instant): boolean {
    return this.ageMs(now) < this.request.seconds * 1000 - FENCE_MARGIN_MS;
  }

  /** @param at - when the renewal was begun, so that the kernel's lease is never shorter than ours */
  renewed(at: Instant): void {
    this.#renewed = at;
  }

  /**
   * Renewals keep to absolute times, and those that were missed are left out.
   *
   * @param tick - when the renewal that includes this lease was due: leases that were renewed together stay together
   */
  schedule(tick: number, now: number): void {
    this.dueAt = tick + this.periodMs;
    if (this.dueAt <= now) this.dueAt = now + this.periodMs;
  }

  /** The last word: nothing follows it. */
  end(event?: LeaseEvent): void {
    if (event !== undefined) this.#events.next(event);
    this.#events.complete();
  }

  tell(event: LeaseEvent): void {
    this.#events.next(event);
  }
}
