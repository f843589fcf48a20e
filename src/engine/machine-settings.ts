import type { MachineSettings } from '../machine/settings.ts';
import { DIALECTS, type Dialect } from '../protocol/dialect.ts';
import type { GroupSettings } from './settings.ts';
import { familiesOf } from './wire.ts';

/** How this group sends. Towards IPv6 peers there is no pseudo-header: NetBSD, which wants it, has no such peers. */
export const dialectOf = ({ compatibility, peers }: Pick<GroupSettings, 'compatibility' | 'peers'>): Dialect => {
  const dialect = DIALECTS[compatibility];
  return peers.some(({ family }) => family === 6) ? { ...dialect, pseudoHeader: false } : dialect;
};

/** What the rules need to know of a group. */
export const machineSettings = (settings: GroupSettings): MachineSettings => {
  const { advbase, advskew, deadratio, preempt, preemptDelay, compatibility } = settings;
  const { demotes, clampsSkew, tieBreak } = DIALECTS[compatibility];
  const families = familiesOf(settings);
  return { advbase, advskew, deadratio, preempt, preemptDelay, families, demotes, clampsSkew, tieBreak };
};
