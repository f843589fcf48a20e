/**
 * System calls through koffi, a foreign function interface with prebuilt binaries.
 *
 * Koffi is an optional dependency and is loaded by the first call of `libc()`, which only the agent makes: no native
 * module may be reachable from the Node-RED process. Structures are laid out here by hand for 64-bit little-endian
 * Linux (glibc and musl); elsewhere, and on 32-bit ARM above all, `msghdr` and `cmsghdr` look different, and `libc()`
 * refuses rather than to read memory at random.
 */
import type * as Koffi from 'koffi';
import { type Control, memory, readControl, writeControl } from './control-messages.ts';
import { Linux } from './linux-constants.ts';
import { loadKoffi, refusePlatform, requireKoffi } from './load-koffi.ts';
import { noPermission } from './no-permission.ts';
import { type Poll, type PollReadable, pollReadable } from './poll-readable.ts';

/** A system call failed. */
export class SystemCallError extends Error {
  /** Such as 'ENODEV'. */
  readonly code: string;
  readonly syscall: string;

  constructor(syscall: string, code: string, text: string) {
    super(`${syscall}: ${code} (${text})`);
    this.name = 'SystemCallError';
    this.code = code;
    this.syscall = syscall;
  }
}

/** What recvmsg gave. The arrays are views of the receiver's own buffers: valid until it receives again. */
export interface Message {
  /** sockaddr of the sender. */
  readonly name: Uint8Array;
  readonly data: Uint8Array;
  readonly control: readonly Control[];
  /** MSG_TRUNC and the like. */
  readonly flags: number;
}

/** All of it is synchronous and throws SystemCallError, except where it says otherwise. */
export interface Libc {
  /** Always close-on-exec and non-blocking. @throws CarpError CARP_NO_PERMISSION for EPERM */
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Uint8Array) => void;
  /** The sockaddr that the kernel gave this socket. */
  readonly getsockname: (fd: number) => Uint8Array;
  /** Never throws. */
  readonly close: (fd: number) => void;
  /** A number is passed as an int. */
  readonly setsockopt: (fd: number, level: number, option: number, value: number | Uint8Array) => void;
  /** SO_ATTACH_FILTER with a program of 8-byte `sock_filter` instructions. */
  readonly attachFilter: (fd: number, program: Uint8Array) => void;
  /** Fills `into` and returns how much of it the kernel filled. */
  readonly getsockopt: (fd: number, level: number, option: number, into: Uint8Array) => number;
  readonly sendto: (fd: number, data: Uint8Array, address?: Uint8Array) => void;
  /** sendto with ancillary data. */
  readonly sendmsg: (
    fd: number,
    message: { address: Uint8Array; data: Uint8Array; control: readonly Control[] },
  ) => void;
  /** The number of bytes; `undefined` if there is nothing to read now. Never blocks. */
  readonly recv: (fd: number, into: Uint8Array, flags?: number) => number | undefined;
  /** recvmsg with buffers that are made once. `undefined` if there is nothing to read now. Never blocks. */
  readonly receiver: (bytes: { data: number; control: number }) => (fd: number, flags?: number) => Message | undefined;
  /** 0 if there is no such interface. */
  readonly ifIndex: (name: string) => number;
  /** ioctl with a structure, which the kernel may change. */
  readonly ioctl: (fd: number, request: number, argument: Uint8Array) => void;
  /** Calls back from the event loop while there is something to read (or an error to fetch). */
  readonly pollReadable: PollReadable;
}

/** Tried again at once when a signal interrupts a call; more often than this it is no signal. */
const EINTR_MAX = 100;

/** Aliases of one number: the name that strerror and manual pages prefer. */
const PREFERRED: readonly string[] = ['EAGAIN', 'EOPNOTSUPP', 'EDEADLK'];

const errnoNames = (errno: Readonly<Record<string, number>>): ReadonlyMap<number, string> => {
  const names = new Map(Object.entries(errno).map(([name, number]) => [number, name]));
  for (const name of PREFERRED) if (errno[name] !== undefined) names.set(errno[name], name);
  return names;
};

/**
 * Binds the system calls. `libc` is what programs call; this is for those who bring their own koffi.
 *
 * @throws CarpError CARP_NO_TRANSPORT, with the command that helps
 */
