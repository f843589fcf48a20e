import { readFileSync } from 'node:fs';
import { noPermission } from '../adapters/linux/no-permission.ts';
import type { CarpError } from '../ports/error.ts';

/** Bits of CapEff (capability.h). */
const CAPABILITIES = [
  { name: 'CAP_NET_ADMIN', bit: 12n },
  { name: 'CAP_NET_RAW', bit: 13n },
] as const;

/** The names of the capabilities that CARP needs and a process with this /proc/self/status lacks. */
export const missingCapabilities = (status: string): readonly string[] => {
  const [, digits] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  const effective = digits === undefined ? 0n : BigInt(`0x${digits}`);
  return CAPABILITIES.filter(({ bit }) => ((effective >> bit) & 1n) === 0n).map(({ name }) => name);
};

const ownStatus = (): string => readFileSync('/proc/self/status', 'utf8');

/**
 * What keeps this process from raw sockets and from changing addresses, or `undefined`. Looked up beforehand, because
 * the first system call that fails would tell of one capability only, and perhaps as late as at the takeover.
 */
export const privilegeProblem = (readStatus: () => string = ownStatus): CarpError | undefined => {
  return missingCapabilities(readStatus()).length === 0 ? undefined : noPermission('CARP on a real interface');
};

/** As above, for those who listen and send nothing: they need no CAP_NET_ADMIN. */
export const listeningProblem = (readStatus: () => string = ownStatus): CarpError | undefined =>
  missingCapabilities(readStatus()).includes('CAP_NET_RAW') ? noPermission('listening on a real interface') : undefined;
