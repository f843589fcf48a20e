import { CarpError } from '../../ports/error.ts';
import { advertFrame } from './advert-frame.ts';
import { etherAddress } from './ether-address.ts';
import type { Libc } from './libc.ts';
import { Linux } from './linux-constants.ts';
import type { SendSocket, SendSocketOptions } from './send-socket.ts';
import { linkAddress } from './sockaddr.ts';

/** As protocol of a packet socket: it receives nothing. */
const NOTHING = 0;

/**
 * Sends IPv4 adverts in Ethernet broadcast frames, as ucarp's --nomcast does: they reach the hosts behind switches that
 * forward multicast only to whom they know. The IP destination stays the group, and receivers still have to be members.
 * The Ethernet source is the interface's own address, which hypervisors let pass, and not ucarp's 00:00:5e:00:00:VHID.
 *
 * @throws SystemCallError; CarpError CARP_NO_INTERFACE: the interface is no Ethernet
 */
export const broadcastSocket = (
  libc: Libc,
  { interface: name, ifIndex, tos, group }: Pick<SendSocketOptions, 'interface' | 'ifIndex' | 'tos' | 'group'>,
): SendSocket => {
  const fd = libc.socket(Linux.AF_PACKET, Linux.SOCK_RAW, NOTHING);
  const ownMac = (): Uint8Array => {
    const mac = etherAddress(libc, fd, name);
    if (mac !== undefined) return mac;
    throw new CarpError('CARP_NO_INTERFACE', `interface ${name} is no Ethernet, and has no broadcast frames`, {
      remedy: 'leave out `broadcast` (--nomcast)',
    });
  };
  try {
    ownMac();
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return {
    fd,
    send: (payload, { source }) => {
      const frame = advertFrame({ mac: ownMac(), source, tos, payload, group, broadcast: true });
      libc.sendto(fd, frame, linkAddress(ifIndex, Linux.ETH_P_IP, frame.subarray(0, 6)));
    },
  };
};
