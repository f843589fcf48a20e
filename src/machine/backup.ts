/** What happens to a BACKUP: it listens, follows, and now and then claims. */
import { type IpAddress, sameAddress } from '../protocol/address.ts';
import { type Millis, toMillis } from '../protocol/units.ts';
import { judge } from './contest.ts';
import type { Effect } from './effects.ts';
import type { EventOf, HeardAdvert, MachineEvent } from './events.ts';
import { gaveWayLately, giveWay, letPassMs, letsPass } from './giving-way.ts';
import type { MachineSettings } from './settings.ts';
import { follows, type Phase, type State } from './state.ts';
import {
  arm,
  bowOut,
  claim,
  disarm,
  follow,
  inPhase,
  isBowOut,
  isMoreDemoted,
  isWorse,
  listen,
  report,
  type Step,
  stay,
  without,
} from './steps.ts';
import {
  after,
  challengeMs,
  HAND_OVER_AT,
  intervalMs,
  intervalNow,
  masterDownMs,
  masterDownNow,
  staggerMs,
} from './timings.ts';

type PhaseOf<Name extends Phase['name']> = Extract<Phase, { readonly name: Name }>;

/** One host that speaks in two families has two addresses. */
const isSameHost = (state: State, a: IpAddress, b: IpAddress): boolean =>
  sameAddress(a, b) || (follows(state.master, a) && follows(state.master, b));

/** Whether a MASTER that wins over this host, other than the one that is heard now, has spoken within its interval. */
const betterIsAlive = ({ better, ...state }: State, heard: HeardAdvert, at: number): boolean =>
  better !== undefined &&
  !isSameHost(state, better.source, heard.source) &&
  at - better.at <= toMillis(better.interval);

const silence = (state: State, at: number, settings: MachineSettings): string => {
  const limit = `the limit is ${masterDownMs(state, settings)} ms`;
  return state.master === undefined
    ? `no MASTER was heard; ${limit}`
    : `no advert of ${state.master.source.text} for ${Math.round(at - state.master.heardAt)} ms; ${limit}`;
};

/** Only the farewell of the MASTER that is followed counts. Where a better one speaks, that one is followed (DESIGN D5). */
const heardBowOut = (state: State, event: EventOf<'advertReceived'>, settings: MachineSettings): Step => {
  const { advert, at } = event;
  if (!follows(state.master, advert.source) || state.phase.name === 'staggering') return stay(state);
  const own = state.sources[advert.family];
  return [
    inPhase(without(state, 'preemptSince'), { name: 'staggering', detail: `${advert.source.text} said farewell` }),
    [...disarm('preempt'), arm('stagger', after(at, staggerMs(state, settings, own)))],
  ];
};

/** An advert that is worse than what this host would send. */
const heardWorse = (state: State, event: EventOf<'advertReceived'>, settings: MachineSettings): Step => {
  const { advert, at } = event;
  const mine = intervalNow(state, settings);
  if (betterIsAlive(state, advert, at)) return listen(state, at, settings);
  const followed = follow(state, advert, at);
  const numbers = `${advert.source.text} advertises every ${advert.interval}/256 s`;
  // Rule B3 of the BSD kernels; OpenBSD leaves it out in sub-second mode, where intervals are no multiples of advbase.
  if (settings.advbase !== 0 && advert.interval > masterDownNow(state, settings))
    return claim(followed, at, settings, {
      reason: 'master-slow',
      detail: `${numbers}, more than the ${masterDownNow(state, settings)}/256 s after which this host takes over`,
    });
  // A host in maintenance never preempts, not even one that is slower still (DESIGN D6); and what an operator gave away is
  // not taken back.
  if (state.demotion >= HAND_OVER_AT || state.gaveAway === true) return listen(followed, at, settings);
  if (isMoreDemoted(advert, state))
    return claim(followed, at, settings, {
      reason: 'preempt',
      detail: `${advert.source.text} has the demotion count ${advert.demotion}, this host a demotion of ${state.demotion}`,
    });
  // Nor does anybody who has just given way to an equal, which would preempt in the same moment again.
  if (!settings.preempt || gaveWayLately(state, at, settings)) return listen(followed, at, settings);
  if (settings.preemptDelay === 0)
    return claim(followed, at, settings, { reason: 'preempt', detail: `${numbers}, this host every ${mine}/256 s` });
  const [next, effects] = listen(followed, at, settings);
  const waiting = state.preemptSince !== undefined;
  return [
    { ...next, preemptSince: state.preemptSince ?? at },
    waiting ? effects : [...effects, arm('preempt', after(at, settings.preemptDelay))],
  ];
};

