import { Subject, Subscription } from 'rxjs';
import { CarpError } from '../../ports/error.ts';
import type { Interfaces } from '../../ports/interfaces.ts';
import type { Channel, ChannelOptions, Packet, Transport } from '../../ports/transport.ts';
import { type IpAddress, parseAddress } from '../../protocol/address.ts';
import { CARP_GROUP_IPV4, CARP_GROUP_IPV6 } from '../../protocol/constants.ts';
import { SystemCallError } from '../linux/libc.ts';
import { KOFFI } from '../linux/load-koffi.ts';
import { noInterface } from '../linux/no-interface.ts';
import { openError } from '../linux/open-error.ts';
import { sendError } from '../linux/send-error.ts';
import { interfaceIndex } from './interface-index.ts';
import { loadRawSocket, type RawSocketModule } from './load-raw-socket.ts';
import { type OwnAddresses, ownAddresses } from './own-addresses.ts';
import { openReceiver } from './receiver.ts';
import { openSender } from './sender.ts';

/** Packets of one wake-up: a flood must not keep timers waiting. The rest comes with the next turn of the loop. */
const BATCH = 64;
/** More than the receive buffer holds: `drain` ends although somebody sends as fast as it reads. */
const DRAIN_MAX = 4096;

const addressIn = (text: string): IpAddress => {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address;
};
const GROUPS = { 4: addressIn(CARP_GROUP_IPV4), 6: addressIn(CARP_GROUP_IPV6) } as const;

/** What this transport cannot do, said before anything is opened. @throws CarpError CARP_NO_TRANSPORT */
const refuseImpossible = ({ interface: name, family, peers, checksTtl, broadcast }: ChannelOptions): void => {
  if (family === 6 && checksTtl)
    throw new CarpError(
      'CARP_NO_TRANSPORT',
      `transport raw-socket cannot see the hop limits of IPv6 on ${name}, by which adverts from beyond a router are told`,
      {
        remedy: `use koffi (npm install ${KOFFI}; transport: auto), or, where routers drop IP protocol 112 that comes from outside, checkTtl: ipv4`,
      },
    );
  if (broadcast && family === 4 && peers.length === 0)
    throw new CarpError('CARP_NO_TRANSPORT', `transport raw-socket cannot send broadcast frames on ${name}`, {
      remedy: `use koffi (npm install ${KOFFI}; transport: auto), or broadcast: false`,
    });
};

interface Parts {
  readonly module: RawSocketModule;
  readonly interfaces: Interfaces;
  readonly own: OwnAddresses;
}

const openChannel = ({ module, interfaces, own }: Parts, options: ChannelOptions): Channel => {
  refuseImpossible(options);
  const { family, interface: name, peers } = options;
  const group = options.group ?? GROUPS[family];
  const packets$ = new Subject<Packet>();
  const undo = new Subscription();
  /** Ends the channel with an error, as the first one that is found. */
  const fail = (error: CarpError): void => {
    if (undo.closed) return;
    undo.unsubscribe();
    packets$.error(error);
  };
  const unreadable = (error: SystemCallError): void =>
    fail(noInterface(name, `interface ${name} cannot be read any more: ${error.message}`, error));
  const read = (limit: number): void => {
    try {
      for (let i = 0; i < limit && !undo.closed; i++) {
        const packet = receiving.receive();
        if (packet === undefined) return;
        if (packet !== 'refused') packets$.next(packet);
      }
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      unreadable(error);
    }
  };
  const keep = <T extends { readonly close: () => void }>(socket: T): T => {
    undo.add(() => socket.close());
    return socket;
  };
  /**
   * A socket that was bound to an interface that has gone stays silent for ever, and says nothing. One that was made anew
   * under its name is seen as not existing in between (`interfaces.ts` of adapters/linux).
   */
  const watchInterface = (): void => {
    undo.add(
      interfaces.watch(name).subscribe({
        next: ({ exists }) => {
          if (!exists) fail(noInterface(name, `interface ${name} has gone`));
        },
        error: (error) => fail(noInterface(name, `interface ${name} cannot be watched any more`, error)),
      }),
    );
  };
  const open = () => {
    const index = interfaceIndex(module, name);
    const found = {
      receiving: keep(
        openReceiver(module, { ...options, group, own, onReadable: () => read(BATCH), onBroken: unreadable }, index),
      ),
      sending: keep(openSender(module, { ...options, group, own }, index)),
    };
    watchInterface();
    // The sockets are bound by name, which may be that of another interface by now.
    if (undo.closed || interfaceIndex(module, name) !== index) throw noInterface(name);
    return found;
  };
  const opened = (): ReturnType<typeof open> => {
    try {
      return open();
    } catch (error) {
      undo.unsubscribe();
      throw openError(options, error);
    }
  };
  const { receiving, sending } = opened();

  return {
    packets$: packets$.asObservable(),
    dropped: () => (undo.closed ? 0 : receiving.dropped()),
    send: (payload, source) => {
      if (undo.closed) throw new CarpError('CARP_SEND', `the channel on ${name} is closed`);
      const failures: unknown[] = [];
      const destinations = peers.length === 0 ? [group] : peers;
      for (const destination of destinations)
        try {
          sending.send(payload, { source, destination });
        } catch (error) {
          failures.push(sendError({ name, source, destination }, error));
        }
      // A peer without a route must not look as if this host could not send at all.
      if (failures.length === destinations.length) throw failures[0];
    },
    drain: () => read(DRAIN_MAX),
    close: () => {
      if (undo.closed) return;
      undo.unsubscribe();
      packets$.complete();
    },
  };
};

/**
 * Adverts through the module raw-socket, for hosts that koffi has no binaries for, and for those who want no foreign
 * function interface. IPv4 is complete. Of IPv6 neither hop limits nor destinations are seen: it takes a group that does
 * not check them. Nothing is filtered by the kernel.
 *
 * Streams of packets end as those of the koffi transport do. All channels share what is read of the host's addresses.
 *
 * @param interfaces - tells when an interface has gone
 * @throws CarpError CARP_NO_TRANSPORT when raw-socket is missing or was not built
 */
export const createRawSocketTransport = (
  interfaces: Interfaces,
  module: RawSocketModule = loadRawSocket(),
): Transport => {
  const own = ownAddresses();
  return { name: 'raw-socket', open: (options) => openChannel({ module, interfaces, own }, options) };
};
