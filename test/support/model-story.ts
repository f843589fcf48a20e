/** What happens to a group, drawn from a seed: how it starts, what goes wrong, and that all of it is healed in the end. */
import { Lan, type LanHost } from './machine-lan.ts';
import { Actor, isOurs, type Pace, type Part, paceOf, type Role, rankOf } from './model-cast.ts';

export interface Story {
  readonly lan: Lan;
  readonly actors: readonly [Actor, ...Actor[]];
  /** Who takes part and what was done, for messages. */
  readonly log: readonly string[];
}

export interface Casting {
  readonly roles: readonly [Role, ...Role[]];
  /** One of these is drawn. */
  readonly families: readonly [Part['families'], ...Part['families'][]];
  readonly guarded?: boolean;
}

/** Skews that are often equal, sometimes far apart; addresses in any order. */
const castParts = ({ random }: Lan, { roles, families, guarded = false }: Casting): readonly Part[] => {
  const common = random.pick([0, 0, 50, 100, 200]);
  const spoken = random.pick(families);
  const lasts = roles.map((_, i) => 10 + 10 * i);
  return roles.map((role) => ({
    role,
    last: lasts.splice(random.whole(0, lasts.length - 1), 1)[0] ?? 1,
    base: 1,
    skew: random.pick([common, common, 0, 1, 100, 254]),
    preempt: random.chance(0.4),
    families: spoken,
    guarded,
  }));
};

const describePart = ({ role, last, base, skew, preempt, families }: Part): string =>
  `${role} .${last} ${base}/${skew}${preempt ? ' preempts' : ''} IPv${families.join('+')}`;

/** A group that starts: at once, within milliseconds, or one host long after the other. */
export const stage = (seed: number, casting: Casting): Story => {
  const lan = new Lan(seed);
  const parts = castParts(lan, casting);
  const [first, ...more] = parts.map((part) => new Actor(lan, part));
  if (first === undefined) throw new RangeError('nobody plays');
  const actors = [first, ...more] as const;
  const within = lan.random.pick([0, 0.5, 5, 1000, 6000]);
  for (const { host } of actors) lan.at(lan.random.between(0, within), () => host.start());
  return { lan, actors, log: parts.map(describePart) };
};

type Fault = (lan: Lan, victim: Actor, actors: readonly Actor[]) => void;

/** What can go wrong. Whatever it is, `heal` undoes it. */
export const FAULTS = {
  nothing: () => {},
  crash: (_lan, victim) => victim.crash(),
  kill: (_lan, victim) => victim.kill(),
  leave: (_lan, victim) => victim.leave(),
  'step down': (_lan, victim) => victim.stepDown(),
  demote: (_lan, victim) => victim.demote(),
  unplug: (_lan, victim) => victim.unplug(),
  partition: (lan, _victim, actors) => {
    const island = new Set<LanHost>(actors.filter(() => lan.random.chance(0.5)).map(({ host }) => host));
    lan.reaches = (from, to) => island.has(from) === island.has(to);
  },
  'one direction': (lan, { host }) => {
    lan.reaches = (from) => from !== host;
  },
  'one family': (lan, { part }) => {
    const lost = lan.random.pick(part.families);
    lan.reaches = (_from, _to, { family }) => family !== lost;
  },
} as const satisfies Record<string, Fault>;
export type FaultName = keyof typeof FAULTS;

const ALL_FAULTS = Object.keys(FAULTS) as [FaultName, ...FaultName[]];

/** One or two faults at any time after the start, mostly to the MASTER, each for milliseconds or long enough to matter. */
export const spoil = (
  { lan, actors, log }: Story,
  faults: readonly [FaultName, ...FaultName[]] = ALL_FAULTS,
): Story => {
  const { random } = lan;
  const more: string[] = [];
  lan.run(random.between(5000, 15_000));
  for (let acts = random.pick([1, 1, 2]); acts > 0; acts--) {
    const name = random.pick(faults);
    const holder = actors.find(({ host }) => host.holds());
    const victim = (random.chance(0.7) ? holder : undefined) ?? random.pick(actors);
    more.push(`${name} ${victim.host.name} at ${lan.now.toFixed(0)} ms`);
    FAULTS[name](lan, victim, actors);
    lan.run(lan.now + random.pick([random.between(5, 1500), random.between(1500, 12_000)]));
  }
  return { lan, actors, log: [...log, ...more] };
};

/** Undoes it, to all at once or to one after the other. When it returns, nothing is wrong any more. */
export const heal = ({ lan, actors }: Story): void => {
  lan.reaches = () => true;
  const within = lan.random.pick([0, 1, 2000]);
  const times = actors.map(() => lan.now + lan.random.between(0, within));
  for (const [i, actor] of actors.entries()) lan.at(times[i] ?? 0, () => actor.heal());
  lan.run(Math.max(...times));
};

/** Leaves room for latencies, the spread of clock ticks, and rounding. */
const SLACK_MS = 20;

/**
 * Whether two of them, as MASTERs of equal rank that have heard of each other, may both yield, both wait for the same
 * time, and do it again. A kernel yields to every equal (protocol.md 4.2); ucarp to a lower last octet only, but it reads
 * so late that a kernel has yielded already; ours to a lower address.
 */
const mayBothYield = (kernel: Part, other: Part): boolean => {
  if (kernel === other || rankOf(kernel) !== rankOf(other)) return false;
  if (isOurs(kernel.role) || kernel.role === 'ucarp') return false;
  return other.role === 'ucarp' || isOurs(other.role) ? kernel.last < other.last : true;
};

const somePair = (actors: readonly Actor[], holds: (a: Part, b: Part) => boolean): boolean =>
  actors.some(({ part: a }) => actors.some(({ part: b }) => holds(a, b)));

/**
 * Two equals of ours: one that was not heard gives up after three adverts (D3), which may be in the moment when the other
 * hears it for the first time.
 */
const mayGiveUpTogether = (a: Part, b: Part): boolean =>
  a !== b && isOurs(a.role) && isOurs(b.role) && rankOf(a) === rankOf(b);

/** Ours does it once: after that it lets the other pass. */
const mayYieldOnce = ({ actors, log }: Story): boolean =>
  somePair(actors, (kernel, other) => isOurs(other.role) && mayBothYield(kernel, other)) ||
  (log.some((line) => line.startsWith('one ')) && somePair(actors, mayGiveUpTogether));

/** The others may go on for ever. */
export const mayYieldTogether = ({ actors }: Story): boolean =>
  somePair(actors, (kernel, other) => !isOurs(other.role) && mayBothYield(kernel, other));

/**
 * Within how many ms there is one MASTER from a moment on when nothing is wrong, whatever was said before:
 * - the slowest master-down time, later by as much as the last advert was read late,
 * - an interval, in which that MASTER is heard by all, or two of them hear of each other,
 * - a late reader answers a late reader,
 * - and, if ours and an equal kernel gave way to each other, another master-down time.
 */
export const settlingTime = (story: Story): number => {
  const { actors } = story;
  const paces = actors.map(({ part }) => paceOf(part));
  const most = (of: (pace: Pace) => number): number => Math.max(...paces.map(of));
  const asleep = Math.max(...actors.map(({ oversleeps }) => oversleeps));
  const rounds = mayYieldOnce(story) ? 2 : 1;
  const reading = most((pace) => pace.reading);
  return (
    asleep + rounds * most(({ masterDown }) => masterDown) + most(({ interval }) => interval) + 3 * reading + SLACK_MS
  );
};
