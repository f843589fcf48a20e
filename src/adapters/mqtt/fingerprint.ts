import { createHash } from 'node:crypto';
import type { IpAddress } from '../../protocol/address.ts';
import { topicPath } from './topics.ts';

const DIGITS = 16;

/** What a fingerprint belongs to: the base topic, the name of the group and its virtual host. */
export interface FingerprintOf {
  readonly base: string;
  readonly group: string;
  readonly vhid: number;
}

/**
 * Sixteen hexadecimal digits that are the same on two hosts if and only if their addresses are: SHA-256 of the sorted
 * addresses without prefix lengths, which are what adverts sign. Base, group and vhid are salt, so that two groups, or two
 * plants, cannot be compared with each other. It shows that something differs without showing what on every bus; it
 * hides nothing from whoever tries all addresses of a subnet.
 *
 * The passphrase is not in it: whoever reads the broker could try passwords against it, as many as the hardware can hash,
 * while on the wire only those on the segment can. That keys differ is found there, by the adverts (`auth-mismatch`).
 */
export const addressFingerprint = ({ base, group, vhid }: FingerprintOf, addresses: readonly IpAddress[]): string => {
  const sorted = [...new Set(addresses.map(({ text }) => text))].sort();
  // JSON, because a list of texts put one after the other could be that of another salt.
  const text = JSON.stringify([topicPath(base), group, vhid, sorted]);
  return createHash('sha256').update(text).digest('hex').slice(0, DIGITS);
};
