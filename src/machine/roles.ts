/** The states of CARP, as ifconfig(8) shows them. */
export const ROLES = ['INIT', 'BACKUP', 'MASTER'] as const;
export type Role = (typeof ROLES)[number];

/** Why a role changed: a closed list, so that flows and dashboards can rely on it (DESIGN 5). */
export const REASONS = [
  /** The group is ready for the first time. */
  'startup',
  /** The MASTER has been silent for the master-down time. */
  'master-timeout',
  /** The MASTER advertises so rarely that it would time out. */
  'master-slow',
  /** This host is better than the MASTER, and preempts. */
  'preempt',
  /** The MASTER said farewell. */
  'bow-out-heard',
  /** A host with a shorter interval is MASTER. */
  'better-master',
  /** A host with an equal interval is MASTER, and wins the tie. */
  'tie',
  /** An operator handed the group over. */
  'hand-over',
  /** The host is in maintenance. */
  'maintenance',
  /** Demotion reached 240. */
  'demoted',
  /** An operator forced the role. */
  'forced',
  'link-down',
  'link-up',
  /** The process was held up for longer than its lease. */
  'stalled',
  /** A shared address could not be added, or somebody took it away. */
  'address-lost',
  'stop',
] as const;
export type Reason = (typeof REASONS)[number];
