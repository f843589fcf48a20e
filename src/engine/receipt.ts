import { firstValueFrom, type Observable } from 'rxjs';
import type { Effect } from '../machine/effects.ts';
import { CarpError } from '../ports/error.ts';
import type { HandOverReceipt } from './host.ts';

/** How a farewell ended. */
export type Receipt = Extract<Effect, { readonly type: 'handedOver' | 'nobodyTookOver' }>;

/**
 * The next receipt of a group.
 *
 * @throws (rejects) CarpError CARP_NOBODY; CARP_FAILED if the group ends first
 */
export const receiptOf = async (name: string, receipts$: Observable<Receipt>): Promise<HandOverReceipt> => {
  const outcome = await firstValueFrom(receipts$, { defaultValue: undefined });
  if (outcome === undefined) throw new CarpError('CARP_FAILED', `${name} ended before anybody took over`);
  if (outcome.type === 'handedOver') return { address: outcome.to.text, afterMs: outcome.afterMs };
  const state = outcome.released ? 'its addresses have been released' : 'this host is still MASTER';
  throw new CarpError('CARP_NOBODY', `nobody took over ${name}; ${state}`, {
    remedy: outcome.released
      ? 'start the group on another host'
      : `start the group on another host, or release its addresses anyway: carp hand-over ${name} --force`,
  });
};
