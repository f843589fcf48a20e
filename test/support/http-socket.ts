/** Web clients without manners, for tests of the metrics server: raw sockets that say what they are told. */
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { until } from './wait.ts';

export interface RawReply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export class RawClient {
  readonly socket: Socket;
  received = '';
  closed = false;
  /** Somebody listened. */
  connected = false;

  constructor(port: number, host = '127.0.0.1') {
    this.socket = createConnection({ port, host });
    this.socket.setEncoding('utf8').on('data', (text: string) => {
      this.received += text;
    });
    this.socket.once('connect', () => {
      this.connected = true;
    });
    // A connection that is cut is what some of the tests are about.
    this.socket.on('error', () => undefined);
    this.socket.once('close', () => {
      this.closed = true;
    });
  }

  say(text: string): void {
    this.socket.write(text);
  }

  /** What it has got when the server has closed the connection. */
  async reply(withinMs = 15_000): Promise<RawReply> {
    await this.untilClosed(withinMs);
    return parseReply(this.received);
  }

  untilClosed(withinMs = 15_000): Promise<unknown> {
    return until(
      'the server to close the connection',
      withinMs,
      () => this.closed,
      () => this.received.slice(0, 200),
    );
  }
}

const parseReply = (text: string): RawReply => {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(first.split(' ')[1]), headers: Object.fromEntries(headers), body: rest.join('\r\n\r\n') };
};

/** One request, and what came until the server closed. */
export const ask = (port: number, request: string, host?: string): Promise<RawReply> => {
  const client = new RawClient(port, host);
  client.say(request);
  return client.reply();
};

export const get = (port: number, path: string, headers = '', host?: string): Promise<RawReply> =>
  ask(port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`, host);

/** A port that nobody listens on now. */
export const freePort = async (host = '127.0.0.1'): Promise<number> => {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

/** Whether this machine has ::1. */
export const hasIpv6 = async (): Promise<boolean> => {
  try {
    await freePort('::1');
    return true;
  } catch {
    return false;
  }
};
