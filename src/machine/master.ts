/** What happens to a MASTER: it advertises, defends, yields, and says farewell. */
import type { Millis } from '../protocol/units.ts';
import { judge, tiedRival } from './contest.ts';
import type { EventOf, MachineEvent } from './events.ts';
import { giveWay } from './giving-way.ts';
import type { Reason } from './roles.ts';
import type { MachineSettings } from './settings.ts';
import type { Phase, Reign, State } from './state.ts';
import {
  advert,
  arm,
  bowOut,
  claim,
  disarm,
  follow,
  followRival,
  inPhase,
  isBowOut,
  receipt,
  report,
  type Step,
  stay,
  stepDown,
  without,
  yieldAdvert,
} from './steps.ts';
import {
  ANSWER_GAP_MS,
  after,
  exactIntervalMs,
  HAND_OVER_AT,
  intervalMs,
  leaseMs,
  RELEASE_AFTER_CLAIM_MS,
  SUCCESSOR_WAIT_MS,
  skewNow,
} from './timings.ts';

type PhaseOf<Name extends Phase['name']> = Extract<Phase, { readonly name: Name }>;

const reigning = (state: State, reign: Reign): State => inPhase(state, { name: 'master', reign });

/** Sends an advert now; the next one is due an interval later. */
const advertiseNow = (state: State, reign: Reign, at: Millis, settings: MachineSettings): Step => {
  const due = after(at, exactIntervalMs(state, settings));
  return [
    reigning(state, { ...reign, due, sentAt: at, sent: reign.sent + 1 }),
    [advert('regular', state, settings), arm('advert', due)],
  ];
};

const advertDue = (state: State, reign: Reign, event: EventOf<'timerExpired'>, settings: MachineSettings): Step => {
  const { at, due } = event;
  if (due < reign.due) return stay(state);
  // Added up from the last due time, not from now: adverts do not drift. After a stall the rhythm starts anew.
  const next = after(due, exactIntervalMs(state, settings));
  if (next <= at) return advertiseNow(state, reign, at, settings);
  return [
    reigning(state, { ...reign, due: next, sentAt: at, sent: reign.sent + 1 }),
    [advert('regular', state, settings), arm('advert', next)],
  ];
};

/** A MASTER whose advert is so late that its lease is over, whatever it is that wakes it (DESIGN D12). */
const overslept = (state: State, { sentAt, due }: Reign, at: Millis, settings: MachineSettings): boolean =>
  at - sentAt > leaseMs(settings) && at - due > intervalMs(state, settings);

/** Past its lease a MASTER owns nothing any more: it gives up what is left and looks before it talks (DESIGN D12). */
const recover = (state: State, reign: Reign, detail: string): Step => [
  inPhase(state, { name: 'recovering', detail, reign }),
  [
    ...disarm('advert', 'bowOut', 'release'),
    { type: 'releaseAddresses' },
    { type: 'stopAnnouncing' },
    { type: 'drain' },
  ],
];

/** Nobody else spoke: if the BACKUPs cannot have timed out yet, claim at once, else listen first. */
const recovered = (state: State, phase: PhaseOf<'recovering'>, at: Millis, settings: MachineSettings): Step => {
  const because = { reason: 'stalled', detail: phase.detail } as const;
  const [listening, effects] = stepDown(state, at, settings, because);
  if (at - phase.reign.sentAt >= settings.deadratio * settings.advbase * 1000) return [listening, effects];
  const [claiming, more] = claim(listening, at, settings, because);
  return [claiming, [...effects, ...more]];
};

/** Tells a rival and the neighbours who is MASTER, at most every 100 ms. */
const defend = (state: State, reign: Reign, at: Millis, settings: MachineSettings): Step => {
  if (reign.answeredAt !== undefined && at - reign.answeredAt < ANSWER_GAP_MS) return [reigning(state, reign), []];
  return [
    reigning(state, { ...reign, answeredAt: at, sentAt: at, sent: reign.sent + 1 }),
    [advert('answer', state, settings), { type: 'announceAgain' }],
  ];
};

