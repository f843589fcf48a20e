import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

const hashed = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, 8);

/**
 * Eight hexadecimal digits that tell this machine from others and stay the same over restarts: the first of
 * machine-id(5), or, where there is none (containers, other systems), a hash of the host name.
 */
export const machineId = (file = '/etc/machine-id'): string => {
  try {
    const [id] = /^[0-9a-f]{8}/.exec(readFileSync(file, 'utf8')) ?? [];
    return id ?? hashed(hostname());
  } catch {
    return hashed(hostname());
  }
};
