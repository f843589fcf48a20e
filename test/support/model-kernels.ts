/** In which rules FreeBSD, OpenBSD and NetBSD differ (protocol.md 4.1, 4.2 and 5). */
import type { KernelRules, Standing } from './model-kernel.ts';
import { adoptingCounters, cookie, type PeerOptions, type Rank, span, ticks } from './model-peer.ts';

/** B1 and B3 of FreeBSD and NetBSD. */
const preemptsOrWillTimeOut = (mine: Standing, theirs: Standing, { base, preempt }: PeerOptions): boolean =>
  (preempt === true && ticks(mine) < ticks(theirs)) || ticks({ base: 3 * base, skew: mine.skew }) < ticks(theirs);

const yieldsToEquals = (mine: Standing, theirs: Standing): boolean => ticks(mine) >= ticks(theirs);

const masterDown = ({ base, skew }: Rank): number => span({ base: 3 * base, skew });

/** Demotion is added to advskew, and the sum clamped to 0..240, also without demotion. No farewell. */
export const FREEBSD: KernelRules = {
  system: 'freebsd',
  tickMs: 1,
  weight: 240,
  standing: ({ base, skew }, demotion) => ({ base, skew: Math.max(0, Math.min(skew + demotion, 240)), demotion: 0 }),
  masterDown,
  yields: yieldsToEquals,
  takesOver: preemptsOrWillTimeOut,
  tellsDemotion: (before, now) => before !== now,
  saysFarewell: false,
  pseudoHeader: false,
  counters: adoptingCounters,
};

/** Whatever demotes it makes the skew 240. The only one whose IPv6 checksum counts the pseudo-header in. */
export const NETBSD: KernelRules = {
  system: 'netbsd',
  tickMs: 10,
  weight: 1,
  standing: ({ base, skew }, demotion) => ({ base, skew: demotion > 0 ? Math.max(skew, 240) : skew, demotion: 0 }),
  masterDown,
  yields: yieldsToEquals,
  takesOver: preemptsOrWillTimeOut,
  tellsDemotion: (before, now) => before === 0 && now === 1,
  saysFarewell: true,
  pseudoHeader: true,
  counters: adoptingCounters,
};

/** Demotion is a byte of its own and compared first, also without preempt (B2); a master-down time is three intervals. */
export const OPENBSD: KernelRules = {
  system: 'openbsd',
  tickMs: 10,
  weight: 1,
  standing: (rank, demotion) => ({ base: rank.base, skew: rank.skew, demotion: Math.max(0, Math.min(demotion, 255)) }),
  masterDown: (rank) => 3 * (ticks(rank) === 0 ? 1000 / 256 : span(rank)),
  yields: (mine, theirs) =>
    (yieldsToEquals(mine, theirs) && theirs.demotion <= mine.demotion) || theirs.demotion < mine.demotion,
  takesOver: (mine, theirs, { base, skew, preempt }) =>
    (preempt === true && ticks(mine) < ticks(theirs) && theirs.demotion >= mine.demotion) ||
    theirs.demotion > mine.demotion ||
    (base !== 0 && ticks({ base: 3 * base, skew }) < ticks(theirs)),
  tellsDemotion: (before, now) => before === 0 && now === 1,
  saysFarewell: true,
  pseudoHeader: false,
  counters: cookie,
};
