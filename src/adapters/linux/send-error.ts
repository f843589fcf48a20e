import { CarpError } from '../../ports/error.ts';
import type { IpAddress } from '../../protocol/address.ts';
import { SystemCallError } from './libc.ts';

export interface Attempt {
  /** Of the interface. */
  readonly name: string;
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

/** What the reasons mean for an advert, and what helps. */
const remedies = ({ name, source }: Attempt): Readonly<Record<string, string>> => ({
  EPERM: 'a firewall drops what this host sends: allow IP protocol 112 on output',
  EINVAL: `the source address must be one of this host: ip addr show dev ${name}`,
  EADDRNOTAVAIL: `the source address ${source.text} must be usable on ${name}: ip addr show dev ${name}`,
  ENETDOWN: `ip link set ${name} up`,
  ENETUNREACH: `${name} must be up and have the address ${source.text}: ip addr show dev ${name}`,
  ENODEV: 'list the interfaces of this host: ip link',
  ENXIO: 'list the interfaces of this host: ip link',
  ENOBUFS: `the queue of ${name} is full: tc -s qdisc show dev ${name}`,
  EMSGSIZE: `the MTU of ${name} is too small: ip link set ${name} mtu 1500`,
});

/** CARP_SEND with the reason of the system. What is no failed system call is handed back as it came. */
export const sendError = (attempt: Attempt, error: unknown): unknown => {
  if (!(error instanceof SystemCallError)) return error;
  const { name, source, destination } = attempt;
  return new CarpError(
    'CARP_SEND',
    `cannot send to ${destination.text} from ${source.text} on ${name}: ${error.message}`,
    { remedy: remedies(attempt)[error.code], cause: error },
  );
};
