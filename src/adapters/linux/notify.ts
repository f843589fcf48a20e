/**
 * Tells the service manager how this process is: the protocol of sd_notify(3), without its library.
 *
 * Nothing here can harm what it tells of: a message that cannot be sent is dropped, and one for which the manager's
 * queue is full is sent a little later. Where nobody asked ($NOTIFY_SOCKET is not set) no native module is loaded.
 */
import { asyncScheduler, auditTime, interval, type Observable, type SchedulerLike, Subscription, timer } from 'rxjs';
import type { Log } from '../../ports/log.ts';
import { type NotifyWay, openNotify } from './notify-program.ts';
import { type NotifySocket, notifyAddress } from './notify-socket.ts';

/** Changes of several groups within this time are told in one line. */
const STATUS_MS = 50;
/** `systemctl status` shows one line; a longer one helps nobody. */
const STATUS_LENGTH_MAX = 400;
const RETRY_MS = 100;
/** Messages that wait for a manager that does not read. */
const WAITING_MAX = 16;

export interface Notifier {
  /** All has been started. From now on the watchdog is fed, from the event loop: one that is blocked is noticed. */
  readonly ready: () => void;
  /** The configuration is read again; `ready` is to follow. */
  readonly reloading: () => void;
  /** Keeps the line in `systemctl status` up to date. `line` is asked after each change. */
  readonly follow: (changes$: Observable<unknown>, line: () => string) => void;
  /** The end has begun; nothing is told any more afterwards, and the watchdog is no longer fed. */
  readonly stopping: () => void;
}

const SILENT: Notifier = {
  ready: () => undefined,
  reloading: () => undefined,
  follow: () => undefined,
  stopping: () => undefined,
};

export interface NotifyOptions {
  readonly log: Log;
  /** Its NOTIFY_SOCKET and WATCHDOG_… are taken out, so that hooks do not speak in our name. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly open?: (way: NotifyWay) => NotifySocket;
  readonly scheduler?: SchedulerLike;
  readonly pid?: number;
  /** CLOCK_MONOTONIC, µs. */
  readonly monotonicMicros?: () => bigint;
}

/** How the manager wants to be told, or silence where there is none. Never throws. */
export const createNotifier = ({
  log,
  environment = process.env,
  open = openNotify,
  scheduler = asyncScheduler,
  pid = process.pid,
  monotonicMicros = () => process.hrtime.bigint() / 1000n,
}: NotifyOptions): Notifier => {
  const { NOTIFY_SOCKET: name, WATCHDOG_USEC: usec, WATCHDOG_PID: watched } = environment;
  for (const key of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[key];
  if (name === undefined || name === '') return SILENT;
  const sender = createSender(name, { log, open, scheduler });
  if (sender === undefined) return SILENT;

  const watchdogMs = watched === undefined || Number(watched) === pid ? Number(usec ?? 0) / 1000 : 0;
  const running = new Subscription();
  let watching = false;
  const { tell } = sender;

  return {
    ready: () => {
      tell('READY=1');
      if (watching || !(watchdogMs > 0)) return;
      watching = true;
      // sd_watchdog_enabled(3) recommends half of the time.
      running.add(interval(watchdogMs / 2, scheduler).subscribe(() => tell('WATCHDOG=1')));
    },
    // Type=notify-reload compares the time with that of its signal.
    reloading: () => tell(`RELOADING=1\nMONOTONIC_USEC=${monotonicMicros()}`),
    follow: (changes$, line) => {
      const status = (): void => tell(`STATUS=${oneLine(line())}`);
      status();
      // Changes come to an end with what is followed; from then on the manager may miss the heartbeat.
      const end = (): void => running.unsubscribe();
      running.add(
        changes$.pipe(auditTime(STATUS_MS, scheduler)).subscribe({ next: status, error: end, complete: end }),
      );
    },
    stopping: () => {
      running.unsubscribe();
      tell('STOPPING=1');
      sender.close();
    },
  };
};

interface Sender {
  readonly tell: (text: string) => void;
  /** What is still waiting is dropped: a manager that does not read must not keep this process alive. */
  readonly close: () => void;
}

interface SenderOptions extends Pick<NotifyOptions, 'log'> {
  readonly open: (way: NotifyWay) => NotifySocket;
  readonly scheduler: SchedulerLike;
}

/** Sends in order; `undefined` where that is impossible, which is logged once. */
const createSender = (name: string, { log, open, scheduler }: SenderOptions): Sender | undefined => {
  const address = notifyAddress(name);
  let socket: NotifySocket;
  try {
    if (address === undefined) throw new Error('$NOTIFY_SOCKET is neither a path nor an abstract socket');
    socket = open({ name, address, log });
  } catch (error) {
    log('warn', `the service manager is not told anything: ${error instanceof Error ? error.message : String(error)}`, {
      remedy: 'use Type=exec, without WatchdogSec=, in the unit',
    });
    return undefined;
  }
  let waiting: readonly string[] = [];
  let retry: Subscription | undefined;
  let usable = true;

  const flush = (): void => {
    retry = undefined;
    while (waiting[0] !== undefined && socket.send(waiting[0]) !== 'full') waiting = waiting.slice(1);
    if (waiting.length > 0) retry = timer(RETRY_MS, scheduler).subscribe(flush);
  };
  return {
    tell: (text) => {
      if (!usable) return;
      // Of heartbeats and of status lines that wait, the last one says it all.
      const [kind] = text.split('=', 1);
      const others =
        kind === 'WATCHDOG' || kind === 'STATUS' ? waiting.filter((one) => !one.startsWith(`${kind}=`)) : waiting;
      waiting = [...others, text].slice(-WAITING_MAX);
      if (retry === undefined) flush();
    },
    close: () => {
      usable = false;
      retry?.unsubscribe();
      socket.close();
    },
  };
};

const oneLine = (text: string): string => text.replace(/\p{Cc}+/gu, ' ').slice(0, STATUS_LENGTH_MAX);
