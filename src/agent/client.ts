import { createConnection, type Socket } from 'node:net';
import { asyncScheduler, Observable, type SchedulerLike } from 'rxjs';
import { CarpError } from '../ports/error.ts';
import { lineConnection } from './line-connection.ts';
import { type AgentLink, createLink } from './link.ts';
import { ANSWER_BYTES_MAX } from './rpc.ts';
import { type RpcClient, rpcClient } from './rpc-client.ts';
import { checkSocketPath } from './socket-path.ts';

const CONNECT_MS = 2000;

/**
 * One connection to the agent that listens on this Unix socket.
 * @throws (rejects) CarpError CARP_NO_AGENT, CARP_NO_PERMISSION, CARP_CONFIG for a path that no socket can have
 */
export const connectSocket = async (path: string): Promise<RpcClient> => {
  checkSocketPath(path);
  const socket = await connected(path);
  const connection = lineConnection(socket, {
    bytesMax: ANSWER_BYTES_MAX,
    // An agent that talks nonsense is one that has gone.
    onRefused: () => undefined,
  });
  return rpcClient(connection, () => socket.destroy());
};

const connected = (path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const failed = (error: NodeJS.ErrnoException): void => {
      socket.destroy();
      reject(noAgent(path, error));
    };
    socket.once('error', failed);
    socket.setTimeout(CONNECT_MS, () => failed(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', failed);
      resolve(socket);
    });
  });

const noAgent = (path: string, { code, message }: NodeJS.ErrnoException): CarpError => {
  if (code === 'EACCES' || code === 'EPERM')
    return new CarpError('CARP_NO_PERMISSION', `the agent's socket ${path} may not be opened by this user`, {
      remedy: `use sudo, or join the group that owns it: ls -l ${path}`,
    });
  const absent = code === 'ENOENT' || code === 'ECONNREFUSED';
  return new CarpError('CARP_NO_AGENT', `no agent listens on ${path}${absent ? '' : ` (${message})`}`, {
    remedy: 'start one: systemctl start carp, or carp run -c FILE; or name its socket: --socket PATH',
  });
};

export interface ServiceOptions {
  readonly path: string;
  readonly scheduler?: SchedulerLike;
  readonly wallClock?: () => Date;
}

export interface ServiceLink extends AgentLink {
  /** Closes the connection; the service itself goes on. */
  readonly stop: () => Promise<void>;
}

/** Stays connected to an agent that is a system service: connects now, and again whenever the connection is lost. */
export const connectService = ({
  path,
  scheduler = asyncScheduler,
  wallClock = () => new Date(),
}: ServiceOptions): ServiceLink => {
  const attempt$ = new Observable<RpcClient>((subscriber) => {
    let client: RpcClient | undefined;
    connectSocket(path).then(
      (connection) => {
        client = connection;
        if (subscriber.closed) return connection.close();
        connection.closed$.subscribe(() =>
          subscriber.error(
            new CarpError('CARP_NO_AGENT', `the agent at ${path} has ended the connection`, {
              remedy: 'systemctl status carp',
            }),
          ),
        );
        subscriber.next(connection);
      },
      (error) => subscriber.error(error),
    );
    return () => client?.close();
  });
  const {
    client: _client,
    end,
    ...link
  } = createLink({
    attempt$,
    scheduler,
    wallClock,
    expected: () => [],
    welcome: async () => undefined,
  });
  return { ...link, stop: async () => end() };
};
