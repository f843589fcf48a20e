/** The real agent with simulated hosts, in virtual time; only the folder for state is real. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { VirtualAction, VirtualTimeScheduler } from 'rxjs';
import { createMemoryLan } from '../../src/adapters/memory/lan.ts';
import type { Agent, AgentOptions } from '../../src/agent/agent.ts';
import { createLocks } from '../../src/agent/locks.ts';
import type { DemotionReceipt } from '../../src/agent/rpc.ts';
import { memorySurroundings } from '../../src/agent/surroundings.ts';
import { createWorld, noSurroundings } from '../../src/agent/world.ts';
import { createHost } from '../../src/engine/create-host.ts';
import type { GroupStatus } from '../../src/engine/status.ts';
import { CarpError } from '../../src/ports/error.ts';
import { monotonicMs } from '../support/wait.ts';
import { configOf, groupText, stage } from './fakes.ts';

export interface SimulatedAgent {
  readonly agent: Agent;
  readonly logged: readonly string[];
  /** Lets this much virtual time pass, in ms. */
  readonly pass: (ms: number) => Promise<void>;
  /** Runs these hosts, each with these groups. */
  readonly run: (state: string, hosts: Readonly<Record<string, readonly object[]>>) => Promise<void>;
  readonly group: (node: string, group?: string) => GroupStatus;
  /** Lets virtual time pass until the answer is there. */
  readonly answer: <Answer>(answer: Promise<Answer>) => Promise<Answer>;
  /** As `answer`, without what tests do not care for. */
  readonly outcome: (answer: Promise<DemotionReceipt>) => Promise<readonly unknown[]>;
}

export const stateFolder = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'carp-operator-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const STEP_MS = 1;
/** Real time: the disk may be slow. */
const ANSWER_MS_MAX = 30_000;

export const simulatedAgent = (
  more: Partial<Pick<AgentOptions, 'serveMetrics' | 'createPublisher'>> = {},
): SimulatedAgent => {
  const scheduler = new VirtualTimeScheduler(VirtualAction, 0);
  const wallClock = (): Date => new Date(Date.UTC(2026, 10, 22, 12) + scheduler.now());
  const basics = { scheduler, wallClock, log: () => undefined };
  const real = noSurroundings(new CarpError('CARP_NO_TRANSPORT', 'only simulated hosts here'));
  const memory = memorySurroundings(createMemoryLan(scheduler), basics);
  const world = createWorld({ memory, real, locks: createLocks() });
  const { agent, logged } = stage({ scheduler, wallClock, world, createHost, ...more });

  const pass = async (ms: number): Promise<void> => {
    scheduler.maxFrames = scheduler.frame + ms;
    scheduler.flush();
    scheduler.frame = scheduler.maxFrames;
    // Promises, and the disk, have their turn between two stretches of virtual time.
    await new Promise((resolve) => setImmediate(resolve));
  };

  const answer: SimulatedAgent['answer'] = async (promise) => {
    let settled = false;
    const done = promise.finally(() => {
      settled = true;
    });
    done.catch(() => undefined);
    const end = monotonicMs() + ANSWER_MS_MAX;
    while (!settled) {
      await pass(STEP_MS);
      if (monotonicMs() > end) throw new Error(`waited ${ANSWER_MS_MAX} ms for the agent's answer in vain`);
    }
    return done;
  };

  return {
    agent,
    logged,
    pass,
    answer,
    run: async (state, hosts) => {
      const configs = Object.entries(hosts).map(([node, groups]) => configOf(node, groups));
      await answer(agent.configure({ state, hosts: configs }));
    },
    group: (node, name = 'plant') => {
      const found = agent
        .status()
        .hosts.find((host) => host.node === node)
        ?.groups.find(({ group }) => group === name);
      if (found === undefined) throw new Error(`${node} has no group ${name}`);
      return found;
    },
    outcome: async (promise) => {
      const { changed, groups } = await answer(promise);
      return [
        changed,
        ...groups.map(({ group, previous, role, demotion, handedOver }) => [
          group,
          `${previous} > ${role}`,
          demotion,
          handedOver?.address,
        ]),
      ];
    },
  };
};

/** Two hosts in one group: `a` is MASTER, `b` its BACKUP. */
export const pair = async (t: TestContext, state = stateFolder(t)): Promise<SimulatedAgent> => {
  const sim = simulatedAgent();
  await sim.run(state, { a: [groupText('plant')], b: [groupText('plant', { advskew: 100 })] });
  await sim.pass(4000);
  return sim;
};
