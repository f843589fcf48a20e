import { type SchedulerAction, type SchedulerLike, Subscription } from 'rxjs';

/** Node turns a longer delay into one of 1 ms; longer waits are made of several. */
const TIMEOUT_MS_MAX = 0x7fff_ffff;

/**
 * One piece of scheduled work. `setTimeout` alone may fire early: it drops fractions of a millisecond, and counts from
 * the time at which the event loop woke up. So the due time is looked at again, and the rest is waited for.
 */
class MonotonicAction<T> extends Subscription implements SchedulerAction<T> {
  readonly #work: (this: SchedulerAction<T>, state?: T) => void;
  #timeout: NodeJS.Timeout | undefined;

  constructor(work: (this: SchedulerAction<T>, state?: T) => void) {
    super(() => clearTimeout(this.#timeout));
    this.#work = work;
  }

  schedule(state?: T, delay = 0): Subscription {
    if (!this.closed) this.#wait(performance.now() + delay, state);
    return this;
  }

  #wait(due: number, state: T | undefined): void {
    clearTimeout(this.#timeout);
    const rest = Math.min(TIMEOUT_MS_MAX, Math.ceil(due - performance.now()));
    this.#timeout = setTimeout(() => (performance.now() < due ? this.#wait(due, state) : this.#run(state)), rest);
  }

  #run(state: T | undefined): void {
    try {
      this.#work(state);
    } catch (error) {
      this.unsubscribe();
      throw error;
    }
  }
}

/** Real time. `now()` is monotonic, in milliseconds; work never starts before its delay has passed. */
export const monotonicScheduler: SchedulerLike = {
  now: () => performance.now(),
  schedule: <T>(work: (this: SchedulerAction<T>, state: T) => void, delay = 0, state?: T): Subscription =>
    new MonotonicAction<T>(work as (this: SchedulerAction<T>, state?: T) => void).schedule(state, delay),
};
