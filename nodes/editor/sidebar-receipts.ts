/** What there is to say when a mode was switched. Pure. */
import type { ModeAnswer } from '../admin-api.ts';
import type { Answer } from './requests.ts';
import type { Card } from './sidebar-model.ts';

export type SwitchedMode = Exclude<Card['mode'], 'normal'>;

export interface Switched {
  /** As it was when the button was pressed. */
  readonly card: Pick<Card, 'inMaintenance' | 'observes'>;
  readonly mode: SwitchedMode;
  readonly on: boolean;
  readonly receipt: Pick<ModeAnswer, 'groups'>;
}

export interface ReceiptWords {
  /** Of the text. */
  readonly key: string;
  /** Who took over, where somebody did. */
  readonly address?: string;
  readonly ms?: number;
}

export const modeReceipt = ({ card, mode, on, receipt: { groups } }: Switched): ReceiptWords => {
  const taken = groups.find(({ handedOver }) => handedOver !== undefined)?.handedOver;
  if (taken !== undefined)
    return { key: `receipt.${mode}-handed`, address: taken.address, ms: Math.round(taken.afterMs) };
  if (!on) {
    if (mode === 'maintenance' && card.observes) return { key: 'receipt.still-observe' };
    if (mode === 'observe' && card.inMaintenance) return { key: 'receipt.still-maintenance' };
    return { key: `receipt.${mode}-off` };
  }
  if (mode === 'maintenance' && groups.some(({ role }) => role === 'MASTER'))
    return { key: 'receipt.maintenance-alone' };
  if (mode === 'observe' && groups.some(({ previous }) => previous === 'MASTER'))
    return { key: 'receipt.observe-released' };
  return { key: `receipt.${mode}-on` };
};

/**
 * Whether what was to end for one group stands for its whole host. The agent refuses that, and names the command that
 * ends it; one of an earlier version says that nothing has changed, and demotes on. Where nothing demotes any more,
 * somebody else was faster.
 */
export const isOfHost = (answer: Answer<Pick<ModeAnswer, 'changed' | 'groups'>>): boolean => {
  if (answer.ok) return !answer.body.changed && answer.body.groups.some(({ demotion }) => demotion > 0);
  const { code, remedy = '' } = answer.problem ?? {};
  return code === 'CARP_FAILED' && /^(?:leave the group out: |to end that: carp \w+ off$)/.test(remedy);
};
