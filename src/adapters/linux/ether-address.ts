import type { Libc } from './libc.ts';
import { Linux } from './linux-constants.ts';

/** struct ifreq: the name, then what was asked for. */
const IFREQ_BYTES = 40;
const IFNAMSIZ = 16;

/**
 * The present MAC address of an interface; that of a bond may change. `undefined` for interfaces that are no Ethernet
 * (tunnels, loopback).
 *
 * @param fd - any socket
 * @throws SystemCallError
 */
export const etherAddress = (libc: Libc, fd: number, name: string): Uint8Array | undefined => {
  const request = new Uint8Array(new ArrayBuffer(IFREQ_BYTES));
  request.set(new TextEncoder().encode(name).subarray(0, IFNAMSIZ - 1));
  libc.ioctl(fd, Linux.SIOCGIFHWADDR, request);
  const type = new DataView(request.buffer).getUint16(IFNAMSIZ, true);
  return type === Linux.ARPHRD_ETHER ? request.slice(IFNAMSIZ + 2, IFNAMSIZ + 8) : undefined;
};
