import { existsSync } from 'node:fs';
import { CarpError } from '../../ports/error.ts';
import { noInterface } from './no-interface.ts';
import { noPermission } from './no-permission.ts';
import { outcomeText } from './route-socket.ts';
import { Errno, type Outcome } from './rtnetlink.ts';

/** Why the kernel refuses to make a macvlan on this interface, and what to do. */
export const cannotCarry = (parent: string, outcome: Outcome): CarpError => {
  const text = outcomeText(outcome);
  const of = (what: string, remedy: string): CarpError => new CarpError('CARP_NO_INTERFACE', what, { remedy });
  switch (outcome.errno) {
    case Errno.EPERM:
      return noPermission('making a macvlan');
    case Errno.ENODEV:
      return noInterface(parent);
    case Errno.EBUSY:
      return of(
        `${parent} cannot carry an interface with a virtual MAC: it belongs to a bridge, a bond or an ipvlan already (${text})`,
        `give the name of the bridge or bond as interface (ip link show ${parent} names it), or use addressing: interface`,
      );
    case Errno.EOPNOTSUPP:
      return of(`this kernel has no macvlan (${text})`, 'modprobe macvlan, or use addressing: interface');
    default:
      return of(
        `${parent} cannot carry an interface with a virtual MAC: it is no Ethernet interface (${text})`,
        'use addressing: interface, or name an Ethernet interface: ip -brief link',
      );
  }
};

/**
 * A macvlan can be made on a wireless interface, and then nothing arrives.
 *
 * @throws CarpError CARP_NO_INTERFACE
 */
export const refuseWireless = (parent: string): void => {
  if (!['phy80211', 'wireless'].some((entry) => existsSync(`/sys/class/net/${parent}/${entry}`))) return;
  throw new CarpError(
    'CARP_NO_INTERFACE',
    `${parent} is a wireless interface, and access points accept no other MAC address than its own`,
    { remedy: 'use addressing: interface' },
  );
};
