/**
 * What the channels of all transports of Linux do alike: they read in bounded batches, send to the group or to every
 * peer, and end once, by whoever is first: their owner or an error.
 */
import { Subject } from 'rxjs';
import { CarpError } from '../../ports/error.ts';
import type { Channel, ChannelOptions, Packet } from '../../ports/transport.ts';
import { type IpAddress, parseAddress } from '../../protocol/address.ts';
import { CARP_GROUP_IPV4, CARP_GROUP_IPV6 } from '../../protocol/constants.ts';
import { SystemCallError } from './libc.ts';
import { noInterface } from './no-interface.ts';
import { openError } from './open-error.ts';
import { sendError } from './send-error.ts';

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

/** Two sockets, because sends on one that is being flooded wait for seconds. */
export interface Sockets {
  readonly receiving: {
    /** The next packet; 'refused' if it was not for us after all; `undefined` if there is none now. @throws SystemCallError */
    readonly receive: () => Packet | 'refused' | undefined;
    readonly dropped: () => number;
  };
  readonly sending: {
    /** @throws SystemCallError */
    readonly send: (payload: Uint8Array, to: { readonly source: IpAddress; readonly destination: IpAddress }) => void;
  };
}

/** What those who open the sockets of a channel are given. */
export interface Opening {
  readonly group: IpAddress;
  /** Keeps a step for the end, when all are taken in the reverse order; also if opening fails half-way. */
  readonly undo: (step: () => void) => void;
  /** Reads some of what has arrived. */
  readonly read: () => void;
  /** The receiving socket is of no use any more. */
  readonly broken: (error: SystemCallError) => void;
  /** Ends the channel with an error, as the first one that is found. */
  readonly fail: (error: CarpError) => void;
}

/** @throws CarpError, and whatever `open` throws that is no SystemCallError */
export const openAdvertChannel = (options: ChannelOptions, open: (opening: Opening) => Sockets): Channel => {
  const { family, interface: name, peers } = options;
  const group = options.group ?? GROUPS[family];
  const destinations = peers.length === 0 ? [group] : peers;
  const packets$ = new Subject<Packet>();
  const steps: (() => void)[] = [];
  let closed = false;
  const shut = (): void => {
    closed = true;
    for (const step of steps.splice(0).reverse()) step();
  };
  const fail = (error: CarpError): void => {
    if (closed) return;
    shut();
    packets$.error(error);
  };
  const broken = (error: SystemCallError): void =>
    fail(noInterface(name, `interface ${name} cannot be read any more: ${error.message}`, error));
  const read = (limit: number): void => {
    try {
      for (let i = 0; i < limit && !closed; i++) {
        const packet = receiving.receive();
        if (packet === undefined) return;
        if (packet !== 'refused') packets$.next(packet);
      }
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      broken(error);
    }
  };
  const opened = (): Sockets => {
    try {
      const sockets = open({ group, undo: (step) => steps.push(step), read: () => read(BATCH), broken, fail });
      if (closed) throw noInterface(name);
      return sockets;
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
