/**
 * The far side of `LeaseProcess`. Arguments: the state folder, the kind of kernel, and perhaps
 * more, see `ProcessOptions`.
 *
 * A namespace belongs to a process, so whatever is tested against the kernel has to run in one of its own.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type Subscription, tap } from 'rxjs';
import { bootTimeMs } from '../../src/adapters/linux/host-epoch.ts';
import { createInterfaces } from '../../src/adapters/linux/interfaces.ts';
import { createIprouteKernel } from '../../src/adapters/linux/iproute-kernel.ts';
import { createKernel, type Kernel, type KernelEvent } from '../../src/adapters/linux/kernel.ts';
import { createLeases } from '../../src/adapters/linux/leases.ts';
import { monotonicScheduler } from '../../src/adapters/node/scheduler.ts';
import type { Lease, LeaseRequest } from '../../src/ports/addresses.ts';
import { problemOf } from '../../src/ports/error.ts';
import { type Cidr, formatCidr, parseCidr } from '../../src/protocol/address.ts';
import type { RemoteError, SeenState } from './lease-process.ts';
import { monotonicMs } from './wait.ts';

/** Something that happened, in the order in which it did. */
export type Noted =
  | { readonly type: 'log'; readonly message: string }
  | { readonly type: 'state'; readonly name: string; readonly state: SeenState }
  | {
      readonly type: 'lease';
      readonly group: string;
      readonly event: string;
      readonly at: number;
      readonly lateMs?: number;
      readonly address?: string;
      readonly message?: string;
    };

export type ChildMessage =
  | Noted
  | { readonly type: 'answer'; readonly id: number; readonly result?: unknown; readonly error?: RemoteError };

export interface LeaseCall {
  readonly id: number;
  readonly name: CallName;
  readonly args: readonly unknown[];
}

interface PlainRequest extends Omit<LeaseRequest, 'addresses'> {
  readonly addresses: readonly string[];
}

const [stateFolder = '', kind, ...options] = process.argv.slice(2);
// The namespace of mounts is this process's own: ip netns exec has made it.
if (options.includes('unwritable-sysctls')) {
  execFileSync('mount', ['--bind', '/proc/sys', '/proc/sys']);
  execFileSync('mount', ['-o', 'remount,bind,ro', '/proc/sys']);
}

const note = (message: ChildMessage): void => void process.send?.(message);
let overruns = 0;
const log = (_level: string, message: string): void => note({ type: 'log', message });
const small = options.includes('small-buffer') ? 65_536 : undefined;
const createIproute = (): Kernel =>
  createIprouteKernel({
    log,
    ip: options.find((option) => option.startsWith('ip='))?.slice('ip='.length),
    ...(options.includes('without-setpriv') ? { setpriv: undefined } : {}),
    ...(small === undefined ? {} : { receiveBuffer: small }),
  });
const plain = kind === 'iproute' ? createIproute() : createKernel(small);
const count = (event: KernelEvent): void => {
  if (event.type === 'overrun') overruns += 1;
};
/** Each request to the kernel: how many changes, and how long it took. */
const transactions: { readonly requests: number; readonly ms: number }[] = [];
const kernel: Kernel = {
  ...plain,
  events$: plain.events$.pipe(tap(count)),
  transact: (requests) => {
    const begun = monotonicMs();
    const outcomes = plain.transact(requests);
    transactions.push({ requests: requests.length, ms: monotonicMs() - begun });
    return outcomes;
  },
};
const interfaces = createInterfaces(kernel);
let asleep = 0;
const leases = createLeases({
  kernel,
  bootTimeMs: () => bootTimeMs() + asleep,
  stateFolder,
  scheduler: monotonicScheduler,
  log,
});
const held = new Map<string, Lease>();
/** What is released when a lease lapses, in the very call that tells of it. */
const chained = new Map<string, string>();
const watches = new Map<string, Subscription>();

const cidrs = (texts: readonly string[]): readonly Cidr[] =>
  texts.map((text) => parseCidr(text)).filter((cidr) => cidr !== undefined);
const requestOf = (plain: PlainRequest): LeaseRequest => ({ ...plain, addresses: cidrs(plain.addresses) });

const linkOf = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};

