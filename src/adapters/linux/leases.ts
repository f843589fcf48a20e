/**
 * Addresses that the kernel takes back by itself (DESIGN 6): added with a lifetime that `lease-keeper.ts` renews.
 *
 * 1. An entry of the kernel that is permanent, or has a lifetime but is not on record as ours, is never changed.
 * 2. What is added has been recorded before.
 * 3. All addresses of a lease are held, or none.
 */
import type { SchedulerLike } from 'rxjs';
import type { Addresses, Lease, LeaseRequest } from '../../ports/addresses.ts';
import { CarpError } from '../../ports/error.ts';
import type { Log } from '../../ports/log.ts';
import { type Cidr, formatCidr, isLinkLocal, sameAddress } from '../../protocol/address.ts';
import { removeAddresses, removeLeased } from './address-removal.ts';
import { HeldLease, type Instant } from './held-lease.ts';
import { bootTimeMs, type HostEpoch, readHostEpoch } from './host-epoch.ts';
import type { Kernel } from './kernel.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { type LeasePlan, planLease } from './lease-plan.ts';
import { LeaseRecord } from './lease-record.ts';
import { addressesOf, linkNamed } from './network.ts';
import { noPermission } from './no-permission.ts';
import { outcomeText } from './route-socket.ts';
import { addAddress, deleteAddress, Errno, type Outcome, type Place } from './rtnetlink.ts';
import { canPromoteSecondaries, promoteCommand, promoteSecondaries, promotesSecondaries } from './sysctl.ts';

export interface LeasesOptions {
  readonly kernel: Kernel;
  /** Where `leases.json` is kept; made if it is missing. Of one process only. */
  readonly stateFolder: string;
  /** `now()` is monotonic. */
  readonly scheduler: SchedulerLike;
  readonly log: Log;
  /** CLOCK_BOOTTIME, ms. */
  readonly bootTimeMs?: () => number;
  readonly epoch?: HostEpoch;
}

export interface Leases extends Addresses {
  /** Resolves when the state file is up to date: worth waiting for before the process ends. */
  readonly settled: () => Promise<void>;
}

/** No interface has this index: a request for it tells whether we may, and changes nothing. */
const NO_INDEX = 0x7fff_ffff;
const NOWHERE: Place = {
  index: NO_INDEX,
  address: { family: 4, bytes: Uint8Array.of(192, 0, 2, 1), text: '192.0.2.1' },
  prefix: 32,
};

const heldAlready = (cidr: Cidr, { request }: HeldLease): CarpError =>
  new CarpError(
    'CARP_ADDRESS_IN_USE',
    `${formatCidr(cidr)} is held by the group ${request.group} on ${request.interface} already`,
    { remedy: 'give each address to one group only' },
  );

const endangers = (interfaceName: string): CarpError =>
  new CarpError(
    'CARP_ADDRESS',
    `a shared address would be the first of its subnet on ${interfaceName}, and without promote_secondaries its end would take the host's own addresses along`,
    { remedy: promoteCommand(interfaceName) },
  );

const refused = (interfaceName: string, place: Place, outcome: Outcome): CarpError => {
  const cidr = formatCidr(place);
  if (outcome.errno === Errno.EPERM) return noPermission('changing addresses');
  if (outcome.errno === Errno.ENODEV) return new CarpError('CARP_NO_INTERFACE', `${interfaceName} has gone`);
  if (outcome.errno === Errno.EEXIST)
    return new CarpError('CARP_ADDRESS_IN_USE', `somebody has set ${cidr} on ${interfaceName} at this very moment`, {
      remedy: `ip addr del ${cidr} dev ${interfaceName}`,
    });
  const message = `${cidr} cannot be set on ${interfaceName}: ${outcomeText(outcome)}`;
  // EACCES is what the kernel says where IPv6 is switched off.
  const remedy =
    place.address.family === 6 && outcome.errno === Errno.EACCES
      ? `sysctl -w net.ipv6.conf.${interfaceName.replaceAll('.', '/')}.disable_ipv6=0`
      : undefined;
  return new CarpError('CARP_ADDRESS', message, { remedy });
};

class KernelLeases implements Leases {
  readonly #kernel: Kernel;
  readonly #log: Log;
  readonly #now: () => Instant;
  readonly #record: LeaseRecord;
  readonly #keeper: LeaseKeeper;

