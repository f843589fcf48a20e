/** What a carp-health node is called in the demotion ledger. */
import type { Node } from 'node-red';
import { textIn } from './fields.ts';
import type { Registry } from './registry.ts';

/** The longest reason that agents take. */
const REASON_LENGTH_MAX = 64;

const claimKey = (registry: Registry, group: string, reason: string): string =>
  JSON.stringify([registry.wantedBy(group)?.node ?? '', reason]);

/** Two nodes of one name on one host are two reasons: the entry of one must not be taken for that of the other. */
export const claimReason = (registry: Registry, { id, name }: Node, group: string): string => {
  const named = printable(textIn(name));
  const short = `health ${named === '' ? id : named}`.slice(0, REASON_LENGTH_MAX).trim();
  const holder = registry.healthReasons.get(claimKey(registry, group, short));
  const suffix = ` (${id})`;
  const reason =
    holder === undefined || holder === id ? short : `${short.slice(0, REASON_LENGTH_MAX - suffix.length)}${suffix}`;
  registry.healthReasons.set(claimKey(registry, group, reason), id);
  return reason;
};

/** What the agent takes in a reason. */
const printable = (text: string): string => text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim();

/** The reason may be somebody else's. */
export const releaseReason = (registry: Registry, group: string, reason: string): void =>
  void registry.healthReasons.delete(claimKey(registry, group, reason));
