/**
 * How a group takes part, as operators say it. `maintenance`: demoted by 240 until it ends, and still the last resort.
 * `observe`: it listens, and never becomes MASTER.
 */
export const MODES = ['normal', 'maintenance', 'observe'] as const;
export type Mode = (typeof MODES)[number];