const heard = (
  state: State,
  phase: PhaseOf<'master'>,
  event: EventOf<'advertReceived'>,
  settings: MachineSettings,
): Step => {
  const { advert: rival, at } = event;
  const { reign } = phase;
  // A rival that leaves has told the neighbours its MAC until now.
  if (isBowOut(rival)) return defend(state, reign, at, settings);
  const verdict = judge(rival, at, reign, state, settings);
  const tied = (): Reign => ({
    ...reign,
    tied: { ...reign.tied, [rival.family]: tiedRival(rival, at, reign, state, settings) },
  });
  switch (verdict.winner) {
    case 'other': {
      const yielding = verdict.reason === 'tie' ? giveWay(state, at, settings) : state;
      return stepDown(followRival(yielding, rival, at, settings), at, settings, {
        reason: verdict.reason,
        detail: verdict.detail,
        first: yieldAdvert(rival, state, settings),
      });
    }
    case 'self':
      return defend(state, verdict.tied ? tied() : without(reign, 'tied'), at, settings);
    case 'undecided':
      return [reigning(state, tied()), []];
  }
};

/** Says farewell and keeps the addresses until the successor speaks (DESIGN D5). */
const startBowOut = (
  state: State,
  reign: Reign,
  at: Millis,
  why: Pick<PhaseOf<'bowing-out'>, 'reason' | 'ending' | 'inSync'>,
): Step => [
  inPhase(state, { name: 'bowing-out', ...why, since: at, reign }),
  [...disarm('advert'), bowOut, arm('bowOut', after(at, SUCCESSOR_WAIT_MS[why.ending]))],
];

const successorHeard = (state: State, phase: PhaseOf<'bowing-out'>, event: EventOf<'advertReceived'>): Step => {
  if (isBowOut(event.advert) || phase.successor !== undefined) return stay(state);
  return [
    inPhase(follow(state, event.advert, event.at), { ...phase, successor: event.advert.source }),
    [...disarm('bowOut'), arm('release', after(event.at, RELEASE_AFTER_CLAIM_MS))],
  ];
};

const stopped = (state: State, detail: string): Step => [
  inPhase(state, { name: 'stopped' }),
  [
    ...disarm('advert', 'bowOut', 'release'),
    { type: 'releaseAddresses' },
    { type: 'stopAnnouncing' },
    report(state, 'STOPPED', 'stop', detail),
    { type: 'finish' },
  ],
];

const handedOver = (state: State, phase: PhaseOf<'bowing-out'>, at: Millis, settings: MachineSettings): Step => {
  const outcome = receipt(state, phase);
  if (outcome.type !== 'handedOver') return stay(state);
  const detail = `${outcome.to.text} took over after ${outcome.afterMs} ms`;
  return endFarewell(state, phase, at, settings, { reason: phase.reason, detail });
};

/** Gives up the addresses, as MASTER that becomes BACKUP or as one that stops. */
const endFarewell = (
  state: State,
  phase: PhaseOf<'bowing-out'>,
  at: Millis,
  settings: MachineSettings,
  because: { readonly reason: Reason; readonly detail: string },
): Step => {
  const [next, effects] =
    phase.ending === 'stop' ? stopped(state, because.detail) : stepDown(state, at, settings, because);
  return [next, [...effects, receipt(state, phase)]];
};

const nobodyTookOver = (
  state: State,
  phase: PhaseOf<'bowing-out'>,
  event: EventOf<'timerExpired'>,
  settings: MachineSettings,
): Step => {
  if (phase.successor !== undefined) return stay(state);
  const { at, due } = event;
  const detail = `nobody took over within ${Math.round(at - phase.since)} ms`;
  if (phase.ending !== 'stay') return endFarewell(state, phase, at, settings, { reason: 'forced', detail });
  // Held up meanwhile: the successor is perhaps there already, so this host looks before it talks (DESIGN D12).
  if (at - due > intervalMs(state, settings)) {
    const [next, effects] = recover(state, phase.reign, `held up for ${Math.round(at - due)} ms while it handed over`);
    return [next, [...effects, receipt(state, phase)]];
  }
  // Whoever heard the farewell must hear that it is void.
  const [next, effects] = advertiseNow(state, phase.reign, at, settings);
  return [next, [...effects, { type: 'announceAgain' }, { type: 'nobodyTookOver', released: false }]];
};

/** How late an advert leaves can be measured only by whoever sends it. */
const withDueTime = ([state, effects]: Step, due: Millis): Step => [
  state,
  effects.map((effect) => (effect.type === 'sendAdvert' ? { ...effect, due } : effect)),
];

const timerExpired = (state: State, event: EventOf<'timerExpired'>, settings: MachineSettings): Step => {
  const { phase } = state;
  if (event.timer === 'advert' && phase.name === 'master')
    return withDueTime(advertDue(state, phase.reign, event, settings), event.due);
  if (phase.name !== 'bowing-out') return stay(state);
  if (event.timer === 'release') return handedOver(state, phase, event.at, settings);
  return event.timer === 'bowOut' ? nobodyTookOver(state, phase, event, settings) : stay(state);
};

