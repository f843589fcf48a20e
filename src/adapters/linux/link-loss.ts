import { type Libc, SystemCallError } from './libc.ts';
import { Linux } from './linux-constants.ts';
import type { Watch } from './poll-readable.ts';
import { netlinkAddress } from './sockaddr.ts';

/** Calls `onGone` once when the interface is deleted, renamed or moved to another namespace. */
export type LinkLoss = (link: { readonly name: string; readonly index: number }, onGone: () => void) => Watch;

interface Watched {
  readonly name: string;
  readonly index: number;
  readonly onGone: () => void;
}

const BUFFER_BYTES = 65536;
/** Messages of one wake-up; the rest comes with the next. */
const BATCH = 64;

/**
 * A raw socket that was bound to an interface that has gone stays silent for ever, and says nothing: reading gives no
 * error, and a BACKUP never sends. So the kernel's link events are listened to, through one netlink socket that lives as
 * long as anything is watched.
 */
export const linkLoss = (libc: Libc): LinkLoss => {
  const watched = new Set<Watched>();
  const buffer = new Uint8Array(new ArrayBuffer(BUFFER_BYTES));
  let socket: { readonly fd: number; readonly watch: Watch } | undefined;

  const gone = (each: Watched): void => {
    if (watched.delete(each)) each.onGone();
  };
  const check = (isGone: (each: Watched) => boolean): void => {
    for (const each of [...watched]) if (isGone(each)) gone(each);
  };
  /** A link of the same name and index may already be back when the events are read: deletion counts by itself. */
  const read = (fd: number): void => {
    const renamed = (each: Watched): boolean => libc.ifIndex(each.name) !== each.index;
    try {
      for (let i = 0; i < BATCH && socket !== undefined; i++) {
        const length = libc.recv(fd, buffer);
        if (length === undefined) return;
        for (const { deleted, index } of linkMessages(buffer.subarray(0, length)))
          check((each) => each.index === index && (deleted || renamed(each)));
      }
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      // ENOBUFS: events were lost, so everything is looked at.
      check(renamed);
    }
  };
  const open = (): void => {
    const fd = libc.socket(Linux.AF_NETLINK, Linux.SOCK_RAW, Linux.NETLINK_ROUTE);
    libc.bind(fd, netlinkAddress(Linux.RTMGRP_LINK));
    socket = { fd, watch: libc.pollReadable(fd, () => read(fd)) };
  };
  const close = (): void => {
    if (socket === undefined || watched.size > 0) return;
    socket.watch.close();
    libc.close(socket.fd);
    socket = undefined;
  };

  return (link, onGone) => {
    if (socket === undefined) open();
    const each: Watched = { ...link, onGone };
    watched.add(each);
    return {
      close: () => {
        watched.delete(each);
        close();
      },
    };
  };
};

/** Interfaces that RTM_NEWLINK and RTM_DELLINK messages speak of. Those of a bridge about its ports (AF_BRIDGE) are left out. */
const linkMessages = (bytes: Uint8Array): readonly { readonly deleted: boolean; readonly index: number }[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: { deleted: boolean; index: number }[] = [];
  for (let at = 0; at + 32 <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < 16) break;
    const family = view.getUint8(at + 16);
    if (family === 0)
      found.push({ deleted: view.getUint16(at + 4, true) === Linux.RTM_DELLINK, index: view.getInt32(at + 20, true) });
    at += (length + 3) & ~3;
  }
  return found;
};
