import { type Libc, libc, SystemCallError } from './libc.ts';
import { Linux } from './linux-constants.ts';

const AF_UNIX = 1;
/** sun_path of unix(7), with the zero byte at its end. */
const PATH_BYTES_MAX = 108;

/** One-way datagrams to whoever reads a socket of unix(7). */
export interface NotifySocket {
  /** `sent`; `full`: the reader has to catch up, try again later; `failed`: nobody is there, or it is not allowed. */
  readonly send: (text: string) => 'sent' | 'full' | 'failed';
  readonly close: () => void;
}

/**
 * sockaddr_un of $NOTIFY_SOCKET as sd_notify(3) reads it: a path, or an abstract name behind `@`.
 * `undefined` for what is neither (such as the vsock addresses of virtual machines) or is too long.
 */
export const notifyAddress = (name: string): Uint8Array | undefined => {
  const isAbstract = name.startsWith('@');
  if (!(isAbstract || name.startsWith('/')) || name.length < 2) return undefined;
  const path = Buffer.from(isAbstract ? `\0${name.slice(1)}` : `${name}\0`);
  if (path.length > PATH_BYTES_MAX) return undefined;
  const address = new Uint8Array(2 + path.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(path, 2);
  return address;
};

/**
 * Opens a datagram socket, which loads koffi: Node has none of this kind.
 *
 * @throws CarpError CARP_NO_TRANSPORT without koffi; SystemCallError
 */
export const openNotifySocket = (address: Uint8Array, c: Libc = libc()): NotifySocket => {
  const fd = c.socket(AF_UNIX, Linux.SOCK_DGRAM, 0);
  return {
    send: (text) => {
      try {
        c.sendto(fd, Buffer.from(text), address);
        return 'sent';
      } catch (error) {
        return error instanceof SystemCallError && error.code === 'EAGAIN' ? 'full' : 'failed';
      }
    },
    close: () => c.close(fd),
  };
};
