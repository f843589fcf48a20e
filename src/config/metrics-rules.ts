import { BlockList, isIP } from 'node:net';
import { type IpAddress, parseAddress, sameAddress } from '../protocol/address.ts';
import { error, type Finding, show, warning } from './findings.ts';
import type { Loose } from './loose.ts';
import type { MetricsConfig } from './types.ts';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether only programs on this host reach the address. */
const isLoopback = (address: string): boolean =>
  loopback.check(address.replace(/%.*/, ''), isIP(address) === 6 ? 'ipv6' : 'ipv4');

/**
 * What the schema cannot say about `metrics`.
 *
 * @param shared - the addresses of the groups
 */
export const metricsRules = (
  { address }: Loose<MetricsConfig>,
  shared: readonly IpAddress[] = [],
): readonly Finding[] => {
  const path = ['metrics', 'address'];
  if (address === undefined) return [];
  // A name would be looked up at each start, and may lead elsewhere then.
  if (isIP(address) === 0)
    return [error(path, `must be an IP address such as 127.0.0.1 or ::1, without brackets, but is ${show(address)}`)];
  if (isLoopback(address)) return [];
  const own = parseAddress(address);
  const isShared = own !== undefined && shared.some((each) => sameAddress(each, own));
  return [
    ...(isShared
      ? [warning(path, 'is a shared address: only the MASTER answers there; use an address that this host always has')]
      : []),
    warning(
      path,
      'others than this host reach it, and nobody has to log in: let a firewall admit those who may read, or use 127.0.0.1',
    ),
  ];
};
