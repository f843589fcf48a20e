/**
 * `ip monitor` as a stream. It is a process of its own, and therefore
 *
 * - it starts to listen some milliseconds after it was asked to, and does not say when. The kernel does: it lists who
 *   listens (/proc/net/netlink). What happened before is found by looking.
 * - it may outlive this process. setpriv(1) of util-linux makes the kernel end it with its parent, however that dies;
 *   where that is missing, it ends with the first change that it cannot tell anybody any more (SIGPIPE).
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { Observable } from 'rxjs';
import { PROGRAM_ENVIRONMENT } from './programs.ts';

export type MonitorSignal =
  /** From now on, nothing escapes it. */
  | { readonly type: 'listening' }
  | { readonly type: 'line'; readonly line: string }
  /** Changes were lost: because there were too many, or could not be read. */
  | { readonly type: 'lost' };

export interface MonitorOptions {
  readonly ip: string;
  /** Where setpriv(1) is, if it is to be used. */
  readonly setpriv?: string | undefined;
  /** Bytes of kernel memory for changes that have not been read yet. */
  readonly receiveBuffer: number;
}

const LOOK_MS = 5;
/** Then it is taken for granted that it listens: /proc may be closed to us. */
const LISTENING_MS_MAX = 2000;
/** No change of a link takes that many characters to tell. */
const LINE_MAX = 65_536;

/** Whether a process listens to groups of rtnetlink, as far as that can be seen. */
const listens = (pid: number): boolean => {
  try {
    const sockets = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`)));
    // Columns: sk, protocol (0 is rtnetlink), port, groups … inode.
    return readFileSync(`/proc/${pid}/net/netlink`, 'latin1')
      .split('\n')
      .map((row) => row.trim().split(/\s+/))
      .some(
        ([, protocol, , groups = '0', ...rest]) =>
          protocol === '0' && Number.parseInt(groups, 16) !== 0 && sockets.has(`socket:[${rest.at(-1)}]`),
      );
  } catch {
    return false;
  }
};

const start = ({ ip, setpriv, receiveBuffer }: MonitorOptions): ChildProcessByStdio<null, Readable, Readable> => {
  const command = [ip, '-o', '-rcvbuf', String(receiveBuffer), 'monitor', 'link', 'address'];
  const [file = ip, ...args] = setpriv === undefined ? command : [setpriv, '--pdeathsig', 'KILL', '--', ...command];
  return spawn(file, args, { env: PROGRAM_ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
};

/** Cold. Completes when the program ends, which it does not do by itself; unsubscribing ends it. Never fails. */
export const monitor = (options: MonitorOptions): Observable<MonitorSignal> =>
  new Observable<MonitorSignal>((subscriber) => {
    const child = start(options);
    let unread = '';
    let looks = 0;
    const look = setInterval(() => {
      looks += 1;
      if (looks * LOOK_MS < LISTENING_MS_MAX && !(child.pid !== undefined && listens(child.pid))) return;
      clearInterval(look);
      subscriber.next({ type: 'listening' });
    }, LOOK_MS);
    // Without file descriptors left (EMFILE) there are no pipes, whatever the types say.
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (unread + text).split('\n');
      unread = lines.pop() ?? '';
      for (const line of lines) subscriber.next({ type: 'line', line });
      if (unread.length <= LINE_MAX) return;
      unread = '';
      subscriber.next({ type: 'lost' });
    });
    // ENOBUFS, above all. It goes on after that.
    child.stderr?.setEncoding('utf8').on('data', () => subscriber.next({ type: 'lost' }));
    // `exit` does not come where the program could not be started.
    child.once('error', () => subscriber.complete());
    child.once('exit', () => subscriber.complete());
    return () => {
      clearInterval(look);
      child.kill('SIGKILL');
      // What it has said in the meantime is of no interest, and keeps no process alive.
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
    };
  });