export const bindLibc = (
  load: () => typeof Koffi = requireKoffi,
  { platform, arch }: { readonly platform: string; readonly arch: string } = process,
): Libc => {
  refusePlatform(platform, arch);
  const { koffi, lib } = loadKoffi(load);
  const c = {
    socket: lib.func('int socket(int domain, int type, int protocol)'),
    bind: lib.func('int bind(int fd, const void *address, uint32_t length)'),
    getsockname: lib.func('int getsockname(int fd, void *address, void *length)'),
    close: lib.func('int close(int fd)'),
    setsockopt: lib.func('int setsockopt(int fd, int level, int option, const void *value, uint32_t length)'),
    getsockopt: lib.func('int getsockopt(int fd, int level, int option, void *value, void *length)'),
    sendto: lib.func(
      'intptr_t sendto(int fd, const void *data, size_t size, int flags, const void *address, uint32_t length)',
    ),
    sendmsg: lib.func('intptr_t sendmsg(int fd, const void *header, int flags)'),
    recv: lib.func('intptr_t recv(int fd, void *data, size_t size, int flags)'),
    recvmsg: lib.func('intptr_t recvmsg(int fd, void *header, int flags)'),
    if_nametoindex: lib.func('uint32_t if_nametoindex(const char *name)'),
    ioctl: lib.func('int ioctl(int fd, unsigned long request, void *argument)'),
    strerror: lib.func('const char *strerror(int error)'),
    eventfd: lib.func('int eventfd(uint32_t value, int flags)'),
  };
  const names = errnoNames(koffi.os.errno);

  /** Runs a call; errno is read before anything else can change it. `undefined` if the call would block. */
  const tryCall = (name: keyof typeof c, parameters: readonly unknown[]): number | undefined => {
    for (let attempt = 1; ; attempt++) {
      const result: number = c[name](...parameters);
      if (result >= 0) return result;
      const errno = koffi.errno();
      const code = names.get(errno) ?? `errno ${errno}`;
      if (code === 'EAGAIN') return undefined;
      if (code !== 'EINTR' || attempt >= EINTR_MAX) throw new SystemCallError(name, code, c.strerror(errno));
    }
  };
  const call = (name: keyof typeof c, ...parameters: readonly unknown[]): number => {
    const result = tryCall(name, parameters);
    if (result === undefined) throw new SystemCallError(name, 'EAGAIN', 'try again');
    return result;
  };
  /** What a structure points at: held until the call is over, because the collector does not see the pointers. */
  let held: unknown;
  /** The address is good for as long as somebody holds the array. */
  const address = (array: Uint8Array): bigint => koffi.address(array);

  /** struct msghdr and struct iovec behind it. */
  const messageHeader = (parts: { name: Uint8Array; data: Uint8Array; control: Uint8Array }): DataView => {
    const header = new DataView(new ArrayBuffer(56 + 16));
    const bytes = new Uint8Array(header.buffer);
    header.setBigUint64(0, address(parts.name), true);
    header.setUint32(8, parts.name.length, true);
    header.setBigUint64(16, address(bytes) + 56n, true);
    header.setBigUint64(24, 1n, true);
    header.setBigUint64(32, parts.control.length === 0 ? 0n : address(parts.control), true);
    header.setBigUint64(40, BigInt(parts.control.length), true);
    header.setBigUint64(56, address(parts.data), true);
    header.setBigUint64(64, BigInt(parts.data.length), true);
    return header;
  };

  const receiver: Libc['receiver'] = (sizes) => {
    const name = memory(128);
    const data = memory(sizes.data);
    const control = memory(sizes.control);
    const controlView = new DataView(control.buffer);
    const header = messageHeader({ name, data, control });
    const headerBytes = new Uint8Array(header.buffer);
    return (fd, flags = 0) => {
      header.setUint32(8, name.length, true);
      header.setBigUint64(40, BigInt(control.length), true);
      const length = tryCall('recvmsg', [fd, headerBytes, Linux.MSG_DONTWAIT | flags]);
      if (length === undefined) return undefined;
      return {
        name: name.subarray(0, header.getUint32(8, true)),
        data: data.subarray(0, Math.min(length, data.length)),
        control: readControl(controlView, Number(header.getBigUint64(40, true))),
        flags: header.getInt32(48, true),
      };
    };
  };

  const wakeable = (): { fd: number; close: () => void } => {
    const fd = call('eventfd', 1, Linux.SOCK_CLOEXEC);
    return { fd, close: () => c.close(fd) };
  };
  // The type declarations give the callback one parameter; what comes is (status, events).
  const poll = koffi.node?.poll as unknown as Poll | undefined;

  return {
    socket: (domain, type, protocol) => {
      try {
        return call('socket', domain, type | Linux.SOCK_NONBLOCK | Linux.SOCK_CLOEXEC, protocol);
      } catch (error) {
        if (error instanceof SystemCallError && error.code === 'EPERM')
          throw noPermission('opening a raw socket', error);
        throw error;
      }
    },
    bind: (fd, to) => void call('bind', fd, to, to.length),
    getsockname: (fd) => {
      const name = memory(128);
      const length = new Uint32Array([name.length]);
      call('getsockname', fd, name, length);
      return name.subarray(0, length[0]);
    },
    close: (fd) => void c.close(fd),
    setsockopt: (fd, level, option, value) => {
      const bytes = typeof value === 'number' ? new Uint8Array(new Int32Array([value]).buffer) : value;
      call('setsockopt', fd, level, option, bytes, bytes.length);
    },
    attachFilter: (fd, program) => {
      const filter = new DataView(new ArrayBuffer(16));
      held = program;
      filter.setUint16(0, program.length / 8, true);
      filter.setBigUint64(8, address(program), true);
      call('setsockopt', fd, Linux.SOL_SOCKET, Linux.SO_ATTACH_FILTER, new Uint8Array(filter.buffer), 16);
      if (held === program) held = undefined;
    },
    getsockopt: (fd, level, option, into) => {
      const length = new Uint32Array([into.length]);
      call('getsockopt', fd, level, option, into, length);
      return length[0] ?? 0;
    },
    sendto: (fd, data, to) => void call('sendto', fd, data, data.length, 0, to ?? null, to?.length ?? 0),
    sendmsg: (fd, { address: name, data, control }) => {
      const parts = { name, data, control: writeControl(control) };
      held = parts;
      call('sendmsg', fd, new Uint8Array(messageHeader(parts).buffer), 0);
      if (held === parts) held = undefined;
    },
    recv: (fd, into, flags = 0) => tryCall('recv', [fd, into, into.length, Linux.MSG_DONTWAIT | flags]),
    receiver,
    ifIndex: (name) => c.if_nametoindex(name),
    ioctl: (fd, request, argument) => void call('ioctl', fd, request, argument),
    pollReadable: pollReadable(poll, wakeable),
  };
};

let bound: Libc | undefined;

/** The system calls of this process. Koffi is loaded by the first call. @throws CarpError CARP_NO_TRANSPORT */
export const libc = (): Libc => {
  bound ??= bindLibc();
  return bound;
};