/** Processes that this one has started, with this word among their arguments. */
const childrenThat = (word: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => contentOf(`/proc/${pid}/status`).includes(`\nPPid:\t${process.pid}\n`))
    .filter((pid) => contentOf(`/proc/${pid}/cmdline`).split('\0').includes(word))
    .map(Number);

const contentOf = (file: string): string => {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
};

const spin = (ms: number): void => {
  const end = monotonicMs() + ms;
  while (monotonicMs() < end);
};

const calls = {
  check: (request: PlainRequest): void => leases.check(requestOf(request)),
  /** @returns how long it took, ms */
  take: (request: PlainRequest): number => {
    const begun = monotonicMs();
    const lease = leases.take(requestOf(request));
    const took = monotonicMs() - begun;
    held.set(request.group, lease);
    lease.events$.subscribe({
      next: (event) => {
        if (event.type === 'lapsed') held.get(chained.get(request.group) ?? '')?.release();
        note({
          type: 'lease',
          group: request.group,
          event: event.type,
          at: monotonicMs(),
          ...(event.type === 'lapsed' ? { lateMs: event.lateMs } : { address: formatCidr(event.address) }),
          ...(event.type === 'lost' ? { message: event.message } : {}),
        });
      },
      complete: () => note({ type: 'lease', group: request.group, event: 'completed', at: monotonicMs() }),
    });
    return took;
  },
  release: (group: string): number => {
    const begun = monotonicMs();
    held.get(group)?.release();
    return monotonicMs() - begun;
  },
  /** Releases and takes again in one turn of the event loop. */
  retake: (request: PlainRequest): number => {
    held.get(request.group)?.release();
    return calls.take(request);
  },
  inherits: (request: PlainRequest): boolean => leases.inherits(requestOf(request)),
  disinherit: (request: PlainRequest): void => leases.disinherit(requestOf(request)),
  settled: (): Promise<void> => leases.settled(),
  watch: (name: string): void => {
    const watch = interfaces.watch(name).subscribe(({ exists, up, addresses }) => {
      const texts = addresses.map(
        (each) =>
          `${formatCidr(each)}${each.permanent ? '' : ' leased'}${each.deprecated ? ' deprecated' : ''}${each.tentative ? ' tentative' : ''}`,
      );
      note({ type: 'state', name, state: { at: monotonicMs(), exists, up, addresses: texts } });
    });
    watches.set(name, watch);
  },
  unwatch: (name: string): void => watches.get(name)?.unsubscribe(),
  /** Blocks the event loop for so many ms. */
  block: (ms: number): void => spin(ms),
  /** Lets the boot clock run ahead of the monotonic one, as it does while a machine sleeps. */
  sleep: (ms: number): void => {
    asleep += ms;
  },
  chain: (group: string, other: string): void => void chained.set(group, other),
  /** CPU time of this process, ms. */
  cpu: (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  transactions: (): readonly unknown[] => transactions,
  /** How often messages of the kernel were lost. */
  overruns: (): number => overruns,
  /** Process ids. */
  monitorProcesses: (): readonly number[] => childrenThat('monitor'),
  /** Netlink sockets of this process that listen to groups of rtnetlink, or processes that do it for this one. */
  monitors: (): number => {
    if (kind === 'iproute') return childrenThat('monitor').length;
    const rows = readFileSync('/proc/net/netlink', 'latin1').split('\n').slice(1);
    const inodes = readdirSync('/proc/self/fd').map((fd) => linkOf(`/proc/self/fd/${fd}`));
    return rows
      .map((row) => row.trim().split(/\s+/))
      .filter(([, protocol, , groups]) => protocol === '0' && Number.parseInt(groups ?? '0', 16) !== 0)
      .filter((columns) => inodes.includes(`socket:[${columns.at(-1)}]`)).length;
  },
} as const;

export type CallName = keyof typeof calls;

process.on('message', (message: LeaseCall) => {
  const { id, name, args } = message;
  const run = calls[name] as (...args: readonly unknown[]) => unknown;
  const answer = async (): Promise<unknown> => run(...args);
  answer().then(
    (result) => note({ type: 'answer', id, result }),
    (error: unknown) => {
      const { code, message: text, remedy } = problemOf(error);
      note({ type: 'answer', id, error: { code, message: text, remedy } });
    },
  );
});
