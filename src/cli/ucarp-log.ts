/**
 * Messages as ucarp writes them, for those who search logs for its words: `[WARNING] Switching to state: MASTER`, with the
 * time in the foreground, to stdout (info, debug) and stderr (warnings, errors); and to syslog as `ucarp[PID]`.
 */
import { fstatSync, statSync } from 'node:fs';
import type { Writable } from 'node:stream';
import type { NotifySocket } from '../adapters/linux/notify-socket.ts';
import { boundedLines } from '../adapters/node/log.ts';
import type { Log, LogLevel } from '../ports/log.ts';
import { FACILITIES, type Facility } from './ucarp-options.ts';

const WORDS: Readonly<Record<LogLevel, string>> = { debug: 'DEBUG', info: 'INFO', warn: 'WARNING', error: 'ERROR' };
/** Severities of syslog(3). */
const SEVERITIES: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3 };
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const SYSLOG = '/dev/log';
/** RFC 5426: what every receiver must take is less; what common ones take is more. */
const SYSLOG_BYTES_MAX = 2048;

export interface UcarpLogOptions {
  readonly facility: Facility;
  readonly debug: boolean;
  /** Where lines are shown. */
  readonly show: (level: LogLevel, line: string) => void;
  /** Whether that is stderr: it may be the journal, which has syslog as well. */
  readonly isConsole: boolean;
  /** Where syslog listens; default: /dev/log. */
  readonly syslogSocket?: string;
}

/** As ucarp does in the foreground: to stdout, and what is wrong to stderr. */
export const consoleLines = (): UcarpLogOptions['show'] => {
  const [out, err] = [boundedLines(process.stdout), boundedLines(process.stderr)];
  return (level, line) => (level === 'warn' || level === 'error' ? err : out)(line);
};

/** What scripts have printed and nobody has read, in bytes: half of what lines may take, so that those get through. */
const SCRIPTS_UNREAD_MAX = 512 * 1024;

/** What scripts print goes where it would go with ucarp. What nobody reads is dropped, and counted. */
export const scriptOutput = (
  streams: Readonly<Record<'stdout' | 'stderr', Writable>> = process,
): Readonly<Record<'stdout' | 'stderr', (text: string) => void>> => {
  const bounded = (stream: Writable) => {
    let dropped = 0;
    return (text: string): void => {
      if (stream.destroyed || stream.writableEnded) return;
      if (stream.writableLength + text.length > SCRIPTS_UNREAD_MAX) {
        dropped += text.length;
        return;
      }
      if (dropped > 0) stream.write(`\n(${dropped} characters of a script were dropped because nobody read them)\n`);
      dropped = 0;
      stream.write(text);
    };
  };
  return { stdout: bounded(streams.stdout), stderr: bounded(streams.stderr) };
};

export interface UcarpLog {
  readonly log: Log;
  /** What is shown by other means already. */
  readonly toSyslog: Log;
  /** From here on messages go to syslog too. Never rejects. Whether somebody takes them there. */
  readonly openSyslog: () => Promise<boolean>;
  readonly close: () => void;
}

export const createUcarpLog = ({
  facility,
  debug,
  show,
  isConsole,
  syslogSocket = SYSLOG,
}: UcarpLogOptions): UcarpLog => {
  let syslog: NotifySocket | undefined;

  const toSyslog: Log = (level, message, fields) => {
    const text = textOf(level, message, fields);
    const now = new Date();
    if (facility !== 'none') syslog?.send(syslogLine(FACILITIES[facility] * 8 + SEVERITIES[level], now, text));
  };

  return {
    log: (level, message, fields) => {
      if (level === 'debug' && !debug) return;
      show(level, `${localTime(new Date())}: ${textOf(level, message, fields)}`);
      toSyslog(level, message, fields);
    },
    toSyslog,
    openSyslog: async () => {
      if (facility === 'none' || (isConsole && isJournal())) return true;
      try {
        const { notifyAddress, openNotifySocket } = await import('../adapters/linux/notify-socket.ts');
        const address = notifyAddress(syslogSocket);
        if (address === undefined) return false;
        // Not connected: a syslog that starts later, or again, hears what is said from then on.
        syslog = openNotifySocket(address);
        return isSocket(syslogSocket);
      } catch {
        return false;
      }
    },
    close: () => {
      syslog?.close();
      syslog = undefined;
    },
  };
};

const textOf = (level: LogLevel, message: string, { remedy }: Readonly<Record<string, unknown>> = {}): string => {
  const advice = typeof remedy === 'string' ? `; ${remedy}` : '';
  return `[${WORDS[level]}] ${message}${advice}`.replace(/\p{Cc}+/gu, ' ');
};

const two = (value: number): string => String(value).padStart(2, '0');

/** `2026-11-22T12:00:00.123000`: local time in microseconds. */
const localTime = (now: Date): string =>
  `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}T` +
  `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${String(now.getMilliseconds()).padStart(3, '0')}000`;

/** As syslog(3) writes to its socket (RFC 3164). */
export const syslogLine = (priority: number, now: Date, text: string, pid = process.pid): string => {
  const day = String(now.getDate()).padStart(2, ' ');
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  const line = `<${priority}>${MONTHS[now.getMonth()]} ${day} ${time} ucarp[${pid}]: ${text}`;
  return Buffer.from(line).subarray(0, SYSLOG_BYTES_MAX).toString();
};

const isSocket = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isSocket() === true;

/** Whether stderr is the journal already (systemd.exec(5), $JOURNAL_STREAM): it would have each line twice. */
const isJournal = (): boolean => {
  try {
    const { dev, ino } = fstatSync(2);
    return process.env['JOURNAL_STREAM'] === `${dev}:${ino}`;
  } catch {
    return false;
  }
};
