import type { Writable } from 'node:stream';
import type { Log, LogLevel } from '../../ports/log.ts';

/** What a reader of a pipe may leave unread, in bytes. */
const UNREAD_BYTES_MAX = 1024 * 1024;

/**
 * Writes lines to a stream that may not be read (a stopped pager, a hung parent). Nobody waits for it: beyond
 * `UNREAD_BYTES_MAX` lines are dropped, counted, and reported once there is room again.
 */
export const boundedLines = (stream: Writable): ((line: string) => void) => {
  let dropped = 0;
  // EPIPE: the reader has gone. That is no reason to give up shared addresses.
  stream.on('error', () => undefined);
  return (line) => {
    if (stream.destroyed || stream.writableEnded) return;
    if (stream.writableLength > UNREAD_BYTES_MAX) {
      dropped += 1;
      return;
    }
    if (dropped > 0) stream.write(`(${dropped} lines were dropped because nobody read them)\n`);
    dropped = 0;
    stream.write(`${line}\n`);
  };
};

export interface LogOptions {
  readonly stream: Writable;
  readonly wallClock: () => Date;
  /** One JSON object a line instead of text. */
  readonly json?: boolean;
  /** The least important level that is written; default `info`. */
  readonly level?: LogLevel;
}

const ORDER: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Control characters in what others sent us must not forge lines or colours. */
const printable = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

const asText = (fields: Readonly<Record<string, unknown>>): string =>
  Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('');

/** A log of one line per message, as text (`2026-11-22T12:00:00.123Z warn message key=value`) or as JSON. */
export const createLog = ({ stream, wallClock, json = false, level: least = 'info' }: LogOptions): Log => {
  const write = boundedLines(stream);
  return (level, message, fields = {}) => {
    if (ORDER[level] < ORDER[least]) return;
    const at = wallClock().toISOString();
    if (json) write(JSON.stringify({ at, level, message, ...fields }));
    else write(printable(`${at} ${level} ${message}${asText(fields)}`));
  };
};
