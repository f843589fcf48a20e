/** The moves that several phases share. Each returns the next state and what is to be done, like `transition`. */
import { demotionCount } from '../protocol/dialect.ts';
import type { AdvBase, AdvSkew, Millis } from '../protocol/units.ts';
import type { AdvertKind, Effect } from './effects.ts';
import type { HeardAdvert, TimerName } from './events.ts';
import type { Reason, Role } from './roles.ts';
import type { MachineSettings } from './settings.ts';
import { type Phase, type Reign, roleOf, type State } from './state.ts';
import { after, CLAIM_HOLD_MS, countNow, exactIntervalMs, intervalNow, masterDownMs, skewNow } from './timings.ts';

export type Step = readonly [state: State, effects: readonly Effect[]];

export const BOW_OUT = { advbase: 255 as AdvBase, advskew: 255 as AdvSkew } as const;

export const isBowOut = ({ advbase, advskew }: Pick<HeardAdvert, 'advbase' | 'advskew'>): boolean =>
  advbase === BOW_OUT.advbase && advskew === BOW_OUT.advskew;

export const stay = (state: State): Step => [state, []];

export const arm = (timer: TimerName, due: Millis): Effect => ({ type: 'arm', timer, due });
export const disarm = (...timers: readonly TimerName[]): Effect[] => timers.map((timer) => ({ type: 'disarm', timer }));

export const inPhase = (state: State, phase: Phase): State => ({ ...state, phase });

/** Without the key, because `undefined` is not a value of an optional property here. */
export const without = <T extends object, K extends keyof T>(record: T, ...keys: readonly K[]): Omit<T, K> => {
  const rest = { ...record };
  for (const key of keys) delete rest[key];
  return rest;
};

export const report = (state: State, role: Role | 'STOPPED', reason: Reason, detail: string): Effect => ({
  type: 'report',
  role,
  previous: roleOf(state),
  reason,
  detail,
});

export const advert = (kind: AdvertKind, state: State, settings: MachineSettings): Effect => ({
  type: 'sendAdvert',
  kind,
  advbase: settings.advbase,
  advskew: skewNow(state, settings),
  demotion: countNow(state, settings),
});

/** Its byte 4 is 0, as everybody's but OpenBSD's: nobody looks at it in a farewell. */
export const bowOut: Effect = { type: 'sendAdvert', kind: 'bow-out', ...BOW_OUT, demotion: 0 };

/**
 * The last advert of a MASTER that yields: its own, made one tick worse if it would tie with the one it answers. The
 * winner then hears a rival and announces itself again; an equal advert would make a BSD winner yield too (DESIGN D3).
 * One tick worse than 255/254 would be a bow-out, which would promote others: there nothing is sent.
 */
export const yieldAdvert = (heard: HeardAdvert, state: State, settings: MachineSettings): readonly Effect[] => {
  const mine = intervalNow(state, settings);
  const demotion = countNow(state, settings);
  if (demotion > heard.demotion || mine > heard.interval) return [advert('yield', state, settings)];
  const worse = heard.interval + 1;
  const rank = { advbase: (worse >> 8) as AdvBase, advskew: (worse & 0xff) as AdvSkew };
  return isBowOut(rank) ? [] : [{ type: 'sendAdvert', kind: 'yield', ...rank, demotion }];
};

/** Listens for the whole master-down time from now on. */
export const listen = (state: State, at: Millis, settings: MachineSettings): Step => [
  inPhase(state, { name: 'listening', extended: false }),
  [
    ...disarm('advert', 'hold', 'stagger', 'bowOut', 'release'),
    arm('masterDown', after(at, masterDownMs(state, settings))),
  ],
];

/**
 * Sends the claim and waits whether anybody objects (DESIGN D4). `holdMs`: for how long, if not as usual. There is no
 * other way to become MASTER, so this is where a host that observes goes on listening instead.
 */
export const claim = (
  state: State,
  at: Millis,
  settings: MachineSettings,
  because: { readonly reason: Reason; readonly detail: string; readonly holdMs?: Millis },
): Step => {
  if (state.observing === true) return listen(without(state, 'preemptSince'), at, settings);
  const { reason, detail, holdMs = CLAIM_HOLD_MS } = because;
  const due = after(at, Math.max(exactIntervalMs(state, settings), holdMs));
  const reign: Reign = { due, sentAt: at, sent: 1 };
  return [
    inPhase(without(state, 'preemptSince', 'gaveAway'), { name: 'claiming', reason, detail, reign, last: false }),
    [...disarm('masterDown', 'stagger', 'preempt'), advert('claim', state, settings), arm('hold', after(at, holdMs))],
  ];
};

const movesInSync = ({ phase }: State): boolean => phase.name === 'bowing-out' && phase.inSync === true;

/** Leaves the MASTER role for BACKUP, and listens. `first` is done before the addresses go. */
export const stepDown = (
  state: State,
  at: Millis,
  settings: MachineSettings,
  because: { readonly reason: Reason; readonly detail: string; readonly first?: readonly Effect[] },
): Step => {
  const [next, effects] = listen(
    because.reason === 'hand-over' && !movesInSync(state) ? { ...state, gaveAway: true } : state,
    at,
    settings,
  );
  return [
    next,
    [
      ...(because.first ?? []),
      { type: 'releaseAddresses' },
      { type: 'stopAnnouncing' },
      report(state, 'BACKUP', because.reason, because.detail),
      ...effects,
    ],
  ];
};

/** How a farewell ended: every hand-over gets exactly one receipt, whatever cuts it short. */
export const receipt = (state: State, { successor, since }: Extract<Phase, { name: 'bowing-out' }>): Effect =>
  successor === undefined
    ? { type: 'nobodyTookOver', released: true }
    : { type: 'handedOver', to: successor, afterMs: Math.round((state.master?.heardAt ?? since) - since) };

/** Remembers who is MASTER. A host that speaks in both families has two addresses. */
export const follow = (state: State, heard: HeardAdvert, at: Millis): State => {
  const known = state.master;
  const same = known !== undefined && known.interval === heard.interval;
  const sources = { ...(same ? known.sources : {}), [heard.family]: heard.source };
  const { source, interval, demotion } = heard;
  return { ...state, master: { sources, source, interval, demotion, heardAt: at } };
};

/**
 * Whether a MASTER is worse than this host would be as MASTER: OpenBSD's count decides before the interval does. A host
 * that tells its demotion in advskew compares a count with its own demotion all the same, so that of two demoted ones
 * the one that is more demoted does not take over.
 */
export const isWorse = (
  master: Pick<HeardAdvert, 'interval' | 'demotion'>,
  state: State,
  settings: MachineSettings,
): boolean => {
  if (isMoreDemoted(master, state)) return true;
  return master.demotion >= countNow(state, settings) && master.interval > intervalNow(state, settings);
};

/** Such a MASTER is replaced also by those that do not preempt (OpenBSD, rule B2 of protocol.md 4.2). */
export const isMoreDemoted = ({ demotion }: Pick<HeardAdvert, 'demotion'>, state: State): boolean =>
  demotion > demotionCount(state.demotion);

/** Follows a rival, and knows it as a better one unless it is worse. */
export const followRival = (state: State, rival: HeardAdvert, at: Millis, settings: MachineSettings): State => {
  const followed = follow(state, rival, at);
  return isWorse(rival, state, settings)
    ? followed
    : { ...followed, better: { source: rival.source, at, interval: rival.interval } };
};
