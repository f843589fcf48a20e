/**
 * A small web server inside a process that has more important things to do. It answers GET and HEAD with pages that are
 * made quickly, one to a connection, and is bounded in everything: connections, how long one may last, headers, and how
 * many wait to be accepted, because all of those are accepted in one turn of the event loop.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Observable } from 'rxjs';
import { CarpError } from '../../ports/error.ts';

export interface ServedAddress {
  /** An IP address of this host, or that of all its interfaces. */
  readonly address: string;
  readonly port: number;
}

export interface PageRequest {
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The header of that name. */
  readonly accept: string | undefined;
}

export interface Page {
  readonly status: number;
  readonly type: string;
  /** Bytes that are sent as they are: a page that many ask for is held once. */
  readonly body: string | Uint8Array;
}

export type PageOf = (request: PageRequest) => Promise<Page>;

/** More than that would be no scrapers. The oldest connection gives way: whoever means well is served in milliseconds. */
export const CONNECTIONS_MAX = 32;
/** From its begin to its end, whether it asks slowly or reads slowly. */
export const CONNECTION_MS_MAX = 5000;
/** The request line and all headers. */
export const HEADER_BYTES_MAX = 8192;
const WAITING_MAX = 64;

/**
 * Serves pages for as long as it is subscribed; unsubscribing cuts all connections. Cold. Emits once, when it listens;
 * never completes; errors with a CarpError when it cannot listen (any more). Keeps no process alive.
 *
 * @param pageOf - what is asked for; it must not reject, and not hold up the event loop
 */
export const serving = (where: ServedAddress, pageOf: PageOf): Observable<void> =>
  new Observable((subscriber) => {
    const open = new Set<Socket>();
    const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX, noDelay: true }, (request, response) => {
      void answer(request, response, pageOf);
    });
    server.unref();
    server.on('connection', (socket) => bound(socket, open));
    server.on('error', (error: NodeJS.ErrnoException) => subscriber.error(cannotListen(where, error)));
    server.listen({ host: where.address, port: where.port, backlog: WAITING_MAX }, () => subscriber.next());
    return () => {
      server.close();
      for (const socket of open) socket.destroy();
    };
  });

const bound = (socket: Socket, open: Set<Socket>): void => {
  const end = setTimeout(() => socket.destroy(), CONNECTION_MS_MAX).unref();
  socket.unref();
  open.add(socket);
  socket.once('close', () => {
    clearTimeout(end);
    open.delete(socket);
  });
  const [oldest] = open;
  if (open.size <= CONNECTIONS_MAX || oldest === undefined) return;
  // `close` comes later: of many connections in one turn each has to make room.
  open.delete(oldest);
  oldest.destroy();
};

const REFUSAL: Page = { status: 405, type: 'text/plain; charset=utf-8', body: 'only GET and HEAD are answered here\n' };

const answer = async (
  { method, url = '/', headers }: IncomingMessage,
  response: ServerResponse,
  pageOf: PageOf,
): Promise<void> => {
  const isKnown = method === 'GET' || method === 'HEAD';
  if (!isKnown) response.setHeader('Allow', 'GET, HEAD');
  const { status, type, body } = isKnown ? await pageOf({ ...target(url), accept: headers.accept }) : REFUSAL;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
  });
  // Of an answer to HEAD, Node sends the headers alone.
  response.end(bytes);
};

const ORIGIN = 'http://localhost';

/** Also of a whole URL, as proxies send it. What is none is a path that nobody has. */
const target = (url: string): Pick<PageRequest, 'path' | 'query'> => {
  if (!URL.canParse(url, ORIGIN)) return { path: '', query: new URLSearchParams() };
  const { pathname: path, searchParams: query } = new URL(url, ORIGIN);
  return { path, query };
};

/** `http://127.0.0.1:9112`, `http://[::1]:9112` */
export const urlOf = ({ address, port }: ServedAddress): string =>
  `http://${address.includes(':') ? `[${address}]` : address}:${port}`;

const REASONS: Readonly<Record<string, readonly [why: string, remedy: string]>> = {
  EADDRINUSE: ['another program has this port', 'choose another `port`, or end that program: ss -ltnp'],
  EADDRNOTAVAIL: ['this host does not have the address', 'choose another `address`: ip addr'],
  EACCES: ['this user may not open this port', 'choose a `port` from 1024'],
};

const cannotListen = (where: ServedAddress, { code = '', message }: NodeJS.ErrnoException): CarpError => {
  const [why, remedy] = REASONS[code] ?? [message, 'choose another `address` or `port`'];
  return new CarpError(code === 'EACCES' ? 'CARP_NO_PERMISSION' : 'CARP_FAILED', `${urlOf(where)}: ${why}`, { remedy });
};
