import type { Family } from '../protocol/address.ts';
import type { Dialect } from '../protocol/dialect.ts';
import type { AdvBase, AdvSkew, Millis } from '../protocol/units.ts';

/** What the rules depend on. They hold for the life of a machine; other settings make another machine. */
export interface MachineSettings extends Pick<Dialect, 'demotes' | 'clampsSkew' | 'tieBreak'> {
  readonly advbase: AdvBase;
  readonly advskew: AdvSkew;
  /** Multiple of advbase after which a silent MASTER counts as dead. */
  readonly deadratio: number;
  /** Whether a BACKUP takes over from a MASTER that is worse, but alive. */
  readonly preempt: boolean;
  readonly preemptDelay: Millis;
  /** In which families adverts are sent: those of the shared addresses. */
  readonly families: readonly Family[];
}
