/**
 * A small web server inside a process that has more important things to do. It answers GET and HEAD with pages that are
 * made quickly, one to a connection, and is bounded in everything: connections, how long one may last, headers, and how
 * many wait to be accepted, because all of those are accepted in one turn of the event loop.
 *
 * Not that of Node: its parser reads to the end whatever arrives at once, and so makes 2000 requests of 64 KiB, of which
 * one would be answered. A few dozen such connections made adverts late by a second.
 */
import { STATUS_CODES } from 'node:http';
import { createServer, type Socket } from 'node:net';
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
    // Somebody who has asked may end his side, and still wants the answer.
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.unref();
    server.on('connection', (socket) => {
      bound(socket, open);
      hear(socket, (head) => void answer(socket, head, pageOf));
    });
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
  // It is closed as well then, and nobody is interested in more.
  socket.on('error', () => undefined);
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

/** Hands over the request line and the headers, or what came instead of them, and reads no further. */
const hear = (socket: Socket, heard: (head: string) => void): void => {
  let head = '';
  const listen = (chunk: Buffer): void => {
    // An end of line may be in two pieces.
    const from = Math.max(0, head.length - 3);
    head += chunk.toString('latin1', 0, HEADER_BYTES_MAX + 1 - head.length);
    const end = head.indexOf(HEAD_END, from);
    const isRequest = /^[A-Z]/.test(head);
    if (end === -1 && isRequest && head.length <= HEADER_BYTES_MAX) return;
    socket.pause();
    socket.off('data', listen);
    heard(end === -1 ? head : head.slice(0, end));
  };
  socket.on('data', listen);
  // Without a whole question: whoever has asked is read no further, up to his end.
  socket.once('end', () => socket.destroy());
};

const HEAD_END = '\r\n\r\n';

const plain = (status: number, text: string): Page => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${text}\n`,
});
const NOT_ALLOWED = plain(405, 'only GET and HEAD are answered here');
const NO_REQUEST = plain(400, 'that is no HTTP/1.1');
const TOO_LARGE = plain(431, `more than ${HEADER_BYTES_MAX} bytes of headers`);

const answer = async (socket: Socket, head: string, pageOf: PageOf): Promise<void> => {
  const [first = '', ...headers] = head.split('\r\n');
  const [, method, url = ''] = /^([A-Z]+) ([!-~]+) HTTP\/1\.[01]$/.exec(first) ?? [];
  if (head.length > HEADER_BYTES_MAX) say(socket, TOO_LARGE);
  else if (method === undefined) say(socket, NO_REQUEST);
  else if (method !== 'GET' && method !== 'HEAD') say(socket, NOT_ALLOWED);
  else say(socket, await pageOf({ ...target(url), accept: acceptIn(headers) }), method === 'HEAD');
};

const acceptIn = (headers: readonly string[]): string | undefined => {
  const values = headers.flatMap((line) => (/^accept:/i.test(line) ? [line.slice(line.indexOf(':') + 1).trim()] : []));
  return values.length === 0 ? undefined : values.join(', ');
};

const say = (socket: Socket, page: Page, isHead = false): void => {
  const { status, type, body } = page;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `Date: ${new Date().toUTCString()}`,
    `Content-Type: ${type}`,
    `Content-Length: ${bytes.length}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    'Connection: close',
    ...(page === NOT_ALLOWED ? ['Allow: GET, HEAD'] : []),
  ];
  socket.once('finish', () => socket.destroy());
  socket.cork();
  socket.write(`${lines.join('\r\n')}${HEAD_END}`);
  socket.end(isHead ? '' : bytes);
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
