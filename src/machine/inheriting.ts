/**
 * A host whose agent died as MASTER and was started again in time: the addresses are still there, and the BACKUPs do not
 * know yet. It says the farewell that its predecessor could not, and keeps the addresses until somebody answers.
 *
 * ```
 * listening ──50 ms──► looking ──► offering ──a successor speaks──► leaving ──5 ms──► BACKUP
 *                   last look   farewell said ──200 ms──► asking ──nobody──► claiming ──► MASTER
 *                                                       last look
 * ```
 *
 * Whatever the way out, `transition` gives up what was inherited, unless this host is MASTER then and has adopted it.
 */
import type { Millis } from '../protocol/units.ts';
import { backup } from './backup.ts';
import type { EventOf, MachineEvent } from './events.ts';
import type { MachineSettings } from './settings.ts';
import type { Phase, State } from './state.ts';
import {
  arm,
  bowOut,
  claim,
  disarm,
  followRival,
  inPhase,
  isBowOut,
  listen,
  type Step,
  stay,
  without,
} from './steps.ts';
import {
  after,
  HAND_OVER_AT,
  HEIR_LISTENS_MS,
  HEIR_WAITS_MS,
  intervalMs,
  leaseMs,
  RELEASE_AFTER_CLAIM_MS,
} from './timings.ts';

type Inheriting = Extract<Phase, { readonly name: 'inheriting' }>;

const inStage = (state: State, stage: Inheriting['stage']): State => inPhase(state, { name: 'inheriting', stage });

const asListener = (state: State): State => inPhase(state, { name: 'listening', extended: false });

/** Whether the predecessor's farewell is still to be said. */
export const owesFarewell = ({ stage }: Inheriting): boolean => stage === 'listening' || stage === 'looking';

export const startInheriting = (state: State, at: Millis): Step => [
  { ...inStage(state, 'listening'), inherited: true },
  [arm('hold', after(at, HEIR_LISTENS_MS))],
];

const heard = (state: State, phase: Inheriting, event: EventOf<'advertReceived'>, settings: MachineSettings): Step => {
  const { advert, at } = event;
  if (isBowOut(advert) || phase.stage === 'leaving') return stay(state);
  if (!owesFarewell(phase))
    return [
      inStage(followRival(state, advert, at, settings), 'leaving'),
      [...disarm('bowOut'), arm('release', after(at, RELEASE_AFTER_CLAIM_MS))],
    ];
  // Somebody is MASTER already: there is nothing to hand over, and the addresses must not be here as well.
  const [next, effects] = backup(asListener(without(state, 'inherited')), event, settings);
  return [next, [{ type: 'disinherit' }, ...effects]];
};

const timerExpired = (
  state: State,
  { stage }: Inheriting,
  event: EventOf<'timerExpired'>,
  settings: MachineSettings,
): Step => {
  const { timer, at, due } = event;
  // Held up: the lease is perhaps over, and somebody else MASTER. What is left goes, and this host listens first.
  const heldUp = at - due > intervalMs(state, settings);
  if (timer === 'hold' && stage === 'listening')
    return heldUp ? listen(state, at, settings) : [inStage(state, 'looking'), [{ type: 'drain' }]];
  if (timer === 'bowOut' && stage === 'offering')
    return heldUp ? listen(state, at, settings) : [inStage(state, 'asking'), [{ type: 'drain' }]];
  return timer === 'release' && stage === 'leaving' ? listen(state, at, settings) : stay(state);
};

/**
 * Nobody answered the farewell. A lease that ends before any BACKUP times out proves that no other is MASTER: this host
 * goes on for its predecessor. Without that proof it listens for the whole master-down time, as it does when it is
 * demoted (DESIGN D6) or when the answer may be among what the kernel had to drop (DESIGN D10).
 */
const nobodyAnswered = (state: State, event: EventOf<'drained'>, settings: MachineSettings): Step => {
  const { at, dropped } = event;
  const outlivesTakeover = leaseMs(settings) >= settings.deadratio * settings.advbase * 1000;
  if (outlivesTakeover || state.demotion >= HAND_OVER_AT || dropped > 0) return listen(state, at, settings);
  const detail = `goes on for its predecessor, whose farewell nobody answered within ${HEIR_WAITS_MS} ms`;
  return claim(state, at, settings, { reason: 'startup', detail });
};

const drained = (state: State, { stage }: Inheriting, event: EventOf<'drained'>, settings: MachineSettings): Step => {
  if (stage === 'looking') return [inStage(state, 'offering'), [bowOut, arm('bowOut', after(event.at, HEIR_WAITS_MS))]];
  return stage === 'asking' ? nobodyAnswered(state, event, settings) : stay(state);
};

/** Rules of a BACKUP in this phase. */
export const inheriting = (state: State, phase: Inheriting, event: MachineEvent, settings: MachineSettings): Step => {
  switch (event.type) {
    case 'advertReceived':
      return heard(state, phase, event, settings);
    case 'timerExpired':
      return timerExpired(state, phase, event, settings);
    case 'drained':
      return drained(state, phase, event, settings);
    case 'stopRequested': {
      const [next, effects] = backup(asListener(state), event, settings);
      return [next, [...disarm('bowOut', 'release'), ...(owesFarewell(phase) ? [bowOut] : []), ...effects]];
    }
    case 'becameReady':
    case 'becameUnready':
    case 'demotionChanged':
    case 'advskewChanged':
    case 'handOverRequested':
    case 'addressesTaken':
    case 'addressesFailed':
    case 'addressesLost':
    case 'leaseLapsed':
      return stay(state);
  }
};
