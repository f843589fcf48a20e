import { CarpError } from '../../ports/error.ts';
import type { Interfaces } from '../../ports/interfaces.ts';
import type { Channel, ChannelOptions, Transport } from '../../ports/transport.ts';
import { openAdvertChannel } from '../linux/advert-channel.ts';
import { KOFFI } from '../linux/load-koffi.ts';
import { noInterface } from '../linux/no-interface.ts';
import { interfaceIndex } from './interface-index.ts';
import { loadRawSocket, type RawSocketModule } from './load-raw-socket.ts';
import { type OwnAddresses, ownAddresses } from './own-addresses.ts';
import { openReceiver } from './receiver.ts';
import { openSender } from './sender.ts';

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
  return openAdvertChannel(options, ({ group, undo, read, broken, fail }) => {
    const { interface: name } = options;
    const keep = <T extends { readonly close: () => void }>(socket: T): T => {
      undo(socket.close);
      return socket;
    };
    const index = interfaceIndex(module, name);
    const receiving = keep(openReceiver(module, { ...options, group, own, onReadable: read, onBroken: broken }, index));
    const sending = keep(openSender(module, { ...options, group, own }, index));
    /**
     * A socket that was bound to an interface that has gone stays silent for ever, and says nothing. One that was made
     * anew under its name is seen as not existing in between (`interfaces.ts` of adapters/linux).
     */
    const watching = interfaces.watch(name).subscribe({
      next: ({ exists }) => {
        if (!exists) fail(noInterface(name, `interface ${name} has gone`));
      },
      error: (error) => fail(noInterface(name, `interface ${name} cannot be watched any more`, error)),
    });
    undo(() => watching.unsubscribe());
    // The sockets are bound by name, which may be that of another interface by now.
    if (interfaceIndex(module, name) !== index) throw noInterface(name);
    return { receiving, sending };
  });
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
