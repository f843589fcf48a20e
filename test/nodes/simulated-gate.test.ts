/** Gates, health checks and commands with the real agent, in a process of its own, and two hosts on its network in memory. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { NodeMessage } from 'node-red';
import type { Agents } from '../../nodes/agent-link.ts';
import { createSupervisor, type Supervisor } from '../../src/agent/supervisor.ts';
import type { GroupStatus } from '../../src/engine/status.ts';
import {
  control,
  gate,
  group,
  health,
  helper,
  lastStatus,
  messagesAt,
  nodesOn,
  registryFor,
  sink,
  tab,
  until,
} from './fakes.ts';

const LONG_MS = 20_000;
const FLOW = [
  tab,
  group(),
  group({ id: 'g2', host: 'rpi2', advskew: 100 }),
  gate({ id: 'gate1', wires: [['pass1'], []] }),
  gate({ id: 'gate2', group: 'g2', wires: [['pass2'], []] }),
  health(),
  control(),
  ...['pass1', 'pass2', 'out'].map((id) => sink(id)),
];

describe('two simulated hosts with gates', () => {
  const supervisors: Supervisor[] = [];
  const pids: number[] = [];
  let state = '';
  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'carp-gates-'));
  });
  afterEach(async () => {
    await helper.unload();
    await Promise.all(supervisors.splice(0).map((supervisor) => supervisor.stop()));
    rmSync(state, { recursive: true, force: true, maxRetries: 5 });
  });
  const agents: Agents = {
    fork: () => {
      const supervisor = createSupervisor({ onSpawn: ({ pid }) => pid !== undefined && pids.push(pid) });
      supervisors.push(supervisor);
      return supervisor;
    },
    connect: () => {
      throw new Error('no test here uses a service');
    },
  };

  const load = async () => {
    await helper.load(nodesOn(registryFor(agents, state)), FLOW);
    const [one, two, answers] = [messagesAt('pass1'), messagesAt('pass2'), messagesAt('out')];
    let tick = 0;
    /** Ticks both gates until this one alone lets a tick through. */
    const onlyOpen = async (...either: readonly ('rpi1' | 'rpi2')[]): Promise<void> => {
      let overlaps = 0;
      const has = (messages: readonly NodeMessage[]): boolean => messages.some(({ payload }) => payload === tick);
      const end = performance.now() + LONG_MS;
      while (performance.now() < end) {
        tick += 1;
        const sent = tick;
        for (const id of ['gate1', 'gate2']) helper.getNode(id)?.receive({ payload: sent } as NodeMessage);
        await new Promise((resolve) => setTimeout(resolve, 20));
        const passed = [has(one), has(two)];
        const both = passed.every(Boolean);
        if (both) overlaps += 1;
        // A successor takes the addresses two milliseconds before its predecessor lets go: nobody is without them.
        assert.ok(overlaps <= 1, 'messages pass on both hosts');
        const open = passed[0] ? 'rpi1' : passed[1] ? 'rpi2' : undefined;
        if (!both && open !== undefined && either.includes(open)) return;
      }
      throw new Error(`the gate of ${either.join(' or ')} stays closed`);
    };
    const ask = async (message: object): Promise<Record<string, unknown>> => {
      const before = answers.length;
      helper.getNode('c')?.receive(message as NodeMessage);
      await until(() => answers.length > before, 'an answer', LONG_MS);
      return answers[before]?.payload as Record<string, unknown>;
    };
    return { onlyOpen, ask };
  };
  const tell = (payload: boolean): void => helper.getNode('health')?.receive({ payload } as NodeMessage);

  test('a message passes on the MASTER alone, and a health check moves it', async () => {
    const { onlyOpen, ask } = await load();
    await onlyOpen('rpi1');
    tell(false);
    await onlyOpen('rpi2');
    const bad = (await ask({ action: 'query' })) as unknown as GroupStatus;
    assert.deepEqual(
      [bad.role, bad.ledger.map(({ reason, weight }) => [reason, weight])],
      ['BACKUP', [['health boiler', 240]]],
    );
    tell(true);
    await until(() => lastStatus('health')?.text === 'carp.status.healthy', 'health');
    const good = (): Promise<GroupStatus> => ask({ action: 'query' }) as unknown as Promise<GroupStatus>;
    const end = performance.now() + LONG_MS;
    while ((await good()).ledger.length > 0) assert.ok(performance.now() < end, 'the ledger is not empty');
  });

  test('an agent that is killed closes the gate, and its successor is told what is wrong with the host', async () => {
    const { onlyOpen } = await load();
    await onlyOpen('rpi1');
    tell(false);
    await onlyOpen('rpi2');
    const killed = pids.at(-1);
    assert.ok(killed !== undefined);
    process.kill(killed, 'SIGKILL');
    await until(() => /agent|unknown/.test(lastStatus('gate2')?.text ?? ''), 'a closed gate', LONG_MS);
    await until(() => pids.at(-1) !== killed, 'another agent', LONG_MS);
    const end = performance.now() + LONG_MS;
    const demoted = async (): Promise<boolean> => {
      const status = await supervisors
        .at(-1)
        ?.status()
        .catch(() => undefined);
      return (status?.hosts ?? []).some(({ groups }) =>
        groups.some(({ ledger }) => ledger.some(({ reason }) => reason === 'health boiler')),
      );
    };
    while (!(await demoted())) {
      assert.ok(performance.now() < end, 'the new agent was not told');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // Both have begun anew. If the word came after rpi1's wait for a MASTER had begun, it is the last resort.
    await onlyOpen('rpi1', 'rpi2');
  });

  test('maintenance moves the group, and another advskew is in the status', async () => {
    const { onlyOpen, ask } = await load();
    await onlyOpen('rpi1');
    assert.equal((await ask({ action: 'maintenance', payload: 'on' }))['ok'], true);
    await onlyOpen('rpi2');
    assert.equal((await ask({ action: 'maintenance', payload: 'off' }))['changed'], true);
    const receipt = await ask({ action: 'set-advskew', advskew: 7 });
    assert.deepEqual([receipt['advskew'], receipt['configured']], [7, 0]);
    assert.equal((await ask({ action: 'query' }))['advskew'], 7);
  });
});
