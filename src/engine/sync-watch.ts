import { compareAddresses, type IpAddress } from '../protocol/address.ts';
import type { Ticks } from '../protocol/units.ts';

/** How this host stands in one group of a sync. */
export interface SyncStanding {
  readonly isMaster: boolean;
  /** Its own interval now. */
  readonly mine: Ticks;
  /** The MASTER it follows, and the address it would contest it with. */
  readonly other?: { readonly interval: Ticks; readonly source: IpAddress; readonly own?: IpAddress };
  readonly masterDownMs: number;
}

/** A split that lasts longer is no move that is under way. */
const PATIENCE_IN_MASTER_DOWNS = 2;

const isWorse = ({ mine, other }: SyncStanding): boolean => other !== undefined && other.interval <= mine;

/** Of two hosts that would both yield, the one with the higher address does so first; the other then finds no split. */
const waitsLonger = ({ other }: SyncStanding): boolean =>
  other?.own !== undefined && other.own.family === other.source.family && compareAddresses(other.own, other.source) < 0;

/**
 * After how many ms of being split a sync is to be given to the other host; `undefined`: it is not split, or the other
 * host is the one to yield.
 *
 * A sync is split when some of its groups are MASTER here while others follow a MASTER elsewhere: both hosts lost a link
 * in turn, or a group was restarted alone. Whoever is not better than the MASTER it follows lets go of the rest.
 */
export const yieldAfter = (standings: readonly SyncStanding[]): number | undefined => {
  if (!standings.some(({ isMaster }) => isMaster)) return undefined;
  const following = standings.filter(({ isMaster, other }) => !isMaster && other !== undefined);
  if (!following.some(isWorse)) return undefined;
  const downs = PATIENCE_IN_MASTER_DOWNS + (following.some(waitsLonger) ? 1 : 0);
  return downs * Math.max(...standings.map(({ masterDownMs }) => masterDownMs));
};
