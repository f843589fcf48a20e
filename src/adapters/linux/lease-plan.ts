import type { LeaseRequest } from '../../ports/addresses.ts';
import { CarpError } from '../../ports/error.ts';
import { type Cidr, formatCidr, isInSubnet, isLinkLocal, sameAddress } from '../../protocol/address.ts';
import { addressesOf, linkNamed, type Network } from './network.ts';
import type { AddressEntry, Place } from './rtnetlink.ts';

export interface LeasePlan {
  readonly index: number;
  /** What to add: with the prefix that fits the interface. */
  readonly additions: readonly Place[];
  /** What is there from a predecessor, and only has to be renewed. */
  readonly adoptions: readonly Place[];
  /** What a predecessor has left on other interfaces: to be removed. */
  readonly leftovers: readonly Place[];
  /** A primary IPv4 address will be ours: promote_secondaries has to be on. */
  readonly needsPromotion: boolean;
}

/** Whether an entry of the kernel is a lease of ours: of this process or of a predecessor. */
export type IsOurs = (interfaceName: string, entry: AddressEntry) => boolean;

const fullPrefix = ({ address }: Cidr): number => address.bytes.length * 8;

/** Rounded up: what is looked at every other second shall not be told anew each time. */
const coarse = (seconds: number): number => {
  const step = seconds > 60 ? 60 : 10;
  return Math.ceil(seconds / step) * step;
};

/** An address that will go by itself is another problem than one that stays until somebody removes it. */
const refuse = (entry: AddressEntry, interfaceName: string): never => {
  const cidr = formatCidr(entry);
  const rule = 'a shared address may only be set by the group that shares it';
  const removal = `ip addr del ${cidr} dev ${interfaceName}`;
  if (entry.validSeconds === undefined)
    throw new CarpError('CARP_ADDRESS_IN_USE', `${cidr} is set on ${interfaceName} already, for good: ${rule}`, {
      remedy: removal,
    });
  throw new CarpError(
    'CARP_ADDRESS',
    `${cidr} is set on ${interfaceName} already, for up to ${coarse(entry.validSeconds)} s more, and not by us: ${rule}`,
    { remedy: `wait until it has gone, or: ${removal}` },
  );
};

/**
 * As /32 (/128) where the interface has an address of that subnet: such an entry is nobody's primary or secondary. Else
 * with the prefix as given, which brings the route to the subnet.
 */
const fittingPrefix = (wanted: Cidr, others: readonly AddressEntry[]): number =>
  others.some((other) => isInSubnet(wanted.address, other) || isInSubnet(other.address, wanted))
    ? fullPrefix(wanted)
    : wanted.prefix;

/**
 * Decides how the addresses of a request are to be taken. Pure.
 *
 * @throws CarpError CARP_NO_INTERFACE; CARP_ADDRESS_IN_USE when one is set that is permanent, CARP_ADDRESS when one is
 *   set that has a lifetime and is not ours; on whatever interface (link-local addresses count on their own only)
 */
export const planLease = (request: LeaseRequest, network: Network, isOurs: IsOurs): LeasePlan => {
  const link = linkNamed(network, request.interface);
  if (link === undefined)
    throw new CarpError('CARP_NO_INTERFACE', `there is no interface ${request.interface}`, {
      remedy: `ip link show (names: ${[...network.links.values()].map(({ name }) => name).join(', ')})`,
    });

  const additions: Place[] = [];
  const adoptions: Place[] = [];
  const leftovers: Place[] = [];
  const foreign = addressesOf(network, link.index).filter((entry) => !isOurs(link.name, entry));

  for (const wanted of request.addresses) {
    let adopted = false;
    for (const { name, index } of network.links.values()) {
      if (index !== link.index && isLinkLocal(wanted.address)) continue;
      for (const entry of addressesOf(network, index)) {
        if (!sameAddress(entry.address, wanted.address)) continue;
        if (!isOurs(name, entry)) refuse(entry, name);
        const place: Place = { index, address: entry.address, prefix: entry.prefix };
        if (index === link.index && !adopted) {
          adopted = true;
          adoptions.push(place);
        } else leftovers.push(place);
      }
    }
    if (!adopted)
      additions.push({ index: link.index, address: wanted.address, prefix: fittingPrefix(wanted, foreign) });
  }
  const primary = ({ address, prefix }: Place): boolean => address.family === 4 && prefix < 32;
  return {
    index: link.index,
    additions,
    adoptions,
    leftovers,
    needsPromotion: [...additions, ...adoptions].some(primary),
  };
};