  constructor(options: LeasesOptions) {
    const { kernel, scheduler, log } = options;
    const boot = options.bootTimeMs ?? bootTimeMs;
    this.#kernel = kernel;
    this.#log = log;
    this.#now = () => ({ monotonic: scheduler.now(), boot: boot() });
    this.#record = new LeaseRecord({
      folder: options.stateFolder,
      epoch: options.epoch ?? readHostEpoch(),
      bootTimeMs: boot,
      log,
    });
    this.#keeper = new LeaseKeeper({ kernel, record: this.#record, scheduler, log, now: this.#now });
  }

  readonly check = (request: LeaseRequest): void => {
    const [outcome] = this.#kernel.transact([deleteAddress(NOWHERE)]);
    if (outcome?.errno === Errno.EPERM) throw noPermission('changing addresses');
    const { needsPromotion } = this.#plan(request, (holder) => holder.request.group !== request.group);
    const { interface: name } = request;
    if (needsPromotion && !promotesSecondaries(name) && !canPromoteSecondaries(name)) throw endangers(name);
  };

  readonly take = (request: LeaseRequest): Lease => {
    if (!Number.isInteger(request.seconds) || request.seconds < 1)
      throw new RangeError(`a lease lasts a whole number of seconds from 1, not ${request.seconds}`);
    const plan = this.#plan(request, () => true);
    if (plan.needsPromotion && !promoteSecondaries(request.interface)) throw endangers(request.interface);
    const places = [...plan.adoptions, ...plan.additions];
    this.#record.add({ ...request, addresses: places });
    const lease = new HeldLease(request, places, this.#now());
    this.#keeper.keep(lease);
    const failure = this.#add(request, plan);
    if (failure !== undefined) {
      this.#keeper.forget(lease);
      this.#record.remove(request.interface, places);
      throw failure;
    }
    return {
      events$: lease.events$,
      release: () => this.#keeper.end(lease),
      ageMs: () => lease.ageMs(this.#now()),
    };
  };

  readonly inherits = (request: LeaseRequest): boolean => this.#stale(request).length > 0;

  readonly disinherit = (request: LeaseRequest): void => {
    const found = this.#stale(request);
    if (found.length === 0) return;
    removeAddresses(this.#kernel, this.#log, found);
    this.#record.remove(request.interface, found);
    this.#log('warn', `removed what a former agent left on ${request.interface}: ${found.map(formatCidr).join(', ')}`);
  };

  readonly settled = (): Promise<void> => this.#record.settled();

  /** Those of the addresses that a predecessor held and the kernel still has, as they are set; none if it cannot be read. */
  #stale({ interface: name, addresses }: LeaseRequest): readonly Place[] {
    try {
      const network = this.#kernel.read();
      return addressesOf(network, linkNamed(network, name)?.index ?? NO_INDEX)
        .filter((entry) => addresses.some(({ address }) => sameAddress(address, entry.address)))
        .filter((entry) => this.#record.isOurs(name, entry) && this.#keeper.holderOf(entry) === undefined)
        .map(({ index, address, prefix }) => ({ index, address, prefix }));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#log('warn', `cannot see what a former agent left on ${name}; it will expire: ${message}`);
      return [];
    }
  }

  /** @param conflicts - whether a lease that has one of the addresses is in the way */
  #plan(request: LeaseRequest, conflicts: (holder: HeldLease) => boolean): LeasePlan {
    for (const holder of this.#keeper.leases) {
      const elsewhere = holder.request.interface !== request.interface;
      const shared = holder.addresses.find(
        ({ address }) =>
          request.addresses.some((wanted) => sameAddress(wanted.address, address)) &&
          !(elsewhere && isLinkLocal(address)),
      );
      if (shared !== undefined && conflicts(holder)) throw heldAlready(shared, holder);
    }
    return planLease(request, this.#kernel.read(), (name, entry) => this.#record.isOurs(name, entry));
  }

  /** Adds all or none; says why if none. */
  #add(request: LeaseRequest, plan: LeasePlan): CarpError | undefined {
    const { seconds } = request;
    const places = [...plan.adoptions, ...plan.additions];
    removeAddresses(this.#kernel, this.#log, plan.leftovers);
    try {
      const outcomes = this.#kernel.transact([
        ...plan.adoptions.map((place) => addAddress(place, seconds, 'replace')),
        ...plan.additions.map((place) => addAddress(place, seconds, 'exclusive')),
      ]);
      const failed = outcomes.findIndex(({ errno }) => errno !== 0);
      const place = places[failed];
      const outcome = outcomes[failed];
      if (place === undefined || outcome === undefined) return undefined;
      const added = places.filter((_, i) => outcomes[i]?.errno === 0);
      removeLeased(this.#kernel, this.#log, added, seconds);
      return refused(request.interface, place, outcome);
    } catch (error) {
      // What has been added is unknown; before this nothing was, and only what has our lifetime goes.
      removeLeased(this.#kernel, this.#log, places, seconds);
      const message = error instanceof Error ? error.message : String(error);
      return new CarpError('CARP_ADDRESS', `the addresses of ${request.group} could not be set: ${message}`, {
        remedy: error instanceof CarpError ? error.remedy : undefined,
        cause: error,
      });
    }
  }
}

/** Leases of addresses of this network namespace. Reads the state file; touches the network when it is asked to. */
export const createLeases = (options: LeasesOptions): Leases => new KernelLeases(options);
