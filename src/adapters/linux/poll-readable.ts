/**
 * Tells when a file descriptor can be read, from Node's own event loop.
 *
 * koffi.node.poll wraps uv_poll_t, and has rules that its documentation does not tell (koffi 3.3):
 *
 * - its callback gets (status, events), not (events);
 * - an exception in the callback is swallowed, the callback is never called again, and the loop spins;
 * - on Node >= 26.4 promises and nextTicks made in it wait for the next timer;
 * - a status below zero (POLLERR: netlink's ENOBUFS, ENETDOWN of a packet socket) means that libuv has stopped the handle;
 * - methods of a closed handle dereference a null pointer.
 *
 * So the callback sets a flag and calls setImmediate, which comes right after the poll phase, and nothing else.
 */

/** The part of koffi.node.PollHandle that is used. */
interface PollHandle {
  readonly start: (callback: PollCallback) => void;
  readonly close: () => void;
  readonly unref: () => void;
}
type PollCallback = (status: number) => void;
export type Poll = (fd: number, callback: PollCallback) => PollHandle | null;

export interface Watch {
  /** Call it before the descriptor is closed. May be called twice. */
  readonly close: () => void;
}

/** Calls `onReadable`, never re-entrantly, while there is something to read (or an error to fetch) at `fd`. */
export type PollReadable = (fd: number, onReadable: () => void) => Watch;

/** How often descriptors are looked at where koffi cannot poll. */
const FALLBACK_MS = 2;
/** A descriptor with an error rests this long, so that one whose error does not go away cannot spin the loop. */
const RESTART_MS = 2;
/** A working poll reports within microseconds. */
const SELF_TEST_MS = 1000;

/** Handles are kept here: a handle that is only referenced by the native side can be collected. */
const open = new Set<unknown>();

const byInterval: PollReadable = (_fd, onReadable) => {
  const interval = setInterval(onReadable, FALLBACK_MS);
  return { close: () => clearInterval(interval) };
};

const usable = (handle: PollHandle | null, fd: number): PollHandle => {
  if (handle === null) throw new Error(`descriptor ${fd} cannot be polled`);
  return handle;
};

const byPoll =
  (poll: Poll): PollReadable =>
  (fd, onReadable) => {
    let pending = false;
    let stopped = false;
    let closed = false;
    const run = (): void => {
      pending = false;
      if (closed) return;
      try {
        onReadable();
      } finally {
        if (stopped && !closed) setTimeout(restart, RESTART_MS);
        stopped = false;
      }
    };
    const wake: PollCallback = (status) => {
      try {
        if (status < 0) stopped = true;
        if (pending) return;
        pending = true;
        setImmediate(run);
      } catch {
        // Nothing may leave this function, see above; and nothing in it can fail.
      }
    };
    const restart = (): void => {
      if (!closed) handle.start(wake);
    };
    const handle = usable(poll(fd, wake), fd);
    open.add(handle);
    return {
      close: () => {
        if (closed) return;
        closed = true;
        open.delete(handle);
        handle.close();
      },
    };
  };

/**
 * Polls with koffi where that works. It is undocumented, so it is tried on a descriptor that is known to be readable;
 * if nothing is heard of that, everything is looked at every 2 ms instead (0.6 ms of latency, 3 % of a core).
 *
 * @param poll - koffi.node.poll, if there is one
 * @param readable - makes a descriptor that is readable from the start; it is closed by what comes with it
 */
export const pollReadable = (
  poll: Poll | undefined,
  readable: () => { readonly fd: number; readonly close: () => void },
): PollReadable => {
  if (poll === undefined) return byInterval;
  let started = false;
  let works: boolean | undefined;
  const degraded = new Set<() => void>();

  const selfTest = (): void => {
    const probe = readable();
    let watch: Watch | undefined;
    const finish = (result: boolean): void => {
      clearTimeout(timeout);
      watch?.close();
      probe.close();
      works = result;
      if (!result) for (const degrade of degraded) degrade();
      degraded.clear();
    };
    // After a blocked loop the timer is due before the descriptor was even looked at. So it lets the poll phase pass, and
    // then the setImmediate that a report of that phase has asked for.
    const conclude = (): void => {
      if (works === undefined) finish(false);
    };
    const timeout = setTimeout(() => setImmediate(() => setImmediate(conclude)), SELF_TEST_MS);
    timeout.unref();
    try {
      watch = byPoll(poll)(probe.fd, () => works === undefined && finish(true));
    } catch {
      finish(false);
    }
  };

  return (fd, onReadable) => {
    if (!started) {
      started = true;
      selfTest();
    }
    if (works === false) return byInterval(fd, onReadable);
    let watch = byPoll(poll)(fd, onReadable);
    const degrade = (): void => {
      watch.close();
      watch = byInterval(fd, onReadable);
    };
    if (works === undefined) degraded.add(degrade);
    return {
      close: () => {
        degraded.delete(degrade);
        watch.close();
      },
    };
  };
};
