import { Observable } from 'rxjs';

const waiting = new Set<() => void>();
let running = false;

const next = (): void => {
  const [work] = waiting;
  if (work === undefined) {
    running = false;
    return;
  }
  waiting.delete(work);
  // Before the work, which may throw: the others must not wait for ever.
  setImmediate(next);
  work();
};

/**
 * Emits once, when it is one's turn, and completes: one in each turn of the event loop. To start a process holds the
 * loop up for milliseconds; with many groups at once, adverts and received packets come between two starts.
 */
export const turn = (): Observable<void> =>
  new Observable((subscriber) => {
    const work = (): void => {
      subscriber.next();
      subscriber.complete();
    };
    waiting.add(work);
    if (!running) {
      running = true;
      setImmediate(next);
    }
    return () => waiting.delete(work);
  });
