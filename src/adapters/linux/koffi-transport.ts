import { Subject } from 'rxjs';
import { CarpError } from '../../ports/error.ts';
import type { Channel, ChannelOptions, Packet, Transport } from '../../ports/transport.ts';
import { type IpAddress, parseAddress } from '../../protocol/address.ts';
import { CARP_GROUP_IPV4, CARP_GROUP_IPV6 } from '../../protocol/constants.ts';
import { broadcastSocket } from './broadcast-socket.ts';
import { type Libc, SystemCallError, libc as systemLibc } from './libc.ts';
import { type LinkLoss, linkLoss } from './link-loss.ts';
import { noInterface } from './no-interface.ts';
import { openError } from './open-error.ts';
import { receiveSocket } from './receive-socket.ts';
import { sendError } from './send-error.ts';
import { sendSocket } from './send-socket.ts';

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

const openChannel = (libc: Libc, watchLink: LinkLoss, options: ChannelOptions): Channel => {
  const { family, interface: name, peers } = options;
  const group = options.group ?? GROUPS[family];
  const isBroadcast = options.broadcast && family === 4 && peers.length === 0;
  const ifIndex = libc.ifIndex(name);
  if (ifIndex === 0) throw noInterface(name);

  const packets$ = new Subject<Packet>();
  const undo: (() => void)[] = [];
  let closed = false;
  const shut = (): void => {
    closed = true;
    for (const step of undo.splice(0).reverse()) step();
  };
  /** Ends the channel with an error, as the first one that is found. */
  const fail = (error: CarpError): void => {
    if (closed) return;
    shut();
    packets$.error(error);
  };
  const read = (limit: number): void => {
    try {
      for (let i = 0; i < limit && !closed; i++) {
        const packet = receiving.receive();
        if (packet === undefined) return;
        if (packet !== 'refused') packets$.next(packet);
      }
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      fail(noInterface(name, `interface ${name} cannot be read any more: ${error.message}`, error));
    }
  };
  /** What is opened is closed in the reverse order: the poll before its socket. */
  const keep = <T extends { readonly fd: number }>(socket: T): T => {
    undo.push(() => libc.close(socket.fd));
    return socket;
  };
  const open = () => {
    // First, so that a deletion that comes between the next lines is noticed.
    undo.push(watchLink({ name, index: ifIndex }, () => fail(noInterface(name, `interface ${name} has gone`))).close);
    const found = {
      receiving: keep(receiveSocket(libc, { ...options, ifIndex, group })),
      sending: keep((isBroadcast ? broadcastSocket : sendSocket)(libc, { ...options, ifIndex, group })),
    };
    undo.push(libc.pollReadable(found.receiving.fd, () => read(BATCH)).close);
    // The sockets are bound by name, which may be that of another interface by now.
    if (libc.ifIndex(name) !== ifIndex) throw noInterface(name);
    return found;
  };
  const opened = (): ReturnType<typeof open> => {
    try {
      return open();
    } catch (error) {
      shut();
      throw openError(options, error);
    }
  };
  const { receiving, sending } = opened();

  return {
    packets$: packets$.asObservable(),
    dropped: () => (closed ? 0 : receiving.dropped()),
    send: (payload, source) => {
      if (closed) throw new CarpError('CARP_SEND', `the channel on ${name} is closed`);
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
      if (closed) return;
      shut();
      packets$.complete();
    },
  };
};

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
