import {
  distinctUntilChanged,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  pairwise,
  scan,
  shareReplay,
  startWith,
} from 'rxjs';
import type { InterfaceAddress, InterfaceState, Interfaces } from '../../ports/interfaces.ts';
import { formatCidr } from '../../protocol/address.ts';
import type { Kernel, KernelEvent } from './kernel.ts';
import { addressesOf, afterMessage, EMPTY_NETWORK, linkNamed, type Network } from './network.ts';
import { type AddressEntry, AddressFlag, type Link, LinkFlag } from './rtnetlink.ts';

/** One interface of the network, as far as it exists. */
interface Seen {
  readonly link: Link | undefined;
  readonly entries: readonly AddressEntry[];
}

const NOTHING: Seen = { link: undefined, entries: [] };

const seenIn = (network: Network, name: string): Seen => {
  const link = linkNamed(network, name);
  return link === undefined ? NOTHING : { link, entries: addressesOf(network, link.index) };
};

const has = (flags: number, flag: number): boolean => (flags & flag) !== 0;

const addressState = ({ address, prefix, flags, validSeconds }: AddressEntry): InterfaceAddress => ({
  address,
  prefix,
  tentative: has(flags, AddressFlag.TENTATIVE | AddressFlag.DADFAILED),
  deprecated: has(flags, AddressFlag.DEPRECATED),
  permanent: validSeconds === undefined,
});

const stateOf = (name: string, { link, entries }: Seen): InterfaceState => ({
  name,
  exists: link !== undefined,
  // IFF_RUNNING is operstate up or unknown (netif_oper_up): interfaces that cannot tell, such as dummies, count as up.
  up: link !== undefined && has(link.flags, LinkFlag.UP) && has(link.flags, LinkFlag.RUNNING),
  enabled: link !== undefined && has(link.flags, LinkFlag.UP),
  addresses: entries.map(addressState),
});

const contentOf = ({ exists, up, enabled, addresses }: InterfaceState): string =>
  JSON.stringify([exists, up, enabled, addresses.map((a) => [formatCidr(a), a.tentative, a.deprecated, a.permanent])]);

/** An interface that was recreated under its name is another one: sockets on the old are dead. */
const withGap = ([before, now]: readonly [Seen, Seen]): readonly Seen[] =>
  before.link !== undefined && now.link !== undefined && before.link.index !== now.link.index ? [NOTHING, now] : [now];

/** The network now and after each change; shared, and forgotten with the last subscriber. */
const networks = (kernel: Kernel): Observable<Network> =>
  // The socket of `events$` is open before the first reading, so that no change falls between the two.
  merge(kernel.events$, of<KernelEvent>({ type: 'overrun' })).pipe(
    scan((network, event) => (event.type === 'overrun' ? kernel.read() : afterMessage(network, event)), EMPTY_NETWORK),
    distinctUntilChanged(),
    shareReplay({ bufferSize: 1, refCount: true }),
  );

/** The interfaces of this network namespace. All watchers share one netlink socket. */
export const createInterfaces = (kernel: Kernel): Interfaces => {
  const network$ = networks(kernel);
  return {
    watch: (name) =>
      network$.pipe(
        map((network) => seenIn(network, name)),
        distinctUntilChanged((a, b) => a.link === b.link && a.entries === b.entries),
        startWith(NOTHING),
        pairwise(),
        mergeMap(withGap),
        map((seen) => stateOf(name, seen)),
        distinctUntilChanged((a, b) => contentOf(a) === contentOf(b)),
      ),
  };
};
