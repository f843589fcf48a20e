import { CarpError } from '../../ports/error.ts';
import type { ChannelOptions } from '../../ports/transport.ts';
import { SystemCallError } from './libc.ts';
import { noInterface } from './no-interface.ts';
import { noPermission } from './no-permission.ts';

/** What went wrong while a socket was made, in words for people. What is no failed system call is handed back as it came. */
export const openError = (
  { interface: name, family }: Pick<ChannelOptions, 'interface' | 'family'>,
  error: unknown,
): unknown => {
  if (!(error instanceof SystemCallError)) return error;
  const { code, message } = error;
  if (code === 'EPERM') return noPermission(`listening on ${name}`, error);
  if (code === 'EAFNOSUPPORT' || (family === 6 && (code === 'EINVAL' || code === 'EADDRNOTAVAIL')))
    return new CarpError('CARP_NO_INTERFACE', `interface ${name} does not speak IPv${family}: ${message}`, {
      remedy: `IPv6 must be on, and needs an MTU of 1280 or more: ip link set ${name} mtu 1500; sysctl -w net.ipv6.conf.${name}.disable_ipv6=0`,
      cause: error,
    });
  if (code === 'ENOBUFS')
    return new CarpError('CARP_NO_INTERFACE', `interface ${name} cannot join another group: ${message}`, {
      remedy: 'sysctl -w net.ipv4.igmp_max_memberships=100',
      cause: error,
    });
  if (code === 'ENODEV' || code === 'ENXIO') return noInterface(name, undefined, error);
  return new CarpError('CARP_FAILED', `cannot listen on ${name}: ${message}`, { cause: error });
};
