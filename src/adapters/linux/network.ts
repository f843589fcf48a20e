/** The links and addresses of this network namespace as a value, and how messages change it. Pure. */
import { type Cidr, sameAddress } from '../../protocol/address.ts';
import { type AddressEntry, AddressFlag, type Link, type RouteMessage } from './rtnetlink.ts';

export interface Network {
  /** By interface index. */
  readonly links: ReadonlyMap<number, Link>;
  /** By interface index, in the order of the kernel. */
  readonly addresses: ReadonlyMap<number, readonly AddressEntry[]>;
}

export const EMPTY_NETWORK: Network = { links: new Map(), addresses: new Map() };

export const linkNamed = ({ links }: Network, name: string): Link | undefined =>
  [...links.values()].find((link) => link.name === name);

export const addressesOf = ({ addresses }: Network, index: number): readonly AddressEntry[] =>
  addresses.get(index) ?? [];

export const sameCidr = (a: Cidr, b: Cidr): boolean => a.prefix === b.prefix && sameAddress(a.address, b.address);

/** What a dump of links followed by a dump of addresses says. */
export const networkFrom = (messages: readonly RouteMessage[]): Network => {
  const links = new Map<number, Link>();
  const addresses = new Map<number, AddressEntry[]>();
  for (const message of messages) {
    if (message.type === 'link') links.set(message.link.index, message.link);
    if (message.type !== 'address') continue;
    const list = addresses.get(message.entry.index);
    if (list === undefined) addresses.set(message.entry.index, [message.entry]);
    else list.push(message.entry);
  }
  return { links, addresses };
};

/** Everything but how much of its lifetime is left: a renewal changes nothing that anybody wants to know. */
const sameEntry = (a: AddressEntry, b: AddressEntry): boolean =>
  sameCidr(a, b) && a.flags === b.flags && (a.validSeconds === undefined) === (b.validSeconds === undefined);

/**
 * Where the kernel puts a new address: an IPv4 one behind the others of its kind, primary before secondary
 * (__inet_insert_ifa); an IPv6 one before those of its scope, global before link-local (ipv6_link_dev_addr).
 */
const comesBefore = (entry: AddressEntry, other: AddressEntry): boolean => {
  if (entry.address.family !== other.address.family) return entry.address.family < other.address.family;
  if (entry.address.family === 6) return entry.scope <= other.scope;
  return (entry.flags & AddressFlag.SECONDARY) < (other.flags & AddressFlag.SECONDARY);
};

const withEntry = (list: readonly AddressEntry[], entry: AddressEntry): readonly AddressEntry[] => {
  const old = list.findIndex((each) => sameCidr(each, entry));
  const before = list[old];
  if (before !== undefined && (before.flags & AddressFlag.SECONDARY) === (entry.flags & AddressFlag.SECONDARY))
    return sameEntry(before, entry) ? list : list.with(old, entry);
  const others = list.filter((_, i) => i !== old);
  const place = others.findIndex((other) => comesBefore(entry, other));
  return others.toSpliced(place === -1 ? others.length : place, 0, entry);
};

/** The network after a message; the very same object when nothing of interest has changed. */
export const afterMessage = (network: Network, message: RouteMessage): Network => {
  switch (message.type) {
    case 'link': {
      const { link } = message;
      const old = network.links.get(link.index);
      if (old?.name === link.name && old.flags === link.flags) return network;
      return { ...network, links: new Map(network.links).set(link.index, link) };
    }
    case 'linkGone': {
      if (!network.links.has(message.index)) return network;
      const links = new Map(network.links);
      const addresses = new Map(network.addresses);
      links.delete(message.index);
      addresses.delete(message.index);
      return { links, addresses };
    }
    case 'address':
    case 'addressGone': {
      const { entry } = message;
      const list = addressesOf(network, entry.index);
      const next = message.type === 'address' ? withEntry(list, entry) : list.filter((each) => !sameCidr(each, entry));
      if (next === list || (message.type === 'addressGone' && next.length === list.length)) return network;
      return { ...network, addresses: new Map(network.addresses).set(entry.index, next) };
    }
    default:
      return message satisfies never;
  }
};
