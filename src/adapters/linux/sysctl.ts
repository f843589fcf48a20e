import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';

/** Settings of an interface that the kernel keeps under /proc/sys/net/ipv4/conf. */
const pathOf = (interfaceName: string, key: string): string => `/proc/sys/net/ipv4/conf/${interfaceName}/${key}`;

const isOne = (path: string): boolean => {
  try {
    return readFileSync(path, 'latin1').trim() === '1';
  } catch {
    return false;
  }
};

/** In the syntax of sysctl(8) the dots of a name such as eth0.5 are slashes. */
const nameOf = (interfaceName: string, key: string): string =>
  `net.ipv4.conf.${interfaceName.replaceAll('.', '/')}.${key}`;

/**
 * Whether a secondary address takes the place of a primary one that goes. Off by default, and then the kernel removes
 * with a primary address all others of its subnet (__inet_del_ifa), the host's own included.
 */
export const promotesSecondaries = (interfaceName: string): boolean =>
  isOne(pathOf('all', 'promote_secondaries')) || isOne(pathOf(interfaceName, 'promote_secondaries'));

/** The command that does by hand what `promoteSecondaries` does. */
export const promoteCommand = (interfaceName: string): string =>
  `sysctl -w ${nameOf(interfaceName, 'promote_secondaries')}=1`;

/**
 * Whether `promoteSecondaries` has a chance. Changes nothing.
 *
 * Opens instead of asking access(2), which leaves capabilities out of account for a user other than root.
 */
export const canPromoteSecondaries = (interfaceName: string): boolean => {
  try {
    closeSync(openSync(pathOf(interfaceName, 'promote_secondaries'), constants.O_WRONLY));
    return true;
  } catch {
    return false;
  }
};

/** @returns whether it is on now */
export const promoteSecondaries = (interfaceName: string): boolean => {
  if (promotesSecondaries(interfaceName)) return true;
  try {
    writeFileSync(pathOf(interfaceName, 'promote_secondaries'), '1');
  } catch {
    return false;
  }
  return promotesSecondaries(interfaceName);
};
