import type { Socket } from 'node:net';
import { libc } from '../adapters/linux/libc.ts';
import { Linux } from '../adapters/linux/linux-constants.ts';

/** struct ucred of unix(7): who listens at the other end, as the kernel saw it when it began to. */
export interface Peer {
  /** 0: not in this namespace of processes. */
  readonly pid: number;
  readonly uid: number;
}

/** Of asm-generic/socket.h, as on all architectures that `libc` admits. */
const SO_PEERCRED = 17;
const UCRED_BYTES = 12;

/** Who it is; `undefined` where that cannot be asked: without koffi, or for a socket that has no descriptor any more. */
export const peerOf = (socket: Socket): Peer | undefined => {
  // Not documented, and there in all versions since 0.12: Node has no other way to the descriptor of a socket.
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: unknown } | null };
  const fd = handle?.fd;
  if (typeof fd !== 'number' || fd < 0) return undefined;
  try {
    const bytes = new Uint8Array(UCRED_BYTES);
    if (libc().getsockopt(fd, Linux.SOL_SOCKET, SO_PEERCRED, bytes) !== UCRED_BYTES) return undefined;
    const view = new DataView(bytes.buffer);
    return { pid: view.getInt32(0, true), uid: view.getUint32(4, true) };
  } catch {
    return undefined;
  }
};

/** Whether it is root or this user, and the process that it says it is. */
export const isTrusted = (peer: Peer | undefined, pid: number, own = process.geteuid?.()): boolean =>
  peer !== undefined && peer.pid === pid && (peer.uid === 0 || peer.uid === own);