const heard = (state: State, event: EventOf<'advertReceived'>, settings: MachineSettings): Step => {
  const { advert, at } = event;
  if (isBowOut(advert)) return heardBowOut(state, event, settings);
  if (isWorse(advert, state, settings)) return heardWorse(state, event, settings);
  const better = { source: advert.source, at, interval: advert.interval };
  const [next, effects] = listen(without({ ...follow(state, advert, at), better }, 'preemptSince'), at, settings);
  return [next, [...disarm('preempt'), ...effects]];
};

/** A claim is contested like a reign; whoever loses it gives up at most what it is about to add. */
const claimHeard = (
  state: State,
  phase: PhaseOf<'claiming' | 'taking'>,
  event: EventOf<'advertReceived'>,
  settings: MachineSettings,
): Step => {
  if (isBowOut(event.advert)) return stay(state);
  const verdict = judge(event.advert, event.at, phase.reign, state, settings);
  if (verdict.winner !== 'other') return stay(state);
  const yielding = verdict.reason === 'tie' ? giveWay(state, event.at, settings) : state;
  const [next, effects] = heard(yielding, event, settings);
  return [next, phase.name === 'taking' ? [{ type: 'releaseAddresses' }, ...effects] : effects];
};

/** The claim told another rank than this host has now: the first advert as MASTER, which tells the new one, is due at once. */
const claimOutdated = (state: State, phase: PhaseOf<'claiming' | 'taking'>, { at }: EventOf<'advskewChanged'>): Step =>
  stay(inPhase(state, { ...phase, reign: { ...phase.reign, due: at } }));

/** A claim that is under way when the order comes to observe is taken back: others have fallen silent for it. */
const withdrawn = (
  state: State,
  phase: PhaseOf<'claiming' | 'taking'>,
  at: Millis,
  settings: MachineSettings,
): Step => {
  const [next, effects] = listen(state, at, settings);
  return [next, [...(phase.name === 'taking' ? ([{ type: 'releaseAddresses' }] as const) : []), bowOut, ...effects]];
};

const masterDownExpired = (state: State, event: EventOf<'timerExpired'>, settings: MachineSettings): Step => {
  if (state.phase.name !== 'listening') return stay(state);
  const { extended } = state.phase;
  const late = event.at - event.due;
  // This process was held up: it may have missed adverts, so it listens before it talks (DESIGN D12).
  if (late > intervalMs(state, settings) && !extended) return extend(state, event.at, settings);
  if (letsPass(state, event.at, settings) && !extended)
    return extend(state, event.at, settings, letPassMs(state, settings));
  return [inPhase(state, { name: 'draining', extended }), [{ type: 'drain' }]];
};

const extend = (
  state: State,
  at: Millis,
  settings: MachineSettings,
  forMs: number = intervalMs(state, settings),
): Step => [inPhase(state, { name: 'listening', extended: true }), [arm('masterDown', after(at, forMs))]];

/**
 * The MASTER is silent. If replayed adverts were refused meanwhile, either somebody plays a dead MASTER's adverts, or they
 * were those of one that is alive and repeats itself (a virtual machine that was set back): so the claim is a question,
 * and it stands for as long as the answer may take (DESIGN D8). No other claim asks: whoever preempts or answers a farewell
 * has just heard the MASTER.
 */
const claimFromSilent = (state: State, { at, replayed }: EventOf<'drained'>, settings: MachineSettings): Step => {
  const reason = 'master-timeout';
  const detail = silence(state, at, settings);
  // Who claims is MASTER next, or hears who is. Who only observes would name for ever the one that has gone.
  if (state.observing === true) return listen(without(state, 'master', 'preemptSince'), at, settings);
  if (replayed === 0) return claim(state, at, settings, { reason, detail });
  const holdMs = challengeMs(state, settings);
  const asked = `${detail}; ${replayed} replayed adverts were refused, so it asked for a fresh one and waited ${holdMs} ms`;
  return claim(state, at, settings, { reason, detail: asked, holdMs });
};

const drained = (state: State, event: EventOf<'drained'>, settings: MachineSettings): Step => {
  const { phase } = state;
  if (phase.name === 'draining')
    // Adverts may be among what the kernel had to drop: a flood must not cause a takeover (DESIGN D10).
    return event.dropped > 0 && !phase.extended
      ? extend(state, event.at, settings)
      : claimFromSilent(state, event, settings);
  if (phase.name === 'claiming' && phase.last) {
    const { reason, detail, reign } = phase;
    return [inPhase(state, { name: 'taking', reason, detail, reign }), [{ type: 'takeAddresses' }]];
  }
  return stay(state);
};

