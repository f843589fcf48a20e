/**
 * JSON-RPC over a stream socket, one message a line. The library reads headers and sets no limit to anything; a socket
 * that others may open needs limits, each with a name here.
 */
import type { Socket } from 'node:net';
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  createMessageConnection,
  type DataCallback,
  Disposable,
  ErrorCodes,
  type Message,
  type MessageConnection,
} from 'vscode-jsonrpc/node';

/** What the other side may leave unread before it is disconnected, in bytes. */
export const UNREAD_BYTES_MAX = 4 * 1024 * 1024;

/** Messages of one connection that are being worked on; with more, nothing is read from it for the time being. */
export const IN_FLIGHT_MAX = 32;

const NEWLINE = 0x0a;

export interface LineOptions {
  /** A longer line ends the connection. */
  readonly bytesMax: number;
  /** Told once why this side ended the connection. */
  readonly onRefused: (why: string) => void;
}

const isId = (id: unknown): boolean => typeof id === 'string' || typeof id === 'number';

/** Whether the library can be trusted to handle this: it throws on requests without id, and keeps bad ones for ever. */
const isMessage = (value: unknown): value is Message => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { jsonrpc, method, id, params, result, error } = value as Readonly<Record<string, unknown>>;
  if (jsonrpc !== '2.0') return false;
  if (method === undefined) return (isId(id) || id === null) && (result !== undefined || error !== undefined);
  return (
    typeof method === 'string' &&
    (id === undefined || isId(id)) &&
    (params === undefined || (typeof params === 'object' && params !== null))
  );
};

/** `$/cancelRequest` and its like: optional, and what they would cancel here is done in a moment anyway. */
const isHint = (message: Message): boolean => 'method' in message && String(message.method).startsWith('$/');

interface ReaderHooks {
  /** A message was passed on. */
  readonly began: () => void;
  /** Answers what is no message. */
  readonly reject: (code: number, message: string) => void;
}

class LineReader extends AbstractMessageReader {
  readonly #socket: Socket;
  readonly #options: LineOptions;
  readonly #hooks: ReaderHooks;
  /** The beginning of a line whose end has not come. */
  #partial: Buffer[] = [];
  #partialBytes = 0;

  constructor(socket: Socket, options: LineOptions, hooks: ReaderHooks) {
    super();
    this.#socket = socket;
    this.#options = options;
    this.#hooks = hooks;
    socket.on('error', (error) => this.fireError(error));
    socket.on('close', () => this.fireClose());
  }

  listen(deliver: DataCallback): Disposable {
    const onData = (chunk: Buffer): void => this.#read(chunk, deliver);
    this.#socket.on('data', onData);
    return Disposable.create(() => this.#socket.off('data', onData));
  }

  #read(chunk: Buffer, deliver: DataCallback): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      if (!this.#keep(chunk.subarray(start, end))) return;
      const line = Buffer.concat(this.#partial).toString('utf8');
      this.#partial = [];
      this.#partialBytes = 0;
      start = end + 1;
      if (line.trim() !== '') this.#line(line, deliver);
      if (this.#socket.destroyed) return;
    }
    this.#keep(chunk.subarray(start));
  }

  /** False: the line has become too long, and the connection is gone. */
  #keep(piece: Buffer): boolean {
    this.#partialBytes += piece.length;
    if (this.#partialBytes <= this.#options.bytesMax) {
      if (piece.length > 0) this.#partial.push(piece);
      return true;
    }
    this.#partial = [];
    this.#options.onRefused(`a message is longer than ${this.#options.bytesMax} bytes`);
    this.#socket.destroy();
    return false;
  }

  #line(line: string, deliver: DataCallback): void {
    const value = parsed(line);
    if (value === undefined) this.#hooks.reject(ErrorCodes.ParseError, 'this line is no JSON');
    else if (!isMessage(value)) this.#hooks.reject(ErrorCodes.InvalidRequest, 'this is no JSON-RPC 2.0 message');
    else if (!isHint(value)) {
      this.#hooks.began();
      deliver(value);
    }
  }
}

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
};

class LineWriter extends AbstractMessageWriter {
  readonly #socket: Socket;
  readonly #options: LineOptions;

  constructor(socket: Socket, options: LineOptions) {
    super();
    this.#socket = socket;
    this.#options = options;
    socket.on('close', () => this.fireClose());
  }

  /** Never rejects: that the other side has gone is told once, by the end of the connection. */
  async write(message: Message): Promise<void> {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    if (this.#socket.writableLength > UNREAD_BYTES_MAX) {
      this.#options.onRefused(`more than ${UNREAD_BYTES_MAX} bytes were left unread`);
      this.#socket.destroy();
      return;
    }
    this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  end(): void {
    this.#socket.end();
  }
}

/**
 * Speaks JSON-RPC over a connected socket. To end it, end the socket. The library queues what it is given without
 * limit, so the socket is paused while there is enough to do; what one read of the socket brought is still queued.
 */
export const lineConnection = (socket: Socket, options: LineOptions): MessageConnection => {
  let inFlight = 0;
  const began = (): void => {
    inFlight += 1;
    if (inFlight >= IN_FLIGHT_MAX) socket.pause();
  };
  const ended = (): void => {
    inFlight -= 1;
    if (inFlight < IN_FLIGHT_MAX) socket.resume();
  };
  const writer = new LineWriter(socket, options);
  const reject = (code: number, message: string): void =>
    void writer.write({ jsonrpc: '2.0', id: null, error: { code, message } } as Message);
  const reader = new LineReader(socket, options, { began, reject });
  const handleMessage = async (message: Message, next: (message: Message) => unknown): Promise<void> => {
    try {
      await next(message);
    } finally {
      ended();
    }
  };
  return createMessageConnection(reader, writer, undefined, { messageStrategy: { handleMessage } });
};
