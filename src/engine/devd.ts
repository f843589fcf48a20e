import type { CarpEvent } from './status.ts';

/**
 * A change of role as devd(8) of FreeBSD tells it, so that what parses its lines keeps working: `!system=CARP
 * subsystem=10@eth0 type=MASTER`. There is no word for an agent that has gone, which is INIT to everybody else.
 */
export const devdLine = ({ vhid, interface: device, role }: Pick<CarpEvent, 'vhid' | 'interface' | 'role'>): string =>
  `!system=CARP subsystem=${vhid}@${device} type=${role === 'STOPPED' ? 'INIT' : role}`;
