import type { Announcer } from '../../ports/announcer.ts';
import { CarpError } from '../../ports/error.ts';
import type { IpAddress } from '../../protocol/address.ts';
import { etherAddress } from './ether-address.ts';
import { gratuitousArp, unsolicitedAdvertisement } from './frames.ts';
import { type Libc, SystemCallError, libc as systemLibc } from './libc.ts';
import { Linux } from './linux-constants.ts';
import { linkAddress } from './sockaddr.ts';

/** As protocol of a packet socket: it receives nothing. */
const NOTHING = 0;

const sendFailed = (name: string, cause: SystemCallError): CarpError =>
  new CarpError('CARP_SEND', `cannot announce addresses on ${name}: ${cause.message}`, {
    remedy: cause.code === 'ENETDOWN' ? `ip link set ${name} up` : `look at the interface: ip link show ${name}`,
    cause,
  });

/** Sends what it can, and then throws the first failure. */
const announceOn = (libc: Libc, fd: number, name: string, addresses: readonly IpAddress[]): void => {
  const mac = etherAddress(libc, fd, name);
  if (mac === undefined) return;
  const ifIndex = libc.ifIndex(name);
  const failures: unknown[] = [];
  for (const address of addresses) {
    const [etherType, frame] =
      address.family === 4
        ? [Linux.ETH_P_ARP, gratuitousArp({ address, mac })]
        : [Linux.ETH_P_IPV6, unsolicitedAdvertisement({ address, mac })];
    try {
      libc.sendto(fd, frame, linkAddress(ifIndex, etherType, frame.subarray(0, 6)));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
};

/**
 * Announces through a packet socket, so that it works whether or not the kernel has the address yet, and the frames are
 * the same for all kernels. The socket lives for one call: announcements are rare.
 *
 * An interface without Ethernet addresses has no neighbours to tell; nothing is sent there.
 *
 * @throws CarpError CARP_NO_TRANSPORT when koffi is missing; `announce` throws CARP_NO_PERMISSION too
 */
export const createAnnouncer = (libc: Libc = systemLibc()): Announcer => ({
  announce: (name, addresses) => {
    const fd = libc.socket(Linux.AF_PACKET, Linux.SOCK_RAW, NOTHING);
    try {
      announceOn(libc, fd, name, addresses);
    } catch (error) {
      throw error instanceof SystemCallError ? sendFailed(name, error) : error;
    } finally {
      libc.close(fd);
    }
  },
});
