import { concat, from } from 'rxjs';
import type { CarpEvent } from '../engine/status.ts';
import { problemOf } from '../ports/error.ts';
import type { CreatePublisher, Publisher, PublisherOptions } from './publishing.ts';

/** What happens while the library loads, which takes a fraction of a second; the oldest give way. */
export const EVENTS_KEPT_MAX = 1000;

/**
 * A publisher whose library is loaded in the background, so that no host waits for it. What happens meanwhile is kept,
 * and told in order before what follows. A library that does not load is logged: telling others is never worth more
 * than the addresses.
 */
export const lazyPublisher = (load: () => Promise<CreatePublisher>, options: PublisherOptions): Publisher => {
  const { events$, host, log } = options;
  const kept: CarpEvent[] = [];
  let publisher: Publisher | undefined;
  let ended = false;

  const keeping = events$.subscribe((event) => {
    kept.push(event);
    if (kept.length > EVENTS_KEPT_MAX) kept.shift();
  });

  const give = (create: CreatePublisher): void => {
    keeping.unsubscribe();
    if (ended) return;
    const earlier = kept.splice(0);
    publisher = create({ ...options, events$: concat(from(earlier), events$) });
  };
  load()
    .then(give)
    .catch((error: unknown) => {
      keeping.unsubscribe();
      log('error', `mqtt of ${host.node} is off: ${problemOf(error).message}`);
    });

  const end = (): void => {
    ended = true;
    keeping.unsubscribe();
  };
  return {
    status: () => publisher?.status?.(),
    // Before it has loaded there is no connection that could tell anything.
    close: async (how) => {
      end();
      await publisher?.close(how);
    },
    kill: () => {
      end();
      publisher?.kill();
    },
  };
};
