/** What good and bad messages, and silence, say about something that is watched. Pure; times are of a monotonic clock. */

/** `late`: nothing was heard for too long, which counts as unhealthy. `waiting`: nothing was heard yet, which does not. */
export type HealthState = 'waiting' | 'healthy' | 'unhealthy' | 'late';

export interface Health {
  readonly state: HealthState;
  /** Messages in a row that speak against the state. */
  readonly against: number;
  /** When the time began in which the next message is due. */
  readonly heardAt?: number;
}

/** What outlives a deploy. */
export interface HealthMemory {
  /** Id of the carp-group node. */
  readonly group: string;
  /** In its demotion ledger. */
  readonly reason: string;
  readonly health: Health;
}

export interface HealthRules {
  /** So many bad ones in a row make unhealthy. */
  readonly fall: number;
  /** So many good ones in a row make healthy again. */
  readonly rise: number;
  /** In ms; 0 = no message is ever due. */
  readonly expectMs: number;
  /** Before the first message: nothing counts, or silence does, or it is unhealthy. */
  readonly initially: 'waiting' | 'expected' | 'unhealthy';
}

export const initialHealth = ({ initially }: HealthRules, at: number): Health => {
  if (initially === 'waiting') return { state: 'waiting', against: 0 };
  return { state: initially === 'unhealthy' ? 'unhealthy' : 'waiting', against: 0, heardAt: at };
};

export const isBad = ({ state }: Health): boolean => state === 'unhealthy' || state === 'late';

/** A message has come. */
export const heard = (health: Health, good: boolean, at: number, { fall, rise }: HealthRules): Health => {
  if (isBad(health)) {
    // Somebody speaks again, even if it is to complain.
    if (!good) return { state: 'unhealthy', against: 0, heardAt: at };
    const against = health.against + 1;
    return against >= rise ? healthy(at) : { ...health, against, heardAt: at };
  }
  if (good) return healthy(at);
  const against = health.against + 1;
  return against >= fall ? { state: 'unhealthy', against: 0, heardAt: at } : { ...health, against, heardAt: at };
};

/** When silence makes late; undefined: never. */
export const dueAt = (health: Health, { expectMs }: HealthRules): number | undefined =>
  expectMs === 0 || isBad(health) || health.heardAt === undefined ? undefined : health.heardAt + expectMs;

/** It is later than `dueAt`. */
export const overdue = (health: Health): Health => ({ ...health, state: 'late', against: 0 });

/** In a flow that has just started, the next message has the whole time to come. */
export const resumed = (health: Health, at: number): Health =>
  health.heardAt === undefined ? health : { ...health, heardAt: at };

const healthy = (at: number): Health => ({ state: 'healthy', against: 0, heardAt: at });
