/** What a message and the settings of a carp-control node ask for. Pure. */

import { isTrue, textIn } from './fields.ts';
import type { Demotion, Scope } from './group-commands.ts';
import { nodeFailure } from './node-failure.ts';

/** Used where the message says nothing else. */
export interface ControlFields {
  readonly action?: string;
  readonly force?: boolean | string;
  readonly scope?: string;
  readonly reason?: string;
  readonly weight?: number | string;
  readonly forSeconds?: number | string;
  readonly advskew?: number | string;
}

/** What a message may say; anybody may have made it. */
export type Order = { readonly [K in keyof ControlFields | 'enable' | 'payload']?: unknown };

/** Modes that are switched, by an action each for on, for off, and for what the message says. */
export const SWITCHED_MODES = ['maintenance', 'observe'] as const;
type SwitchedMode = (typeof SWITCHED_MODES)[number];

export type ControlAction =
  | { readonly type: 'hand-over'; readonly force: boolean }
  | { readonly type: SwitchedMode; readonly on: boolean; readonly scope: Scope }
  | { readonly type: 'demote'; readonly demotion: Demotion }
  | { readonly type: 'restore'; readonly reason: string; readonly scope: Scope }
  | { readonly type: 'set-advskew'; readonly advskew: number | undefined }
  | { readonly type: 'query' }
  | { readonly type: 'crash' }
  | { readonly type: 'revive' };

export const ACTIONS = [
  'hand-over',
  'maintenance-on',
  'maintenance-off',
  'maintenance',
  'observe-on',
  'observe-off',
  'observe',
  'demote',
  'restore',
  'set-advskew',
  'query',
  'crash',
  'revive',
] as const;

type ActionName = (typeof ACTIONS)[number];

const FOR_SECONDS_MAX = 30 * 86_400;

/** @throws Error with code CARP_BAD_ACTION, which says what would be right */
export const controlAction = (fields: ControlFields, order: Order): ControlAction => {
  const name = actionName(order.action ?? fields.action);
  const scope = scopeOf(order.scope ?? fields.scope);
  switch (name) {
    case 'hand-over':
      return { type: 'hand-over', force: isTrue(order.force ?? fields.force) };
    case 'maintenance-on':
    case 'maintenance-off':
      return { type: 'maintenance', on: name === 'maintenance-on', scope };
    case 'observe-on':
    case 'observe-off':
      return { type: 'observe', on: name === 'observe-on', scope };
    case 'maintenance':
    case 'observe':
      return { type: name, on: switchOf(name, order), scope };
    case 'demote':
      return { type: 'demote', demotion: { reason: reasonOf(fields, order), scope, ...weightOf(fields, order) } };
    case 'restore':
      return { type: 'restore', reason: reasonOf(fields, order), scope };
    case 'set-advskew':
      return { type: 'set-advskew', advskew: advskewOf(order.advskew === undefined ? fields.advskew : order.advskew) };
    case 'query':
    case 'crash':
    case 'revive':
      return { type: name };
  }
};

/** How an action is called in answers and status texts. */
export const nameOf = (action: ControlAction): Exclude<ActionName, SwitchedMode> =>
  'on' in action ? `${action.type}-${action.on ? 'on' : 'off'}` : action.type;

const bad = (message: string, remedy: string): Error => nodeFailure({ code: 'CARP_BAD_ACTION', message, remedy });

const actionName = (written: unknown): ActionName => {
  // `handover`, `hand_over`, `maintenance on`, as people write them.
  const text = textIn(written)
    .toLowerCase()
    .replace(/[\s_]+/g, '-')
    .replace(/^handover$/, 'hand-over');
  const known = ACTIONS.find((name) => name === text);
  if (known !== undefined) return known;
  throw bad(
    text === '' ? 'no action is given' : `there is no action "${String(written).slice(0, 64)}"`,
    `set msg.action, or the action of this node, to ${ACTIONS.join(', ')}`,
  );
};

const scopeOf = (written: unknown): Scope => {
  const text = textIn(written);
  if (text === '' || text === 'group') return 'group';
  if (text === 'host') return 'host';
  throw bad(`there is no scope "${text.slice(0, 64)}"`, 'set msg.scope to "group" or "host"');
};

const ON = ['true', 'on', '1', 'yes'];
const OFF = ['false', 'off', '0', 'no'];

const switchOf = (mode: SwitchedMode, { enable, payload }: Order): boolean => {
  const word = String(enable ?? payload)
    .trim()
    .toLowerCase();
  if (ON.includes(word)) return true;
  if (OFF.includes(word)) return false;
  throw bad(`${mode} is to be switched, and the message does not say how`, 'set msg.enable to true or false');
};

const reasonOf = (fields: ControlFields, order: Order): string => {
  const reason = textIn(order.reason ?? fields.reason) || 'flow';
  if (reason.length <= 64 && !/[\p{C}\p{Zl}\p{Zp}]/u.test(reason)) return reason;
  throw bad('a reason has 1 to 64 printable characters', 'set msg.reason to a few words, such as "backup runs"');
};

const weightOf = (fields: ControlFields, order: Order): Pick<Demotion, 'weight' | 'forMs'> => {
  const weight = Number(order.weight ?? (textIn(fields.weight) || 240));
  if (!Number.isInteger(weight) || weight < 1 || weight > 65_535)
    throw bad('a weight is a whole number from 1 to 65535', 'set msg.weight; 240 and more hand over');
  const seconds = Number(order.forSeconds ?? (textIn(fields.forSeconds) || 0));
  if (!(seconds >= 0 && seconds <= FOR_SECONDS_MAX))
    throw bad(`a demotion lasts 0 to ${FOR_SECONDS_MAX} s`, 'set msg.forSeconds; 0 = until it is restored');
  return { weight, ...(seconds === 0 ? {} : { forMs: Math.max(1, Math.round(seconds * 1000)) }) };
};

/** Nothing: the one of the settings again. */
const advskewOf = (written: unknown): number | undefined => {
  if (written === null || written === undefined || written === '') return undefined;
  const advskew = typeof written === 'number' ? written : Number(textIn(written) || Number.NaN);
  if (Number.isInteger(advskew) && advskew >= 0 && advskew <= 254) return advskew;
  throw bad('an advskew is a whole number from 0 to 254', 'set msg.advskew; null = the one of the settings again');
};
