import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { CarpError } from '../../ports/error.ts';

/** What of a socket of raw-socket 1.0 (and of the original, 1.8) is used. */
export interface NativeSocket {
  /** A packet that was read because the event loop saw it: a view of a buffer that the next one overwrites. */
  on(event: 'message', listener: (packet: Buffer, source: string) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  readonly pauseRecv: () => unknown;
  readonly close: () => unknown;
  /** setsockopt with memory as it is. @throws Error with the text of strerror */
  readonly setOption: (level: number, option: number, value: Buffer, length: number) => void;
  /** getsockopt; returns the length that was filled. @throws as `setOption` */
  readonly getOption: (level: number, option: number, into: Buffer, length: number) => number;
  /** The native half. Its calls are synchronous, call back before they return, and never block. */
  readonly wrap: {
    /** recvfrom. @throws as `setOption`; "Resource temporarily unavailable" when there is nothing to read */
    readonly recv: (into: Buffer, received: (into: Buffer, length: number, source: string) => void) => unknown;
    /** sendto. @throws as `setOption` */
    readonly send: (data: Buffer, offset: number, length: number, to: string, sent: () => void) => unknown;
  };
}

export interface RawSocketModule {
  readonly createSocket: (options: { readonly protocol: number; readonly addressFamily: 1 | 2 }) => NativeSocket;
}

/** As in package.json. The original of that name does not build on Node.js 24 and newer. */
const RAW_SOCKET = 'raw-socket@npm:@justjam2013/raw-socket@^1.0.0';
const TOOLS = 'a C++ compiler, make and Python 3 (Debian: apt-get install g++ make python3)';
/**
 * npm 12 runs no installation scripts before they are approved, and this module is built by one. It knows the script by
 * the name of the package behind the alias, and the folder to build in by the alias. npm 10 approves nothing.
 */
const BUILD = 'npm install-scripts approve @justjam2013/raw-socket && npm rebuild raw-socket';
const BUILD_EVERYWHERE = `with ${TOOLS}, in the folder that @carp-ha/node-red-carp was installed from (of Node-RED: ~/.node-red): ${BUILD} (npm 10: npm rebuild raw-socket); if it was installed with -g: npm install -g --allow-scripts=@justjam2013/raw-socket @carp-ha/node-red-carp`;

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);
const firstLine = (error: unknown): string =>
  error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error);

/** Why it does not load, and the commands that help. */
const loadError = (cause: unknown): CarpError => {
  const absent = (what: string, remedy: string): CarpError =>
    new CarpError('CARP_NO_TRANSPORT', what, { remedy, cause });
  if (codeOf(cause) === 'MODULE_NOT_FOUND')
    return /'raw-socket'/.test(firstLine(cause))
      ? absent(
          'the module raw-socket is not installed',
          `with ${TOOLS}: npm install ${RAW_SOCKET}; npm 12 then needs: ${BUILD}`,
        )
      : absent('the module raw-socket is installed, but was not built', BUILD_EVERYWHERE);
  if (codeOf(cause) === 'ERR_DLOPEN_FAILED')
    return absent(
      `the module raw-socket was not built for this Node.js, ${process.version} on ${process.arch}`,
      BUILD_EVERYWHERE,
    );
  return absent(`the module raw-socket does not load: ${firstLine(cause)}`, BUILD_EVERYWHERE);
};

/** Not an import: that would fail, or at best wait, where raw-socket is missing. */
const requireRawSocket = (): RawSocketModule => createRequire(import.meta.url)('raw-socket');

/**
 * Loads raw-socket. In a worker thread it would end the whole process: it polls on the main thread's loop.
 *
 * @throws CarpError CARP_NO_TRANSPORT, with the commands that install or build it
 */
export const loadRawSocket = (load: () => RawSocketModule = requireRawSocket): RawSocketModule => {
  if (!isMainThread)
    throw new CarpError('CARP_NO_TRANSPORT', 'the module raw-socket cannot be used in a worker thread', {
      remedy: 'run the agent in a process of its own',
    });
  try {
    return load();
  } catch (error) {
    throw loadError(error);
  }
};
