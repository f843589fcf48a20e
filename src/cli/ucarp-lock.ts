/**
 * One `carp ucarp` for each virtual host of an interface, and what a second one is told.
 *
 * The lock is an abstract Unix socket, which the kernel takes back when the process dies; it lives in the network
 * namespace, as interfaces do. It is held until the last script has ended, and so for longer than the lock of the agent.
 *
 * Names of abstract sockets have no owner: any local user may take one first, and answer what he likes. That he keeps us
 * from starting cannot be helped; but nobody is told to kill a process, or that all is well, because of what he says. The
 * kernel knows who listens (SO_PEERCRED): root or the user of this process is believed, as far as it speaks of itself.
 */
import { createConnection, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CarpError } from '../ports/error.ts';
import { isTrusted, peerOf } from './ucarp-peer.ts';

/** Longer than a farewell and most scripts. */
const PREDECESSOR_MS_MAX = 10_000;
const RETRY_MS = 50;
const ANSWER_MS_MAX = 1000;
const ANSWER_BYTES_MAX = 64 * 1024;

export interface Holder {
  readonly pid: number;
  readonly state: 'running' | 'ending';
  /** What it runs, without its password: the same for the same options. */
  readonly what: string;
}

/** Somebody who has the lock and is not known to be one of us. */
interface Stranger {
  readonly state: 'unknown';
}

export interface UcarpLock {
  /** From now on others wait, instead of giving up. */
  readonly ending: () => void;
  readonly release: () => void;
}

export interface LockOptions {
  readonly interface: string;
  readonly vhid: number;
  readonly what: string;
  /** Resolves when nobody wants the lock any more. */
  readonly cancelled: Promise<unknown>;
}

/**
 * Takes the lock, and waits for one that is about to end.
 * @returns the lock; who has it, and goes on; or `undefined` if cancelled. @throws (rejects) CarpError CARP_DUPLICATE, CARP_FAILED
 */
export const lockUcarp = async (options: LockOptions): Promise<UcarpLock | Holder | undefined> => {
  const { interface: device, vhid, what, cancelled } = options;
  const name = `\0carp/ucarp/${device}/${vhid}`;
  let state: Holder['state'] = 'running';
  const isCancelled = cancelled.then(() => true);
  for (const end = performance.now() + PREDECESSOR_MS_MAX; ; ) {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(JSON.stringify({ pid: process.pid, state, what } satisfies Holder));
    });
    if (await isBound(server, name))
      return {
        ending: () => {
          state = 'ending';
        },
        release: () => void server.close(),
      };
    const holder = await ask(name);
    if (holder?.state === 'running') return holder;
    if (holder?.state === 'unknown') throw taken(options);
    if (performance.now() > end)
      throw holder === undefined
        ? taken(options)
        : new CarpError('CARP_DUPLICATE', `another carp ucarp for vhid ${vhid} on ${device} does not end`, {
            remedy: `look at what its down script does: pgrep -a ucarp; kill -KILL ${holder.pid} ends it and leaves the address`,
          });
    if (await Promise.race([isCancelled, sleep(RETRY_MS, false)])) return undefined;
  }
};

const taken = ({ interface: device, vhid }: LockOptions): CarpError =>
  new CarpError(
    'CARP_DUPLICATE',
    `a process has the lock for vhid ${vhid} on ${device}, and cannot be seen to be ours`,
    {
      remedy: `as root, look which one it is, and end it if it is no carp: ss -xlp | grep -w carp/ucarp/${device}/${vhid}`,
    },
  );

/** Whether it listens now. @throws (rejects) CarpError CARP_FAILED for other reasons than that somebody else does */
const isBound = (server: Server, name: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    server.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (code === 'EADDRINUSE') resolve(false);
      else reject(new CarpError('CARP_FAILED', `cannot take the lock of this virtual host: ${message}`));
    });
    server.listen(name, () => {
      // The lock alone keeps no process alive.
      server.unref();
      resolve(true);
    });
  });

/** `undefined`: it has gone, or does not say. */
const ask = (name: string): Promise<Holder | Stranger | undefined> =>
  new Promise((resolve) => {
    let text = '';
    let peer: ReturnType<typeof peerOf>;
    const socket = createConnection(name, () => {
      peer = peerOf(socket);
    });
    const finish = (): void => {
      clearTimeout(limit);
      socket.destroy();
      const holder = holderFrom(text);
      resolve(holder === undefined || isTrusted(peer, holder.pid) ? holder : { state: 'unknown' });
    };
    const limit = setTimeout(finish, ANSWER_MS_MAX);
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.length > ANSWER_BYTES_MAX) finish();
    });
    socket.once('end', finish);
    socket.once('error', finish);
  });

const holderFrom = (text: string): Holder | undefined => {
  try {
    const { pid, state, what } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (typeof pid !== 'number' || typeof what !== 'string') return undefined;
    return state === 'running' || state === 'ending' ? { pid, state, what } : undefined;
  } catch {
    return undefined;
  }
};
