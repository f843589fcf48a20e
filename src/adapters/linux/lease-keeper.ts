/**
 * Keeps leases: renews them, puts back what somebody removed, and gives up what cannot be held.
 *
 * Linux would bring back an expired address with a renewal that comes late, whatever the flags of the request, and the
 * peer may have it by then: so each renewal first looks at the clock, and a lease that is not certainly ours any more is
 * given up ("fencing"). A lease that is in `#leases` is held completely; one that is not is over, and has had its last
 * event.
 */
import { EMPTY, type SchedulerLike, Subject, type Subscription, switchMap, timer } from 'rxjs';
import type { LeaseEvent } from '../../ports/addresses.ts';
import type { Log } from '../../ports/log.ts';
import { formatCidr } from '../../protocol/address.ts';
import { entryAt, removeLeased, samePlace } from './address-removal.ts';
import type { HeldAddress, HeldLease, Instant } from './held-lease.ts';
import type { Kernel, KernelEvent } from './kernel.ts';
import type { LeaseRecord } from './lease-record.ts';
import { outcomeText } from './route-socket.ts';
import { addAddress, Errno, type Outcome, type Place } from './rtnetlink.ts';

export interface LeaseKeeperOptions {
  readonly kernel: Kernel;
  readonly record: LeaseRecord;
  readonly scheduler: SchedulerLike;
  readonly log: Log;
  readonly now: () => Instant;
}

/** The kernel was short of memory: the next renewal may succeed. */
const PASSING: readonly number[] = [Errno.ENOMEM, Errno.ENOBUFS];

