/** What tests of simulated hosts look at: who holds the addresses, from when on, and for how long. */
import assert from 'node:assert/strict';
import type { Lan, LanHost } from './machine-lan.ts';

const { SEED } = process.env;

/**
 * Runs a test for seeds 1 to `count`. In the environment, SEED=n runs that one alone, and SEED=n+ as many from there on.
 * Failures name their seed.
 */
export const forSeeds = (count: number, run: (seed: number) => void): void => {
  const first = Number.parseInt(SEED ?? '1', 10);
  const seeds = Array.from({ length: SEED === undefined || SEED.endsWith('+') ? count : 1 }, (_, i) => first + i);
  for (const seed of seeds)
    try {
      run(seed);
    } catch (error) {
      throw new Error(`SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
};

export const names = (hosts: readonly LanHost[]): string => hosts.map(({ name }) => name).join(' and ') || 'nobody';

/** The only holder from now on for so long; whatever changes meanwhile fails. */
export const steadyHolder = (lan: Lan, forMs: number): LanHost => {
  const [holder, ...more] = lan.holders();
  assert.ok(holder !== undefined && more.length === 0, `${names(lan.holders())} holds the addresses at ${lan.now} ms`);
  const from = lan.now;
  lan.run(from + forMs, () => {
    const now = lan.holders();
    if (now.length !== 1 || now[0] !== holder) assert.fail(`${names(now)} instead of ${holder.name} at ${lan.now} ms`);
  });
  return holder;
};

/** A span of time during which the same hosts held the addresses. */
export interface Spell {
  readonly holders: readonly LanHost[];
  readonly from: number;
  readonly ms: number;
}

/** Runs until then, and tells who held the addresses one after the other. */
export const spells = (lan: Lan, until: number): readonly Spell[] => {
  const seen: Spell[] = [];
  let holders = lan.holders();
  let from = lan.now;
  const end = (): void => {
    seen.push({ holders, from, ms: lan.now - from });
  };
  lan.run(until, () => {
    const now = lan.holders();
    if (now.length === holders.length && now.every((host, i) => host === holders[i])) return;
    end();
    holders = now;
    from = lan.now;
  });
  end();
  return seen;
};
