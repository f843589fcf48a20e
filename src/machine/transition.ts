/**
 * The rules of CARP: (state, event, settings) -> [state, effects].
 *
 * A host is INIT while it cannot take part, BACKUP while it listens, MASTER while it holds the addresses. Between
 * BACKUP and MASTER lies the claim: one advert, 3 ms to object, then the addresses, then the role. Between MASTER and
 * BACKUP lies the farewell: one advert 255/255, then the addresses stay until the successor speaks.
 *
 * What the kernels do differently is in protocol.md 4; what this machine does differently from them, and why:
 * - It breaks ties (D3). Two BSD hosts with equal settings settle by chance of timing, two of these never flap.
 * - After it has given way to an equal for nothing, it lets that one pass (`giving-way.ts`).
 * - It claims before it takes (D4), so two hosts that time out together do not both hold an address.
 * - It says farewell at a stop, a hand-over and full demotion (D5, D6), and holds on until somebody answers.
 * - It has one master-down timer per group, re-armed by either family (D9); the kernels have one per family.
 * - It knows that it may have been held up, and listens before it talks (D12).
 * - It may be told to observe: it then listens and never claims (`claim`), and what it is MASTER of goes with a farewell.
 * - It says the farewell of a predecessor that died as MASTER, and goes on for it if nobody answers (`inheriting.ts`).
 *
 * Invariants: adverts other than a claim, a yield and a bow-out are sent by a MASTER alone; addresses are released by
 * every way out of MASTER, inherited ones by every way that does not lead to MASTER; each `report` names the role that `roleOf` gives after the step (or STOPPED).
 */
import { backup } from './backup.ts';
import type { MachineEvent } from './events.ts';
import { inheriting, owesFarewell, startInheriting } from './inheriting.ts';
import { master } from './master.ts';
import type { MachineSettings } from './settings.ts';
import { roleOf, type State } from './state.ts';
import { bowOut, disarm, inPhase, listen, receipt, report, type Step, stay, without } from './steps.ts';

const ALL_TIMERS = ['masterDown', 'advert', 'hold', 'stagger', 'preempt', 'bowOut', 'release'] as const;

/** What is true in every role: who was heard, which addresses are ours, what demotes us. */
const remember = (state: State, event: MachineEvent): State => {
  switch (event.type) {
    case 'advertReceived':
      return event.advert.family === 4 ? { ...state, heardIpv4At: event.at } : state;
    case 'becameReady':
      return { ...state, sources: event.sources };
    case 'demotionChanged': {
      const demoted = { ...without(state, 'observing'), demotion: event.demotion };
      return event.observing === true ? { ...demoted, observing: true } : demoted;
    }
    case 'advskewChanged':
      return event.advskew === undefined ? without(state, 'advskew') : { ...state, advskew: event.advskew };
    default:
      return state;
  }
};

const init = (state: State, event: MachineEvent, settings: MachineSettings): Step => {
  switch (event.type) {
    case 'becameReady': {
      const { at, sources, reason, inherits } = event;
      const [next, effects] = inherits ? startInheriting(state, at) : listen(state, at, settings);
      const sends = `sends from ${Object.values(sources)
        .map(({ text }) => text)
        .join(' and ')}`;
      const detail = inherits ? `${sends}; still has the addresses of its predecessor, and offers them` : sends;
      return [next, [report(state, 'BACKUP', reason, detail), ...effects]];
    }
    case 'stopRequested':
      return [inPhase(state, { name: 'stopped' }), [report(state, 'STOPPED', 'stop', 'was INIT'), { type: 'finish' }]];
    default:
      return stay(state);
  }
};

/** The link or the source address is gone: nothing can be said any more, not even farewell. Unless this is an order. */
const becameUnready = (state: State, event: Extract<MachineEvent, { readonly type: 'becameUnready' }>): Step => {
  const holding = roleOf(state) === 'MASTER' || state.phase.name === 'taking';
  const forgetful = without(
    inPhase(state, { name: 'init' }),
    'master',
    'better',
    'heardIpv4At',
    'preemptSince',
    'gaveAway',
    'gaveWay',
  );
  const { phase } = state;
  const ending = phase.name === 'bowing-out' && phase.ending === 'stop';
  const ordered = event.reason === 'forced' || event.reason === 'stop';
  const farewell =
    ordered &&
    (phase.name === 'inheriting'
      ? owesFarewell(phase)
      : phase.name === 'master' || phase.name === 'claiming' || phase.name === 'taking');
  return [
    { ...(ending ? inPhase(forgetful, { name: 'stopped' }) : forgetful), sources: {} },
    [
      ...(farewell ? [bowOut] : []),
      ...(holding ? ([{ type: 'releaseAddresses' }, { type: 'stopAnnouncing' }] as const) : []),
      ...disarm(...ALL_TIMERS),
      report(state, ending ? 'STOPPED' : 'INIT', ending ? 'stop' : event.reason, event.detail),
      ...(ending ? ([{ type: 'finish' }] as const) : []),
      ...(phase.name === 'bowing-out' ? [receipt(state, phase)] : []),
    ],
  ];
};

/**
 * What a predecessor has left stays while this host inherits and claims, and is its own when it has become MASTER. On
 * every other way it goes, before anybody is told.
 */
const settleInheritance = ([state, effects]: Step): Step => {
  const { name } = state.phase;
  if (state.inherited === undefined || name === 'inheriting' || name === 'claiming' || name === 'taking')
    return [state, effects];
  const settled = without(state, 'inherited');
  if (name === 'master') return [settled, effects];
  const told = effects.findIndex(({ type }) => type === 'report');
  return [settled, effects.toSpliced(told === -1 ? effects.length : told, 0, { type: 'disinherit' })];
};

const step = (before: State, event: MachineEvent, settings: MachineSettings): Step => {
  const state = remember(before, event);
  const { phase } = state;
  if (phase.name === 'stopped') return stay(before);
  if (phase.name === 'init') return init(state, event, settings);
  if (event.type === 'becameUnready') return becameUnready(state, event);
  if (phase.name === 'inheriting') return inheriting(state, phase, event, settings);
  return roleOf(state) === 'MASTER' ? master(state, event, settings, before) : backup(state, event, settings);
};

export const transition = (before: State, event: MachineEvent, settings: MachineSettings): Step =>
  settleInheritance(step(before, event, settings));