/** The followed MASTER may have changed its rank, or this host its own, since the wait began. */
const preemptExpired = (state: State, event: EventOf<'timerExpired'>, settings: MachineSettings): Step => {
  const { preemptSince, master } = state;
  if (preemptSince === undefined) return stay(state);
  const worse = master !== undefined && isWorse(master, state, settings);
  if (!worse || state.demotion >= HAND_OVER_AT) return stay(without(state, 'preemptSince'));
  const waited = `waited ${Math.round(event.at - preemptSince)} ms before it preempts ${master.source.text}`;
  return claim(state, event.at, settings, { reason: 'preempt', detail: waited });
};

const timerExpired = (state: State, event: EventOf<'timerExpired'>, settings: MachineSettings): Step => {
  const { phase } = state;
  const heldUp = event.at - event.due > intervalMs(state, settings);
  switch (event.timer) {
    case 'masterDown':
      return masterDownExpired(state, event, settings);
    case 'stagger':
      if (phase.name !== 'staggering') return stay(state);
      // Held up since the farewell: somebody else has probably answered it.
      return heldUp
        ? extend(state, event.at, settings)
        : claim(state, event.at, settings, { reason: 'bow-out-heard', detail: phase.detail });
    case 'preempt':
      // Held up in the meantime: the next advert that is worse starts the wait anew.
      return heldUp ? stay(without(state, 'preemptSince')) : preemptExpired(state, event, settings);
    case 'hold':
      if (phase.name !== 'claiming') return stay(state);
      // Held up in the middle of a claim: what was true when it was sent need not be true now.
      return heldUp
        ? listen(state, event.at, settings)
        : [inPhase(state, { ...phase, last: true }), [{ type: 'drain' }]];
    case 'advert':
    case 'bowOut':
    case 'release':
      return stay(state);
  }
};

/** The claim was the first advert. If adding the addresses took so long that the second is overdue, it goes out now. */
const becomeMaster = (state: State, { reign, reason, detail }: PhaseOf<'taking'>): Step => {
  const effects: readonly Effect[] = [
    { type: 'startAnnouncing' },
    report(state, 'MASTER', reason, detail),
    arm('advert', reign.due),
  ];
  return [inPhase(without(state, 'master', 'better', 'preemptSince'), { name: 'master', reign }), effects];
};

/** Whoever has just claimed has made others fall silent: it tells them to go on without it. */
const stopped = (state: State): Step => {
  const { name } = state.phase;
  return [
    inPhase(state, { name: 'stopped' }),
    [
      ...disarm('masterDown', 'hold', 'stagger', 'preempt'),
      ...(name === 'claiming' || name === 'taking' ? [bowOut] : []),
      ...(name === 'taking' ? ([{ type: 'releaseAddresses' }] as const) : []),
      report(state, 'STOPPED', 'stop', 'was BACKUP'),
      { type: 'finish' },
    ],
  ];
};

/** Rules of INIT are in transition.ts, those of MASTER in master.ts. */
export const backup = (state: State, event: MachineEvent, settings: MachineSettings): Step => {
  const { phase } = state;
  switch (event.type) {
    case 'advertReceived':
      return phase.name === 'claiming' || phase.name === 'taking'
        ? claimHeard(state, phase, event, settings)
        : heard(state, event, settings);
    case 'timerExpired':
      return timerExpired(state, event, settings);
    case 'drained':
      return drained(state, event, settings);
    case 'addressesTaken':
      return phase.name === 'taking' ? becomeMaster(state, phase) : stay(state);
    case 'addressesFailed': {
      if (phase.name !== 'taking') return stay(state);
      // The claim made others fall silent: tell them to go on without this host.
      const [next, effects] = listen(state, event.at, settings);
      return [next, [bowOut, ...effects]];
    }
    case 'stopRequested':
      return stopped(state);
    case 'advskewChanged':
      return phase.name === 'claiming' || phase.name === 'taking' ? claimOutdated(state, phase, event) : stay(state);
    case 'demotionChanged':
      return state.observing === true && (phase.name === 'claiming' || phase.name === 'taking')
        ? withdrawn(state, phase, event.at, settings)
        : stay(state);
    case 'becameReady':
    case 'becameUnready':
    case 'handOverRequested':
    case 'addressesLost':
    case 'leaseLapsed':
      return stay(state);
  }
};
