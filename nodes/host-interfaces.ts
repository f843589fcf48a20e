import { readdirSync } from 'node:fs';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import type { InterfaceInfo } from './admin-api.ts';

type Addressed = Readonly<Record<string, readonly Pick<NetworkInterfaceInfo, 'cidr' | 'internal'>[] | undefined>>;

/** The interfaces of this host now, without the loopback; also those that have no address yet. */
export const hostInterfaces = (): readonly InterfaceInfo[] => interfacesOf(networkInterfaces(), linuxNames());

/**
 * @param addressed - `os.networkInterfaces()`, which leaves out what has no address
 * @param names - all there are, where the system tells
 */
export const interfacesOf = (addressed: Addressed, names: readonly string[]): readonly InterfaceInfo[] =>
  [...new Set([...Object.keys(addressed), ...names])]
    .filter((name) => name !== 'lo' && addressed[name]?.some(({ internal }) => internal) !== true)
    .sort()
    .map((name) => ({
      name,
      addresses: (addressed[name] ?? []).map(({ cidr }) => cidr).filter((cidr) => cidr !== null),
    }));

const linuxNames = (): readonly string[] => {
  try {
    return readdirSync('/sys/class/net', { withFileTypes: true })
      .filter((entry) => !entry.isFile())
      .map(({ name }) => name);
  } catch {
    // Not Linux, or a container without it: the others are enough.
    return [];
  }
};
