import { SystemCallError } from '../linux/libc.ts';

/**
 * raw-socket reports errors by strerror's English text alone. First what glibc says, then musl where it differs; neither
 * translates, because Node.js does not call setlocale.
 */
const CODES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'Address already in use': 'EADDRINUSE',
    'Address family not supported by protocol': 'EAFNOSUPPORT',
    'Address in use': 'EADDRINUSE',
    'Address not available': 'EADDRNOTAVAIL',
    'Bad file descriptor': 'EBADF',
    'Cannot assign requested address': 'EADDRNOTAVAIL',
    'Host is unreachable': 'EHOSTUNREACH',
    'Interrupted system call': 'EINTR',
    'Invalid argument': 'EINVAL',
    'Message too large': 'EMSGSIZE',
    'Message too long': 'EMSGSIZE',
    'Network is down': 'ENETDOWN',
    'Network is unreachable': 'ENETUNREACH',
    'Network unreachable': 'ENETUNREACH',
    'No buffer space available': 'ENOBUFS',
    'No file descriptors available': 'EMFILE',
    'No route to host': 'EHOSTUNREACH',
    'No such device or address': 'ENXIO',
    'No such device': 'ENODEV',
    'Operation not permitted': 'EPERM',
    'Permission denied': 'EACCES',
    'Protocol not available': 'ENOPROTOOPT',
    'Resource temporarily unavailable': 'EAGAIN',
    'Too many open files': 'EMFILE',
  }),
);

/** The code for a text of strerror; 'unknown' if it is none of those that sockets give. */
export const codeOfText = (text: string): string => CODES.get(text) ?? 'unknown';

/** What a call of raw-socket threw, as the error of the system call behind it. */
export const systemCallError = (syscall: string, error: unknown): SystemCallError => {
  const text = error instanceof Error ? error.message : String(error);
  return new SystemCallError(syscall, codeOfText(text), text);
};
