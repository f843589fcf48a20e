/**
 * Every pairing of systems, and mixes of three: whatever went wrong, once it is healed there is one MASTER in time.
 *
 * The bound (`settlingTime`) comes from the facts: the slowest master-down time of the group (protocol.md 4.1, ucarp.md
 * 5), as its timer may have been armed by the last advert of a MASTER that has gone; plus the longest interval, in which
 * all hear the new MASTER, or two of them each other; plus up to 3 s with ucarp, which reads up to a second late: its
 * timer is armed late, it yields late, and it answers once more. For advbase 1, skew s, in seconds:
 *
 * | host             | master-down                                         | interval                    | reads late by |
 * | ---------------- | --------------------------------------------------- | --------------------------- | ------------- |
 * | ours             | 3 + max(s, 240)/256 + 0.0044 (claim, addresses)     | 1 + max(s, 240)/256 + 0.001 | 0             |
 * | FreeBSD, NetBSD  | 3 + s/256 + 2 ticks (of 1 ms, of 10 ms)             | 1 + max(s, 240)/256 + ticks | 0             |
 * | OpenBSD          | 3 + 3s/256 + 2 ticks of 10 ms                       | the same                    | 0             |
 * | ucarp            | (3 + s/256) rounded up to multiples of its interval | 1 + s/256 + 0.001           | 1             |
 *
 * 240 because a timer may still run that was armed before a demotion ended. A ucarp that was cut off, or told to step
 * down, notices nothing for up to 10 s or 3 s more. Ours and a kernel of equal rank whose claims cross need a second
 * master-down time, and no third one; two kernels, or one and a ucarp, may need any number of them.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type Part, paceOf, profileOf, type Role } from '../support/model-cast.ts';
import {
  type Casting,
  heal,
  mayYieldTogether,
  type Story,
  settlingTime,
  spoil,
  stage,
} from '../support/model-story.ts';
import { forSeeds, spells, steadyHolder } from '../support/model-watch.ts';

const SEEDS = 1000;
const SYSTEMS = ['freebsd', 'openbsd', 'netbsd', 'ucarp'] as const;
const ALL = ['ours', ...SYSTEMS] as const;
type Roles = Casting['roles'];

const PAIRS: readonly Roles[] = [
  ...ALL.flatMap((a, i) => ALL.slice(i).map((b): Roles => [a, b])),
  ...SYSTEMS.map((system): Roles => [`ours as ${system}`, system]),
];
const TRIPLES: readonly Roles[] = [
  ...SYSTEMS.map((system): Roles => ['ours', 'ours', system]),
  ...SYSTEMS.flatMap((a, i) => SYSTEMS.slice(i).map((b): Roles => ['ours', a, b])),
];

const isNetBsd = (role: Role): boolean => role === 'netbsd' || profileOf(role) === 'netbsd';

/** ucarp speaks IPv4 only, and NetBSD's IPv6 checksums are nobody else's (pairings-facts.test.ts). */
const familiesOf = (roles: Roles): Casting['families'] => {
  if (roles.some((role) => role.endsWith('ucarp'))) return [[4]];
  return roles.some(isNetBsd) && !roles.every(isNetBsd) ? [[4]] : [[4], [4, 6], [6]];
};

/** Long enough for a preempting host to have heard a worse one, and for a family's own timer to expire. */
const severalIntervals = ({ actors }: Story): number =>
  5 * Math.max(...actors.map(({ part }) => paceOf(part).interval));

/** Ours holds back for 3 ms when it preempts; longer with nobody means that a MASTER yielded to one that yields, too. */
const HOLD_MS = 10;

/**
 * Two equals that yield to each other leave the addresses with nobody until a master-down time is over, and may do it
 * again (protocol.md 4.2). Runs until all should be settled.
 */
const yieldedTogether = (story: Story): boolean => {
  const { lan } = story;
  const seen = spells(lan, lan.now + settlingTime(story));
  const begun = seen.findIndex(({ holders }) => holders.length > 0);
  return begun !== -1 && seen.slice(begun).some(({ holders, ms }) => holders.length === 0 && ms > HOLD_MS);
};

const settles = (roles: Roles, seed: number): 'settled' | 'yielded together' => {
  const story = spoil(stage(seed, { roles, families: familiesOf(roles), guarded: true }));
  heal(story);
  const { lan, log } = story;
  const healed = lan.now;
  try {
    if (yieldedTogether(story) && mayYieldTogether(story)) return 'yielded together';
    steadyHolder(lan, severalIntervals(story));
    // Of three, two that count on from the same advert send the same counters. Of two, an advert may be refused that was
    // overtaken by the next two while its reign was unknown: what lies below them was sent before.
    if (roles.length === 2)
      for (const { host, refused } of story.actors) assert.ok(refused <= 1, `${host.name} refused ${refused}`);
    return 'settled';
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}; healed at ${healed}; ${log.join('; ')}`);
  }
};

const settleAll = (roles: Roles, t: TestContext): void => {
  let together = 0;
  forSeeds(SEEDS, (seed) => {
    if (settles(roles, seed) === 'yielded together') together++;
  });
  t.diagnostic(`${together} of ${SEEDS} seeds: two of equal rank yielded to each other`);
  // It takes equal ranks, and adverts that cross or are read late: 2 or 3 of 100, give or take 1. Ours yields with a worse advert than the one it answers.
  const share = roles.length === 2 && roles[0].startsWith('ours') ? 0.003 : 0.06;
  assert.ok(together <= SEEDS * share, `two yielded to each other for ${together} of ${SEEDS} seeds`);
};

describe('one MASTER within the bound of the facts, after start, crash, return, farewell, demotion, split, lost family', () => {
  for (const roles of PAIRS) test(`${roles.join(' with ')}`, (t) => settleAll(roles, t));
  for (const roles of TRIPLES) test(`${roles.join(' with ')}`, (t) => settleAll(roles, t));
});

describe('the bounds', () => {
  const part = (role: Role, skew: number): Part => ({
    role,
    last: 10,
    base: 1,
    skew,
    preempt: false,
    families: [4],
  });
  const MEASURED: readonly (readonly [Role, number, number])[] = [
    ['freebsd', 100, 3.39],
    ['netbsd', 0, 3],
    ['openbsd', 100, 4.17],
    // The table of ucarp.md 5.
    ['ucarp', 0, 3.0],
    ['ucarp', 50, 3.6],
    ['ucarp', 100, 4.18],
    ['ucarp', 128, 4.51],
    ['ucarp', 254, 5.98],
  ];
  for (const [role, skew, seconds] of MEASURED)
    test(`${role} with skew ${skew} takes over after ${seconds} s, as measured on the real one`, () => {
      const { masterDown } = paceOf(part(role, skew));
      assert.ok(Math.abs(masterDown - seconds * 1000) < 45, `${masterDown} ms`);
    });
});
