import type { Channel, ChannelOptions, Transport } from '../../ports/transport.ts';
import { openAdvertChannel } from './advert-channel.ts';
import { broadcastSocket } from './broadcast-socket.ts';
import { type Libc, libc as systemLibc } from './libc.ts';
import { type LinkLoss, linkLoss } from './link-loss.ts';
import { noInterface } from './no-interface.ts';
import { receiveSocket } from './receive-socket.ts';
import { sendSocket } from './send-socket.ts';

const openChannel = (libc: Libc, watchLink: LinkLoss, options: ChannelOptions): Channel =>
  openAdvertChannel(options, ({ group, undo, read, fail }) => {
    const { family, interface: name, peers } = options;
    const isBroadcast = options.broadcast && family === 4 && peers.length === 0;
    const ifIndex = libc.ifIndex(name);
    if (ifIndex === 0) throw noInterface(name);
    /** What is opened is closed in the reverse order: the poll before its socket. */
    const keep = <T extends { readonly fd: number }>(socket: T): T => {
      undo(() => libc.close(socket.fd));
      return socket;
    };
    // First, so that a deletion that comes between the next lines is noticed.
    undo(watchLink({ name, index: ifIndex }, () => fail(noInterface(name, `interface ${name} has gone`))).close);
    const receiving = keep(receiveSocket(libc, { ...options, ifIndex, group }));
    const sending = keep((isBroadcast ? broadcastSocket : sendSocket)(libc, { ...options, ifIndex, group }));
    undo(libc.pollReadable(receiving.fd, read).close);
    // The sockets are bound by name, which may be that of another interface by now.
    if (libc.ifIndex(name) !== ifIndex) throw noInterface(name);
    return { receiving, sending };
  });

/**
 * Adverts through raw sockets: hop limits, destinations and interfaces are seen, and the kernel filters.
 *
 * Per channel one socket receives and another sends. Streams of packets complete with `close`; they fail with
 * CARP_NO_INTERFACE when the interface is deleted or renamed, also if one of that name is back at once, and the channel
 * is then closed already.
 *
 * @throws CarpError CARP_NO_TRANSPORT when koffi is missing
 */
export const createKoffiTransport = (libc: Libc = systemLibc()): Transport => {
  const watchLink = linkLoss(libc);
  return { name: 'koffi', open: (options) => openChannel(libc, watchLink, options) };
};
