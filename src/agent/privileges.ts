import { readFileSync } from 'node:fs';
import { CarpError } from '../ports/error.ts';

/** Bits of CapEff (capability.h). */
const CAPABILITIES = [
  { name: 'cap_net_admin', bit: 12n },
  { name: 'cap_net_raw', bit: 13n },
] as const;

/** The names of the capabilities that CARP needs and a process with this /proc/self/status lacks. */
export const missingCapabilities = (status: string): readonly string[] => {
  const [, digits] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  const effective = digits === undefined ? 0n : BigInt(`0x${digits}`);
  return CAPABILITIES.filter(({ bit }) => ((effective >> bit) & 1n) === 0n).map(({ name }) => name);
};

/**
 * What keeps this process from raw sockets and addresses, or `undefined`. A copy of node with file capabilities is
 * offered rather than the node in use: capabilities on that one would make it ignore NODE_OPTIONS everywhere.
 */
export const privilegeProblem = (readStatus: () => string = readOwnStatus): CarpError | undefined => {
  const missing = missingCapabilities(readStatus());
  if (missing.length === 0) return undefined;
  return new CarpError('CARP_NO_PERMISSION', `CARP needs ${missing.join(' and ')}, which this process does not have`, {
    remedy:
      'run as root or as a systemd service with AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN; or for Node-RED make a ' +
      'private copy of node: sudo install -m 0750 -g "$(id -gn)" "$(which node)" /usr/local/lib/carp-node && sudo ' +
      'setcap cap_net_raw,cap_net_admin+ep /usr/local/lib/carp-node, and set agentExecPath to it',
  });
};

const readOwnStatus = (): string => readFileSync('/proc/self/status', 'utf8');
