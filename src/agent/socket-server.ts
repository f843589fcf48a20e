import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { CarpError } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import type { Agent } from './agent.ts';
import { lineConnection } from './line-connection.ts';
import { FAILURE_CODE, MESSAGE_BYTES_MAX } from './rpc.ts';
import { serve } from './serve.ts';
import { checkSocketPath } from './socket-path.ts';

/** More clients than anybody needs, and few enough that their buffers do no harm. */
export const CONNECTIONS_MAX = 64;

/**
 * Owner and group may connect: whoever can, can hand over. To let others in, run the agent with that group
 * (`Group=` of systemd), or change the group of the folder and set its set-group-ID bit, which the socket inherits.
 */
const SOCKET_MODE = 0o660;
const FOLDER_MODE = 0o755;

export interface SocketServer {
  readonly path: string;
  /** Ends all connections and removes the socket. */
  readonly close: () => Promise<void>;
}

export interface SocketServerOptions {
  readonly path: string;
  readonly agent: Agent;
  readonly log: Log;
}

/**
 * Lets others ask the agent, over a Unix socket. Its folder is made if it is missing, and its parent is there.
 * @throws (rejects) CarpError CARP_DUPLICATE: an agent listens there; CARP_CONFIG: no path for a socket, or something else is there;
 *   CARP_NO_PERMISSION; CARP_FAILED
 */
export const listenOnSocket = async ({ path, agent, log }: SocketServerOptions): Promise<SocketServer> => {
  checkSocketPath(path);
  try {
    makeFolder(dirname(path));
    await makeWay(path);
  } catch (error) {
    throw asCarpError(path, error);
  }

  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    if (sockets.size >= CONNECTIONS_MAX) return refuse(socket);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const onRefused = (why: string): void => log('warn', `a client of ${path} was disconnected: ${why}`);
    const connection = lineConnection(socket, { bytesMax: MESSAGE_BYTES_MAX, onRefused });
    connection.onClose(() => connection.dispose());
    serve(connection, { agent, caller: 'guest' });
  });
  await bound(server, path);

  return {
    path,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) endSoon(socket);
      }),
  };
};

/** What was answered last is still sent; a client that does not read is not waited for. */
const endSoon = (socket: Socket): void => {
  socket.end(() => socket.destroy());
  setTimeout(() => socket.destroy(), 200).unref();
};

const refuse = (socket: Socket): void => {
  socket.on('error', () => undefined);
  const error = { code: FAILURE_CODE, message: `the agent has ${CONNECTIONS_MAX} connections already` };
  socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: null, error })}\n`);
  endSoon(socket);
};

/** One level, as in /run/carp. Not `recursive`: Node 20 then tries for ever where the system says ENOENT (in /proc). */
const makeFolder = (folder: string): void => {
  try {
    mkdirSync(folder, { mode: FOLDER_MODE });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
};

/** Removes the socket of an agent that has gone. */
const makeWay = async (path: string): Promise<void> => {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket())
    throw new CarpError('CARP_CONFIG', `${path} is there and is no socket`, {
      remedy: 'remove it, or set `socket` in the configuration to another path',
    });
  if (await answers(path))
    throw new CarpError('CARP_DUPLICATE', `an agent already listens on ${path}`, {
      remedy: 'stop it (systemctl stop carp), or set `socket` in the configuration to another path',
    });
  unlinkSync(path);
};

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // A full backlog (EAGAIN) has somebody behind it as well.
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else if (error.code === 'EAGAIN') resolve(true);
      else reject(error);
    });
  });

const bound = (server: Server, path: string): Promise<void> =>
  new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(asCarpError(path, error)));
    // Node binds within `listen`, so that nobody sees the socket with wider permissions than it is to have.
    const umask = process.umask(0o777 & ~SOCKET_MODE);
    try {
      server.listen(path, () => resolve());
    } finally {
      process.umask(umask);
    }
  }).then(() => chmodSync(path, SOCKET_MODE));

const asCarpError = (path: string, error: unknown): CarpError => {
  if (error instanceof CarpError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return new CarpError('CARP_DUPLICATE', `an agent already listens on ${path}`, {
      remedy: 'stop it (systemctl stop carp), or set `socket` in the configuration to another path',
    });
  const permission = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  return new CarpError(permission ? 'CARP_NO_PERMISSION' : 'CARP_FAILED', `cannot listen on ${path}: ${message}`, {
    remedy: 'set `socket` in the configuration to a path that this user may write, or run as root',
  });
};