/**
 * A sitting MASTER hands over once, when its demotion reaches 240: peers that do not preempt would otherwise never take
 * over. Below that it advertises its new rank at once, as FreeBSD does. One that is to observe hands over in any case, and
 * lets go also if nobody takes over. `state` holds the new demotion already.
 */
const demotionChanged = (
  state: State,
  phase: PhaseOf<'master'>,
  event: EventOf<'demotionChanged'>,
  before: number,
  settings: MachineSettings,
): Step => {
  const { reason, at, demotion } = event;
  if (state.observing === true) return startBowOut(state, phase.reign, at, { reason, ending: 'release' });
  if (before < HAND_OVER_AT && demotion >= HAND_OVER_AT)
    return startBowOut(state, phase.reign, at, { reason, ending: 'stay' });
  return before === demotion ? stay(state) : advertiseNow(state, phase.reign, at, settings);
};

/** @param before - the state before this event */
export const master = (state: State, event: MachineEvent, settings: MachineSettings, before: State): Step => {
  const { phase } = state;
  if (phase.name !== 'master' && phase.name !== 'bowing-out' && phase.name !== 'recovering') return stay(state);
  if (phase.name === 'master' && overslept(state, phase.reign, event.at, settings)) {
    const late = Math.round(event.at - phase.reign.due);
    const [looking, first] = recover(state, phase.reign, `held up for ${late} ms, longer than its lease`);
    const [next, effects] = master(looking, event, settings, before);
    return [next, [...first, ...effects]];
  }
  switch (event.type) {
    case 'advertReceived':
      if (phase.name === 'master') return heard(state, phase, event, settings);
      if (phase.name === 'bowing-out') return successorHeard(state, phase, event);
      if (isBowOut(event.advert)) return stay(state);
      return stepDown(followRival(state, event.advert, event.at, settings), event.at, settings, {
        reason: 'stalled',
        detail: `${phase.detail}; ${event.advert.source.text} is MASTER`,
      });
    case 'timerExpired':
      return timerExpired(state, event, settings);
    case 'drained':
      return phase.name === 'recovering' ? recovered(state, phase, event.at, settings) : stay(state);
    case 'leaseLapsed':
      if (phase.name === 'master') return recover(state, phase.reign, event.detail);
      if (phase.name === 'recovering') return stay(state);
      return endFarewell(state, phase, event.at, settings, { reason: 'stalled', detail: event.detail });
    case 'addressesLost':
      if (phase.name === 'recovering') return stay(state);
      return phase.name === 'bowing-out'
        ? endFarewell(state, phase, event.at, settings, { reason: 'address-lost', detail: event.detail })
        : stepDown(state, event.at, settings, { reason: 'address-lost', detail: event.detail, first: [bowOut] });
    case 'demotionChanged':
      if (phase.name === 'master') return demotionChanged(state, phase, event, before.demotion, settings);
      // A farewell that is under way already may not end as MASTER any more.
      return phase.name === 'bowing-out' && phase.ending === 'stay' && state.observing === true
        ? stay(inPhase(state, { ...phase, ending: 'release' }))
        : stay(state);
    case 'advskewChanged':
      // As with demotion: whoever listens learns the new rank at once, and what it means is for others to decide.
      return phase.name === 'master' && skewNow(before, settings) !== skewNow(state, settings)
        ? advertiseNow(state, phase.reign, event.at, settings)
        : stay(state);
    case 'handOverRequested':
      if (phase.name === 'recovering') return [state, [{ type: 'nobodyTookOver', released: true }]];
      if (phase.name === 'bowing-out')
        return stay(event.force && phase.ending === 'stay' ? inPhase(state, { ...phase, ending: 'release' }) : state);
      return startBowOut(state, phase.reign, event.at, {
        reason: 'hand-over',
        ending: event.force ? 'release' : 'stay',
        ...(event.inSync === undefined ? {} : { inSync: event.inSync }),
      });
    case 'stopRequested':
      if (phase.name === 'recovering') return stopped(state, phase.detail);
      if (phase.name === 'master') return startBowOut(state, phase.reign, event.at, { reason: 'stop', ending: 'stop' });
      if (phase.ending === 'stop') return stay(state);
      return [
        inPhase(state, { ...phase, ending: 'stop' }),
        phase.successor === undefined ? [arm('bowOut', after(event.at, SUCCESSOR_WAIT_MS.stop))] : [],
      ];
    case 'becameReady':
    case 'becameUnready':
    case 'addressesTaken':
    case 'addressesFailed':
      return stay(state);
  }
};
