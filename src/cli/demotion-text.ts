import { HAND_OVER_WEIGHT } from '../agent/demotions.ts';
import type { DemotedGroup } from '../agent/rpc.ts';

/** What a change of the ledger has led to for a group, in one line. */
export const outcomeLine = ({ group, previous, role, demotion, handedOver }: DemotedGroup): string => {
  if (handedOver !== undefined)
    return `${group}: ${handedOver.address} took over after ${handedOver.afterMs} ms; ${role}, demotion ${demotion}`;
  if (previous === 'MASTER' && role === 'MASTER' && demotion >= HAND_OVER_WEIGHT)
    return (
      `${group}: nobody took over, still MASTER as the last resort, demotion ${demotion}; ` +
      `when another host is there: carp hand-over ${group}`
    );
  if (previous === 'MASTER' && role === 'BACKUP' && demotion >= HAND_OVER_WEIGHT)
    return `${group}: nobody took over, and nobody holds its addresses now; ${role}, demotion ${demotion}`;
  return `${group}: ${role}, demotion ${demotion}`;
};
