import { DEMOTED_SKEW } from './constants.ts';
import type { AdvBase, AdvSkew, Ticks } from './units.ts';

/**
 * The skew a host really uses: its own, raised by what demotes it, up to 240 (DESIGN D2).
 *
 * @param demotion - sum of the weights of all reasons; a negative sum counts as none (FreeBSD PR 259528)
 */
export const effectiveSkew = (skew: AdvSkew, demotion: number): AdvSkew =>
  (demotion <= 0 ? skew : Math.max(skew, Math.min(skew + demotion, DEMOTED_SKEW))) as AdvSkew;

/** FreeBSD's rule: no more than 240 in any case, although ifconfig takes up to 254 (protocol.md 4.1). */
export const clampedSkew = (skew: AdvSkew, demotion: number): AdvSkew =>
  Math.min(effectiveSkew(skew, demotion), DEMOTED_SKEW) as AdvSkew;

/**
 * Time between two adverts of a host, which is also its rank: the shorter interval wins.
 * With advbase 0 and no skew it is one tick, as in OpenBSD.
 */
export const advertInterval = (base: AdvBase, skew: AdvSkew): Ticks => Math.max(1, base * 256 + skew) as Ticks;

/**
 * How long a BACKUP listens in vain before it takes over: deadratio x advbase + skew/256 s.
 * In sub-second mode (advbase 0) that would be no multiple at all, so there it is deadratio intervals.
 */
export const masterDownTime = (base: AdvBase, skew: AdvSkew, deadratio: number): Ticks =>
  (base === 0 ? deadratio * advertInterval(base, skew) : deadratio * base * 256 + skew) as Ticks;

/**
 * How long the kernel keeps a shared address without renewal, in whole seconds: short enough that a dead host's
 * address is gone about when its peer takes over, and never under the kernel's resolution (DESIGN 6).
 */
export const leaseSeconds = (base: AdvBase, deadratio: number): number =>
  Math.min(60, Math.max(1, Math.floor(deadratio * base) - 1));
