import { readFileSync } from 'node:fs';
import { SystemCallError } from '../linux/libc.ts';
import { Linux } from '../linux/linux-constants.ts';
import type { RawSocketModule } from './load-raw-socket.ts';
import { openRawSocket, type RawSocket } from './raw-socket.ts';
import { bindToInterface } from './receiver.ts';

/** Since Linux 5.1: the number of the interface that a socket is bound to. */
const SO_BINDTOIFINDEX = 62;
const ANY_PROTOCOL = 255;

const boundIndex = (socket: RawSocket, name: string): number => {
  const found = new Int32Array(1);
  try {
    socket.get(Linux.SOL_SOCKET, SO_BINDTOIFINDEX, new Uint8Array(found.buffer));
    return found[0] ?? 0;
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.code !== 'ENOPROTOOPT') throw error;
    // May show another network namespace, which is why it comes second.
    return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
  }
};

/** The number that the kernel has for an interface. @throws SystemCallError; ENODEV if there is none of that name */
export const interfaceIndex = (module: RawSocketModule, name: string): number => {
  const socket = openRawSocket(module, { family: 4, protocol: ANY_PROTOCOL });
  try {
    bindToInterface(socket, name);
    return boundIndex(socket, name);
  } finally {
    socket.close();
  }
};
