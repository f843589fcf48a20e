import { DEFAULT_SOCKET } from '../config/default-socket.ts';
import { CarpError } from '../ports/error.ts';

/** sun_path of unix(7), without the zero byte at its end. A longer path would be cut off in silence. */
export const SOCKET_PATH_BYTES_MAX = 107;

/** @throws CarpError CARP_CONFIG if no Unix socket can have this path */
export const checkSocketPath = (path: string): void => {
  const bytes = Buffer.byteLength(path);
  if (bytes > 0 && bytes <= SOCKET_PATH_BYTES_MAX) return;
  const message =
    bytes === 0
      ? 'the path of the socket is empty'
      : `the path of the socket has ${bytes} bytes, and the system allows ${SOCKET_PATH_BYTES_MAX}: ${path}`;
  throw new CarpError('CARP_CONFIG', message, { remedy: `choose a shorter one, such as ${DEFAULT_SOCKET}` });
};
