/**
 * The kernel's links and addresses through the programs of iproute2, for machines on which koffi does not load.
 *
 * Whoever changes addresses is waited for (measured: 4 ms, 6 ms for one in ten, on one core of a small server; 1 and 20
 * addresses alike). One `ip -batch` that stays open would answer within 0.2 ms, but could carry a renewal out when it is
 * too late: a lease is fenced only if nothing of it is under way in another process (see `lease-keeper.ts`). At two
 * renewals a second that is less than one percent of the event loop's time.
 */
import { readFileSync } from 'node:fs';
import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { CarpError } from '../../ports/error.ts';
import type { Log } from '../../ports/log.ts';
import { batchOutcomes, commandLine } from './iproute-commands.ts';
import { iprouteEvents } from './iproute-events.ts';
import { networkIn } from './iproute-output.ts';
import { findIp, runIp } from './iproute-program.ts';
import type { Kernel } from './kernel.ts';
import { KOFFI } from './load-koffi.ts';
import type { Network } from './network.ts';
import { noSpawnPermission } from './no-spawn-permission.ts';
import { orKoffi } from './or-koffi.ts';
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
/** Lines of one batch: bounds how long the event loop stands still. */
const BATCH_MAX = 1000;

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

/** ip reads `if7` as a name before it reads it as a number: the address would go to another interface. */
const refuseMisleadingNames = (changes: readonly AddressChange[]): void => {
  for (const index of new Set(changes.map(({ place }) => place.index))) {
    const name = `if${index}`;
    const real = indexOf(name);
    if (real === undefined || real === index) continue;
    throw new CarpError('CARP_NO_INTERFACE', `ip takes interface number ${index} for the one that is called ${name}`, {
      remedy: orKoffi(`give that one another name: ip link set ${name} name lan${real}`),
    });
  }
};

const indexOf = (name: string): number | undefined => {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'latin1'));
  } catch {
    return undefined;
  }
};

const transactSome = (ip: string, changes: readonly AddressChange[]): readonly Outcome[] => {
  refuseMisleadingNames(changes);
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

/**
 * `read` and `transact` wait for a program of some milliseconds; a change of addresses that was refused by file
 * capabilities throws CARP_NO_PERMISSION, requests that are not about addresses throw CARP_NO_TRANSPORT. `events$` says
 * that there is news, and lets its subscribers look.
 *
 * @throws CarpError CARP_NO_TRANSPORT where iproute2 is missing or busybox stands in for it
 */
export const createIprouteKernel = (options: IprouteKernelOptions): Kernel => {
  const { log, receiveBuffer = RECEIVE_BUFFER, scheduler = asyncScheduler } = options;
  const ip = findIp(options.ip);
  const setpriv = 'setpriv' in options ? options.setpriv : programPath('setpriv');
  /** What has just been read: all who are told of news look at the same. */
  let fresh: Network | undefined;
  const look = (tell: (network: Network) => void): void => {
    fresh = read(ip);
    try {
      tell(fresh);
    } finally {
      fresh = undefined;
    }
  };
  return {
    read: () => fresh ?? read(ip),
    transact: (requests) => {
      fresh = undefined;
      const changes = requests.map(changeOf);
      const outcomes: Outcome[] = [];
      for (let at = 0; at < changes.length; at += BATCH_MAX)
        outcomes.push(...transactSome(ip, changes.slice(at, at + BATCH_MAX)));
      return outcomes;
    },
    events$: iprouteEvents({ ip, setpriv, receiveBuffer, look, log, scheduler }),
  };
};
