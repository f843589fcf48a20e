/**
 * The kernel's links and addresses through the programs of iproute2, for machines on which koffi does not load.
 *
 * Whoever changes addresses is waited for (measured: 4 ms, 6 ms for one in ten, on one core of a small server; 1 and 20
 * addresses alike). One `ip -batch` that stays open would answer within 0.2 ms, but could carry a renewal out when it is
 * too late: a lease is fenced only if nothing of it is under way in another process (see `lease-keeper.ts`). At two
 * renewals a second that is less than one percent of the event loop's time.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import {
  asyncScheduler,
  BehaviorSubject,
  defer,
  distinctUntilChanged,
  finalize,
  interval,
  map,
  merge,
  NEVER,
  type Observable,
  repeat,
  type SchedulerLike,
  share,
  skip,
  startWith,
  switchMap,
  tap,
  timer,
} from 'rxjs';
import { CarpError } from '../../ports/error.ts';
import type { Log } from '../../ports/log.ts';
import { batchOutcomes, commandLine } from './iproute-commands.ts';
import { monitor } from './iproute-monitor.ts';
import { messageIn, networkIn } from './iproute-output.ts';
import { findIp, runIp } from './iproute-program.ts';
import type { Kernel, KernelEvent } from './kernel.ts';
import { KOFFI } from './load-koffi.ts';
import type { Network } from './network.ts';
import { noSpawnPermission } from './no-spawn-permission.ts';
import { programPath } from './programs.ts';
import { type AddressChange, Errno, type Outcome, type RouteRequest } from './rtnetlink.ts';

export interface IprouteKernelOptions {
  readonly log: Log;
  /** Where ip(8) is; by default it is looked for. */
  readonly ip?: string | undefined;
  /** Where setpriv(1) is; by default it is looked for. `undefined`: do without. */
  readonly setpriv?: string | undefined;
  /** Bytes of kernel memory for changes that have not been read yet, about 0.4 KiB each. */
  readonly receiveBuffer?: number;
  readonly scheduler?: SchedulerLike;
}

const RECEIVE_BUFFER = 4 * 1024 * 1024;
/** How often the network is looked at for as long as nobody listens to it. */
const POLL_MS = 250;
const RESTART_MS = { shortest: 100, longest: 10_000 } as const;
/** Lines of one batch: bounds how long the event loop stands still. */
const BATCH_MAX = 1000;

const OVERRUN: KernelEvent = { type: 'overrun' };

const read = (ip: string): Network => {
  const { code, output, complaints } = runIp(ip, ['-j', 'addr', 'show']);
  try {
    if (code === 0) return networkIn(output);
  } catch {
    // Told below.
  }
  throw new CarpError('CARP_ADDRESS', `${ip} does not tell the addresses of this host: ${firstLine(complaints)}`, {
    remedy: `${ip} -j addr show has to print JSON, as iproute2 4.13 and newer do`,
  });
};

const firstLine = (text: string): string => text.split('\n', 1)[0] || 'it says nothing that can be read';

const changeOf = ({ change }: RouteRequest): AddressChange => {
  if (change !== undefined) return change;
  throw new CarpError('CARP_NO_TRANSPORT', 'addressing virtual-mac needs the module koffi', {
    remedy: `npm install ${KOFFI}, or use addressing: interface`,
  });
};

const transactSome = (ip: string, changes: readonly AddressChange[]): readonly Outcome[] => {
  const { code, complaints } = runIp(ip, ['-force', '-batch', '-'], changes.map(commandLine).join(''));
  const outcomes = batchOutcomes(changes.length, code, complaints);
  if (outcomes === undefined)
    throw new CarpError('CARP_ADDRESS', `${ip} -batch ended with code ${code}: ${firstLine(complaints)}`);
  if (outcomes.some(({ errno }) => errno === Errno.EPERM)) {
    const problem = noSpawnPermission('changing addresses');
    if (problem !== undefined) throw problem;
  }
  return outcomes;
};

/** What changes with links and addresses, at a tenth of a millisecond. Addresses of links that are down are not in it. */
const glance = (): string => {
  const folder = '/sys/class/net';
  const states = namesIn(folder).map((name) => [
    name,
    ...['ifindex', 'flags', 'carrier'].map((file) => contentOf(`${folder}/${name}/${file}`)),
  ]);
  return JSON.stringify([states, networkInterfaces()]);
};

const namesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** `carrier` of a link that is down cannot be read: EINVAL. */
const contentOf = (file: string): string => {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
};

/** For as long as nobody listens. The first look tells nothing: whoever subscribes has just looked. */
const polled = (scheduler: SchedulerLike): Observable<KernelEvent> =>
  interval(POLL_MS, scheduler).pipe(
    startWith(0),
    map(glance),
    distinctUntilChanged(),
    skip(1),
    map(() => OVERRUN),
  );

interface Watching extends Required<Pick<IprouteKernelOptions, 'log' | 'receiveBuffer' | 'scheduler'>> {
  readonly ip: string;
  readonly setpriv: string | undefined;
}

const watch = ({ ip, setpriv, log, receiveBuffer, scheduler }: Watching): Observable<KernelEvent> =>
  defer(() => {
    const listening$ = new BehaviorSubject(false);
    /** Runs that ended before they listened, one after the other. */
    let failures = 0;
    const run$ = defer(() => {
      let listens = false;
      // A setpriv that is too old for us must not stand in the way.
      return monitor({ ip, setpriv: failures % 2 === 0 ? setpriv : undefined, receiveBuffer }).pipe(
        tap((signal) => {
          if (signal.type !== 'listening') return;
          listens = true;
          failures = 0;
          listening$.next(true);
        }),
        map((signal): KernelEvent => (signal.type === 'line' ? (messageIn(signal.line) ?? OVERRUN) : OVERRUN)),
        finalize(() => {
          if (!listens) failures += 1;
          listening$.next(false);
        }),
      );
    });
    const restarted$ = run$.pipe(
      repeat({
        delay: () => {
          if (failures === 2) log('warn', `${ip} monitor does not run; the network is looked at every ${POLL_MS} ms`);
          return timer(Math.min(RESTART_MS.shortest * 2 ** failures, RESTART_MS.longest), scheduler);
        },
      }),
    );
    return merge(
      restarted$,
      listening$.pipe(
        distinctUntilChanged(),
        switchMap((listens) => (listens ? NEVER : polled(scheduler))),
      ),
    );
  }).pipe(share());

/**
 * `read` and `transact` wait for a program of some milliseconds; a change of addresses that was refused by file
 * capabilities throws CARP_NO_PERMISSION, requests that are not about addresses throw CARP_NO_TRANSPORT. `events$` is
 * that of one `ip monitor`, and lets its subscribers look again where it is unsure.
 *
 * @throws CarpError CARP_NO_TRANSPORT where iproute2 is missing or busybox stands in for it
 */
export const createIprouteKernel = (options: IprouteKernelOptions): Kernel => {
  const { log, receiveBuffer = RECEIVE_BUFFER, scheduler = asyncScheduler } = options;
  const ip = findIp(options.ip);
  const setpriv = 'setpriv' in options ? options.setpriv : programPath('setpriv');
  return {
    read: () => read(ip),
    transact: (requests) => {
      const changes = requests.map(changeOf);
      const outcomes: Outcome[] = [];
      for (let at = 0; at < changes.length; at += BATCH_MAX)
        outcomes.push(...transactSome(ip, changes.slice(at, at + BATCH_MAX)));
      return outcomes;
    },
    events$: watch({ ip, setpriv, log, receiveBuffer, scheduler }),
  };
};
