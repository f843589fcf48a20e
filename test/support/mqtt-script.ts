/** A broker that says what a test wants it to say, byte by byte: most reasons to refuse cannot be had from a real one. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

export interface ScriptedBroker {
  readonly port: number;
  /** What clients have sent so far, all of them together. */
  readonly received: () => Buffer;
  readonly connections: () => number;
  readonly stop: () => Promise<void>;
}

export interface ScriptOptions {
  readonly host?: string;
  /** Speaks TLS. */
  readonly tls?: TlsOptions;
}

/** @param answer - called with the first bytes of each connection */
export const startScript = async (
  answer: (socket: Socket) => void,
  { host = '127.0.0.1', tls }: ScriptOptions = {},
): Promise<ScriptedBroker> => {
  const sockets = new Set<Socket>();
  const chunks: Buffer[] = [];
  let connections = 0;
  const serve = (socket: Socket): void => {
    connections += 1;
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.once('data', () => answer(socket));
  };
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  server.on('tlsClientError', () => undefined);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return {
    port: await listening(server, host),
    received: () => Buffer.concat(chunks),
    connections: () => connections,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};

const listening = async (server: Server, host: string): Promise<number> => {
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

/** CONNACK; MQTT 5, 3.2 and MQTT 3.1.1, 3.2. */
export const connack = (version: 4 | 5, code: number, serverReference = ''): Buffer =>
  version === 4 ? Buffer.from([0x20, 2, 0, code]) : packet(0x20, [0, code, ...properties(serverReference)]);

/** DISCONNECT of MQTT 5, 3.14. */
export const disconnect = (code: number, serverReference = ''): Buffer =>
  packet(0xe0, [code, ...properties(serverReference)]);

const packet = (type: number, body: readonly number[]): Buffer => Buffer.from([type, body.length, ...body]);

const properties = (serverReference: string): readonly number[] => {
  if (serverReference === '') return [0];
  const text = Buffer.from(serverReference);
  return [text.length + 3, 0x1c, 0, text.length, ...text];
};
