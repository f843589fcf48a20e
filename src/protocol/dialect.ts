import type { Family } from './address.ts';
import type { AddressForm } from './authentication.ts';
import { CARP_TOS } from './constants.ts';

/** Whose way of sending is imitated (DESIGN D9). What is accepted never depends on it. */
export type Compatibility = 'auto' | 'freebsd' | 'openbsd' | 'netbsd' | 'ucarp';

/** How one system sends what all systems understand, more or less. */
export interface Dialect {
  /** TOS byte or traffic class. */
  readonly tos: { readonly [family in Family]: number };
  /** Which addresses the digest covers. */
  readonly form: AddressForm;
  /** Whether the checksum of an IPv6 advert counts the pseudo-header in. */
  readonly pseudoHeader: boolean;
  /** Where demotion is told: added to advskew, or counted in byte 4 beside a raw advskew. */
  readonly demotes: 'advskew' | 'byte-4';
  /** Whether no skew above 240 is ever used, also without demotion. */
  readonly clampsSkew: boolean;
  /** Which of two tied addresses wins: the numerically lower one, or as ucarp compares on a little-endian machine. */
  readonly tieBreak: 'numeric' | 'last-octet-first';
}

const AUTO: Dialect = {
  tos: { 4: CARP_TOS, 6: CARP_TOS },
  form: 'with-link-local',
  pseudoHeader: false,
  demotes: 'advskew',
  clampsSkew: false,
  tieBreak: 'numeric',
};

/** net.inet.carp.dscp is 56 by default. */
const FREEBSD_TOS = 56 << 2;

/**
 * Sources: protocol.md 1.2 to 1.4, 2.4, 4.1 and 12, ucarp.md 4 and 6.
 *
 * NetBSD and ucarp know no degrees of demotion, they send skew 240 at once. Ours has degrees in their profiles, too:
 * they compare the skew alone, and a check that weighs 20 should not hand over.
 */
export const DIALECTS: Readonly<Record<Compatibility, Dialect>> = {
  auto: AUTO,
  freebsd: { ...AUTO, tos: { 4: FREEBSD_TOS, 6: FREEBSD_TOS }, clampsSkew: true },
  openbsd: { ...AUTO, tos: { 4: CARP_TOS, 6: 0 }, form: 'without-link-local', demotes: 'byte-4' },
  netbsd: { ...AUTO, tos: { 4: CARP_TOS, 6: 0 }, form: 'with-virtual-link-local', pseudoHeader: true },
  ucarp: { ...AUTO, tieBreak: 'last-octet-first' },
};

/** OpenBSD's demotion count goes up to 255 (protocol.md 5). */
const COUNT_MAX = 255;

/** A sum of weights as OpenBSD's demotion count. */
export const demotionCount = (demotion: number): number => Math.min(COUNT_MAX, Math.max(0, Math.floor(demotion)));
