import { Observable, share } from 'rxjs';
import { type Libc, libc, SystemCallError } from './libc.ts';
import { Linux } from './linux-constants.ts';
import { type Network, networkFrom } from './network.ts';
import { DATAGRAM_MAX, enlargeReceiveBuffer, netlinkAddress, RECEIVE_BUFFER, RouteSocket } from './route-socket.ts';
import {
  decodeAnswers,
  dumpAddresses,
  dumpLinks,
  type Outcome,
  type RouteMessage,
  type RouteRequest,
} from './rtnetlink.ts';

const RTMGRP_LINK = 0x1;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV6_IFADDR = 0x100;
const GROUPS = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;

/** Datagrams that are read before other work of the process has its turn. */
const BATCH_MAX = 256;

export type KernelEvent =
  | RouteMessage
  /** Messages were lost: look at the whole network again. */
  | { readonly type: 'overrun' };

/** Links and addresses of the network namespace of this process, through rtnetlink. */
export interface Kernel {
  /** The network as it is now. Synchronous. @throws SystemCallError */
  readonly read: () => Network;
  /** Changes it, synchronously; see `RouteSocket.transact`. */
  readonly transact: (requests: readonly RouteRequest[]) => readonly Outcome[];
  /**
   * Changes, from the moment of subscription on. Shared: one socket, opened for the first subscriber and closed with the
   * last. Never completes; an error is a broken system.
   */
  readonly events$: Observable<KernelEvent>;
}

/** Reads what is there; `false` when there is nothing. */
const readOne = (c: Libc, fd: number, buffer: Uint8Array, next: (event: KernelEvent) => void): boolean => {
  try {
    const length = c.recv(fd, buffer);
    if (length === undefined) return false;
    for (const answer of decodeAnswers(buffer.subarray(0, length)).answers)
      if (answer.type !== 'outcome' && answer.type !== 'done') next(answer);
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.code !== 'ENOBUFS') throw error;
    next({ type: 'overrun' });
  }
  return true;
};

const openMonitor = (c: Libc, receiveBuffer: number): number => {
  const fd = c.socket(Linux.AF_NETLINK, Linux.SOCK_RAW, Linux.NETLINK_ROUTE);
  try {
    enlargeReceiveBuffer(c, fd, receiveBuffer);
    c.bind(fd, netlinkAddress(GROUPS));
    return fd;
  } catch (error) {
    c.close(fd);
    throw error;
  }
};

const events = (receiveBuffer: number): Observable<KernelEvent> =>
  new Observable<KernelEvent>((subscriber) => {
    const c = libc();
    const fd = openMonitor(c, receiveBuffer);
    const buffer = new Uint8Array(DATAGRAM_MAX);
    const watch = c.pollReadable(fd, () => {
      try {
        let left = BATCH_MAX;
        while (left > 0 && !subscriber.closed && readOne(c, fd, buffer, (event) => subscriber.next(event))) left -= 1;
      } catch (error) {
        subscriber.error(error);
      }
    });
    return () => {
      watch.close();
      c.close(fd);
    };
  }).pipe(share());

/**
 * Koffi is loaded by the first use.
 *
 * @param receiveBuffer - bytes of kernel memory for changes that have not been read yet, about 0.4 KiB each
 */
export const createKernel = (receiveBuffer = RECEIVE_BUFFER): Kernel => {
  const socket = new RouteSocket();
  return {
    read: () => networkFrom([...socket.dump(dumpLinks), ...socket.dump(dumpAddresses)]),
    transact: (requests) => socket.transact(requests),
    events$: events(receiveBuffer),
  };
};
