/**
 * One socket of the module raw-socket, with what has been learnt about it (measured with 1.0.0 on Node.js 20 to 26):
 *
 * - The native side holds sockets weakly: one that no JavaScript refers to is collected and closed without a word. All
 *   open ones are kept in a set of this module.
 * - Reads win over writes on a socket: sends on one that is being flooded wait for up to three seconds. Hence one socket
 *   receives and another sends, and `wrap.send`, which calls sendto at once, is used rather than the queue of `send`.
 * - A packet that the event loop brought is a view of a buffer that the next one overwrites; it is copied.
 * - In its events nothing is done but to remember the packet: promises made there wait for the next timer on Node.js 26,
 *   and an exception comes back as the socket's own error.
 * - `wrap.recv` is a recvfrom that does not block. So what has arrived can be read without leaving the present turn of
 *   the event loop, which nothing documented can do.
 * - Errors have a text and nothing else, see `error-codes.ts`.
 */
import { SystemCallError } from '../linux/libc.ts';
import { systemCallError } from './error-codes.ts';
import type { NativeSocket, RawSocketModule } from './load-raw-socket.ts';

/** A packet, and for IPv6, which delivers no header, where it came from. */
export interface Received {
  /** A copy. */
  readonly data: Uint8Array;
  readonly source: string;
}

/** All of it is synchronous and throws SystemCallError, except where it says otherwise. */
export interface RawSocket {
  readonly set: (level: number, option: number, value: number | Uint8Array) => void;
  /** Fills `into`. */
  readonly get: (level: number, option: number, into: Uint8Array) => void;
  /** What arrived first, or `undefined` if there is nothing now. Never blocks. */
  readonly receive: () => Received | undefined;
  /** Packets that came faster than they were asked for. The kernel knows nothing of that. */
  readonly lost: () => number;
  /** Sends a packet with its IP header. */
  readonly send: (packet: Buffer, destination: string) => void;
  /** Never throws. May be called twice. */
  readonly close: () => void;
}

export interface RawSocketOptions {
  readonly family: 4 | 6;
  /** IP protocol. */
  readonly protocol: number;
  /** Called, never re-entrantly, while there is something to `receive`. Without it the socket only sends. */
  readonly onReadable?: () => void;
  /** The event loop cannot look at this socket any more. */
  readonly onBroken?: (error: SystemCallError) => void;
}

/** raw-socket's names of the families. */
const FAMILY = { 4: 1, 6: 2 } as const;
/** An advert is a hundred bytes at most with its header. What is longer than this is none, and is refused or cut off. */
const PACKET_BYTES = 2048;
/** Packets that the event loop may bring before they are asked for: one for each of its looks. More are lost, and counted. */
const WAITING_MAX = 64;
/** Tried again at once when a signal interrupts a call; more often than this it is no signal. */
const EINTR_MAX = 100;

/** See above: whatever is in here is not collected. */
const open = new Set<NativeSocket>();

/** A number as C has an int. */
const bytesOf = (value: number | Uint8Array): Buffer =>
  typeof value === 'number' ? Buffer.from(new Int32Array([value]).buffer) : Buffer.from(value);

/** Runs a call of raw-socket. `undefined` if it would have to wait. */
const attempt = <T>(syscall: string, call: () => T): T | undefined => {
  for (let tries = 1; ; tries++)
    try {
      return call();
    } catch (thrown) {
      const error = systemCallError(syscall, thrown);
      if (error.code === 'EAGAIN') return undefined;
      if (error.code !== 'EINTR' || tries >= EINTR_MAX) throw error;
    }
};

const create = (module: RawSocketModule, { family, protocol }: RawSocketOptions): NativeSocket => {
  try {
    return module.createSocket({ protocol, addressFamily: FAMILY[family] });
  } catch (error) {
    throw systemCallError('socket', error);
  }
};

/** @throws SystemCallError; EPERM when a capability is missing */
export const openRawSocket = (module: RawSocketModule, options: RawSocketOptions): RawSocket => {
  const { onReadable, onBroken } = options;
  const native = create(module, options);
  const buffer = Buffer.alloc(PACKET_BYTES);
  const waiting: Received[] = [];
  let lost = 0;
  let scheduled = false;
  let closed = false;

  const run = (): void => {
    scheduled = false;
    if (!closed) onReadable?.();
  };
  const close = (): void => {
    if (closed) return;
    closed = true;
    open.delete(native);
    native.close();
  };
  open.add(native);
  // The event loop stands between two packets here; whatever comes of them waits until it has looked at everything.
  native.on('message', (packet, source) => {
    if (closed) return;
    if (waiting.length >= WAITING_MAX) {
      lost += 1;
      return;
    }
    waiting.push({ data: Uint8Array.from(packet), source });
    if (scheduled) return;
    scheduled = true;
    setImmediate(run);
  });
  native.on('error', (thrown) => {
    const error = systemCallError('recvfrom', thrown);
    // Somebody has read, in this turn of the loop, what the loop had seen. It looks again.
    if (closed || error.code === 'EAGAIN' || error.code === 'EINTR') return;
    setImmediate(() => {
      if (!closed) onBroken?.(error);
    });
  });
  if (onReadable === undefined) native.pauseRecv();

  return {
    set: (level, option, value) => {
      const bytes = bytesOf(value);
      attempt('setsockopt', () => native.setOption(level, option, bytes, bytes.length));
    },
    get: (level, option, into) => {
      const bytes = Buffer.alloc(into.length);
      attempt('getsockopt', () => native.getOption(level, option, bytes, bytes.length));
      into.set(bytes);
    },
    receive: () => {
      const first = waiting.shift();
      if (first !== undefined) return first;
      let received: Received | undefined;
      attempt('recvfrom', () =>
        native.wrap.recv(buffer, (data, length, source) => {
          received = { data: Uint8Array.from(data.subarray(0, length)), source };
        }),
      );
      return received;
    },
    lost: () => lost,
    send: (packet, destination) => {
      const done = attempt('sendto', () => native.wrap.send(packet, 0, packet.length, destination, () => undefined));
      if (done === undefined) throw new SystemCallError('sendto', 'EAGAIN', 'the send buffer is full');
    },
    close,
  };
};