/** An address that is removed more often than this within this time is not put back any more. */
const REMOVALS_MAX = 5;
const REMOVALS_MS = 10_000;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #leases = new Set<HeldLease>();
  /** The next renewal is to be planned anew. */
  readonly #replan$ = new Subject<void>();
  /** Renewing and watching, for as long as something is held. */
  #working: Subscription | undefined;
  #renewalFails = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  get leases(): Iterable<HeldLease> {
    return this.#leases;
  }

  holderOf(place: Place): HeldLease | undefined {
    return [...this.#leases].find(({ addresses }) => addresses.some((each) => samePlace(each, place)));
  }

  /** Call it before the addresses are added, so that no removal goes unseen. */
  keep(lease: HeldLease): void {
    this.#leases.add(lease);
    this.#work();
    this.#replan$.next();
  }

  /** Forgets a lease whose addresses could not be added. */
  forget(lease: HeldLease): void {
    this.#leases.delete(lease);
    if (this.#leases.size > 0) {
      this.#replan$.next();
      return;
    }
    this.#working?.unsubscribe();
    this.#working = undefined;
  }

  /** Ends a lease and removes its addresses. Never throws; nothing happens to one that is over. */
  end(lease: HeldLease, event?: LeaseEvent): void {
    if (!this.#leases.has(lease)) return;
    const { kernel, log, record } = this.#options;
    this.forget(lease);
    removeLeased(kernel, log, lease.addresses, lease.request.seconds);
    record.remove(lease.request.interface, lease.addresses);
    lease.end(event);
  }

  #work(): void {
    if (this.#working !== undefined) return;
    const { kernel, scheduler } = this.#options;
    const working = kernel.events$.subscribe((event) => this.#noticed(event));
    const due$ = this.#replan$.pipe(
      switchMap(() => {
        if (this.#leases.size === 0) return EMPTY;
        const next = Math.min(...[...this.#leases].map(({ dueAt }) => dueAt));
        return timer(Math.max(0, next - scheduler.now()), scheduler);
      }),
    );
    working.add(
      due$.subscribe(() => {
        this.#renewDue();
        this.#replan$.next();
      }),
    );
    this.#working = working;
  }

  /** Renews what is due, and what is soon due with it, in one go. */
  #renewDue(): void {
    const now = this.#options.now();
    const due = [...this.#leases].filter(({ dueAt, periodMs }) => dueAt <= now.monotonic + periodMs / 2);
    for (const lease of due) if (!lease.isFresh(now)) this.#lapse(lease, now);
    // Whoever hears of a lapse may release other leases at once: those must not be brought back.
    const fresh = due.filter((lease) => this.#leases.has(lease));
    const tick = Math.min(...due.map(({ dueAt }) => dueAt));
    for (const lease of fresh) lease.schedule(tick, now.monotonic);
    const failures = this.#renew(fresh);
    if (failures === undefined) return;

    const after = this.#options.now();
    for (const lease of fresh) {
      const failure = failures.get(lease);
      // This process may have been stopped between its look at the clock and the kernel's doing.
      if (!lease.isFresh(after)) this.#lapse(lease, after);
      else if (failure === undefined) lease.renewed(now);
      else if (!PASSING.includes(failure.outcome.errno))
        this.#lose(lease, failure.address, `it could not be renewed: ${outcomeText(failure.outcome)}`);
    }
    this.#options.record.extend();
  }

  /** The first failure of each lease that had one; `undefined` if nothing is known. */
  #renew(leases: readonly HeldLease[]): ReadonlyMap<HeldLease, { address: HeldAddress; outcome: Outcome }> | undefined {
    const { kernel, log } = this.#options;
    const failures = new Map<HeldLease, { address: HeldAddress; outcome: Outcome }>();
    const renewals = leases.flatMap((lease) => lease.addresses.map((address) => ({ lease, address })));
    if (renewals.length === 0) return failures;
    try {
      const outcomes = kernel.transact(renewals.map(({ address }) => address.renewal));
      for (const [i, outcome] of outcomes.entries()) {
        const { lease, address } = renewals[i] ?? {};
        if (outcome.errno !== 0 && lease !== undefined && address !== undefined && !failures.has(lease))
          failures.set(lease, { address, outcome });
      }
      this.#renewalFails = false;
      return failures;
    } catch (error) {
      // The next one may succeed; if none does, the leases lapse.
      if (!this.#renewalFails) log('warn', `addresses could not be renewed: ${messageOf(error)}`);
      this.#renewalFails = true;
      return undefined;
    }
  }

  #lapse(lease: HeldLease, now: Instant): void {
    this.end(lease, { type: 'lapsed', lateMs: Math.round(lease.ageMs(now) - lease.periodMs) });
  }

  #lose(lease: HeldLease, { address, prefix }: HeldAddress, message: string): void {
    this.end(lease, { type: 'lost', address: { address, prefix }, message });
  }

  #noticed(event: KernelEvent): void {
    if (event.type === 'overrun') this.#lookAgain();
    else if (event.type === 'addressGone') this.#withHeld(event.entry, (lease, address) => this.#gone(lease, address));
    else if (event.type === 'address' && event.entry.validSeconds === undefined)
      this.#withHeld(event.entry, (lease, address) => this.#seized(lease, address));
  }

  #withHeld(place: Place, then: (lease: HeldLease, address: HeldAddress) => void): void {
    const lease = this.holderOf(place);
    const address = lease?.addresses.find((each) => samePlace(each, place));
    if (lease !== undefined && address !== undefined) then(lease, address);
  }

  /**
   * Messages were lost: what they may have said is read from the network. A lease that has run out in the meantime has
   * lapsed, whatever became of its addresses afterwards.
   */
  #lookAgain(): void {
    const network = this.#options.kernel.read();
    for (const lease of [...this.#leases])
      for (const address of lease.addresses) {
        if (!this.#leases.has(lease)) break;
        const now = this.#options.now();
        if (!lease.isFresh(now)) {
          this.#lapse(lease, now);
          break;
        }
        const entry = entryAt(network, address);
        if (entry === undefined) this.#gone(lease, address);
        else if (entry.validSeconds === undefined) this.#seized(lease, address);
      }
  }

  /** Somebody has made our address a permanent one: it is his now, and stays. */
  #seized(lease: HeldLease, address: HeldAddress): void {
    const remedy = `ip addr del ${formatCidr(address)} dev ${lease.request.interface}`;
    this.#lose(lease, address, `somebody made it permanent; to share it again: ${remedy}`);
  }

  /**
   * An address of ours was removed: by the kernel if we are late, else by somebody, or by ourselves when it was released
   * and taken again at once. In the last case it is there, and adding it exclusively fails.
   */
  #gone(lease: HeldLease, address: HeldAddress): void {
    const now = this.#options.now();
    if (!lease.isFresh(now)) {
      this.#lapse(lease, now);
      return;
    }
    const outcome = this.#putBack(lease, address);
    if (outcome.errno === Errno.EEXIST) return;
    address.removedAt = [...address.removedAt.filter((at) => at > now.monotonic - REMOVALS_MS), now.monotonic];
    const problem = this.#problemWith(address, outcome);
    if (problem === undefined) this.#restored(lease, address);
    else this.#lose(lease, address, problem);
  }

  #problemWith({ removedAt }: HeldAddress, outcome: Outcome): string | undefined {
    if (outcome.errno === Errno.ENODEV) return 'its interface has gone';
    if (outcome.errno !== 0) return `somebody removed it, and it could not be put back: ${outcomeText(outcome)}`;
    if (removedAt.length > REMOVALS_MAX)
      return `somebody removed it ${removedAt.length} times in ${REMOVALS_MS / 1000} s: find out who (ip monitor address)`;
    return undefined;
  }

  #restored(lease: HeldLease, address: HeldAddress): void {
    const { log } = this.#options;
    if (!lease.restoredBefore)
      log('warn', `somebody removed ${formatCidr(address)} from ${lease.request.interface}; it was put back`);
    lease.restoredBefore = true;
    lease.tell({ type: 'restored', address: { address: address.address, prefix: address.prefix } });
  }

  #putBack(lease: HeldLease, address: HeldAddress): Outcome {
    try {
      const [outcome] = this.#options.kernel.transact([addAddress(address, lease.request.seconds, 'exclusive')]);
      return outcome ?? { errno: 0 };
    } catch (error) {
      return { errno: Errno.ENOBUFS, text: messageOf(error) };
    }
  }
}
