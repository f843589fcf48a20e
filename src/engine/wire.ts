import { catchError, EMPTY, merge, Observable } from 'rxjs';
import type { Channel, Packet, Transport } from '../ports/transport.ts';
import type { Family, IpAddress } from '../protocol/address.ts';
import { DIALECTS } from '../protocol/dialect.ts';
import type { GroupSettings, TtlCheck } from './settings.ts';

/** The channels of one group, one for each family it speaks. */
export interface Wire {
  readonly families: readonly Family[];
  readonly packets$: Observable<Packet>;
  readonly dropped: () => number;
  /** @throws CarpError CARP_SEND */
  readonly send: (family: Family, payload: Uint8Array, source: IpAddress) => void;
  readonly drain: () => void;
}

/**
 * The families in which a group speaks: those of its addresses. A group without addresses (it only has a role) speaks
 * in those of its configured sources, else in IPv4.
 */
export const familiesOf = ({ addresses, sources }: Pick<GroupSettings, 'addresses' | 'sources'>): readonly Family[] => {
  const all = addresses.length > 0 ? addresses.map(({ address }) => address) : sources;
  const families = [...new Set(all.map(({ family }) => family))].sort();
  return families.length > 0 ? families : [4];
};

type WireSettings = Pick<
  GroupSettings,
  | 'interface'
  | 'vhid'
  | 'peers'
  | 'addresses'
  | 'sources'
  | 'compatibility'
  | 'dscp'
  | 'checkTtl'
  | 'broadcast'
  | 'multicast'
>;

/** Adverts beyond a router can only be let in by whoever asks for them. */
export const checksTtl = (check: TtlCheck, family: Family): boolean =>
  check === 'always' || (check === 'ipv4' && family === 4);

/** The two low bits of the byte are for congestion notification (RFC 2474, RFC 3168). */
const tosOf = ({ compatibility, dscp }: WireSettings, family: Family): number =>
  dscp === undefined ? DIALECTS[compatibility].tos[family] : dscp << 2;

/**
 * Opens the channels and hands them out once; closes them when unsubscribed. Errors with the CarpError of a channel
 * that cannot be opened, or breaks.
 */
export const openWire = (settings: WireSettings, transport: Transport): Observable<Wire> =>
  new Observable<Wire>((subscriber) => {
    const channels = new Map<Family, Channel>();
    const close = (): void => {
      for (const channel of channels.values()) channel.close();
    };
    try {
      for (const family of familiesOf(settings))
        channels.set(
          family,
          transport.open({
            interface: settings.interface,
            family,
            vhid: settings.vhid,
            peers: settings.peers.filter((peer) => peer.family === family),
            tos: tosOf(settings, family),
            checksTtl: checksTtl(settings.checkTtl, family),
            broadcast: settings.broadcast && family === 4,
            ...(settings.multicast?.family === family ? { group: settings.multicast } : {}),
          }),
        );
    } catch (error) {
      close();
      subscriber.error(error);
      return undefined;
    }
    const all = [...channels.values()];
    const packets$ = merge(...all.map(({ packets$: packets }) => packets));
    subscriber.add(packets$.subscribe({ error: (error) => subscriber.error(error) }));
    subscriber.next({
      families: [...channels.keys()],
      // The subscription above has seen the error already: for readers the wire has only fallen silent.
      packets$: packets$.pipe(catchError(() => EMPTY)),
      dropped: () => all.reduce((sum, channel) => sum + channel.dropped(), 0),
      send: (family, payload, source) => channels.get(family)?.send(payload, source),
      drain: () => {
        for (const channel of all) channel.drain();
      },
    });
    return close;
  });
