/** The nodes with the real agent, in a process of its own, and hosts on its network in memory. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { NodeMessage } from 'node-red';
import type { Agents } from '../../nodes/agent-link.ts';
import { isOfHost } from '../../nodes/editor/sidebar-receipts.ts';
import type { Registry } from '../../nodes/registry.ts';
import type { DemotionReceipt } from '../../src/agent/rpc.ts';
import { createSupervisor, type Supervisor } from '../../src/agent/supervisor.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { problemOf } from '../../src/ports/error.ts';
import {
  calls,
  control,
  group,
  helper,
  lastStatus,
  messagesAt,
  nodesOn,
  registryFor,
  role,
  sink,
  tab,
  until,
} from './fakes.ts';

interface Told extends NodeMessage {
  readonly carp?: CarpEvent;
}

/** Two hosts that take turns in under half a second. */
const TWO_HOSTS = [
  tab,
  group({ advbase: 0, advskew: 20, deadratio: 3 }),
  group({ id: 'g2', host: 'rpi2', advbase: 0, advskew: 25, deadratio: 3 }),
  role({ id: 'r1', wires: [['one']] }),
  role({ id: 'r2', group: 'g2', wires: [['two']] }),
  control({ id: 'c1' }),
  sink('one'),
  sink('two'),
  sink(),
];

describe('two simulated hosts in Node-RED', () => {
  const supervisors: Supervisor[] = [];
  let pids: number[] = [];
  let state = '';
  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'carp-nodes-'));
    pids = [];
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

  const start = async () => {
    const registry = registryFor(agents, state);
    const known: Registry[] = [];
    await helper.load([...nodesOn(registry), (RED) => void known.push(registry(RED))], TWO_HOSTS);
    const [one, two, answers]: readonly Told[][] = [messagesAt('one'), messagesAt('two'), messagesAt('out')];
    await until(() => one?.at(-1)?.payload === 'MASTER' && two?.at(-1)?.payload === 'BACKUP', 'rpi1 as MASTER', 15_000);
    const [only] = known;
    assert.ok(only !== undefined);
    return { one: one ?? [], two: two ?? [], answers: answers ?? [], registry: only };
  };

  test('the plug of the MASTER is pulled, and the other one takes over', async () => {
    const { one, two } = await start();
    helper.getNode('c1')?.receive({ action: 'crash' } as NodeMessage);
    await until(() => two.at(-1)?.payload === 'MASTER', 'rpi2 as MASTER', 15_000);
    await until(() => one.at(-1)?.payload === 'STOPPED', 'rpi1 as STOPPED');
    assert.equal(two.at(-1)?.carp?.reason, 'master-timeout');
    assert.deepEqual(lastStatus('r2'), { fill: 'green', shape: 'dot', text: 'MASTER' });
    helper.getNode('c1')?.receive({ action: 'revive' } as NodeMessage);
    await until(() => one.at(-1)?.payload === 'BACKUP', 'rpi1 as BACKUP', 15_000);
    assert.equal(two.at(-1)?.payload, 'MASTER');
  });

  test('the MASTER hands over, and the answer names the successor', async () => {
    const { two, answers } = await start();
    helper.getNode('c1')?.receive({ action: 'hand-over' } as NodeMessage);
    await until(() => answers.length === 1, 'an answer', 15_000);
    await until(() => two.at(-1)?.payload === 'MASTER', 'rpi2 as MASTER');
    const { ok, address } = (answers[0]?.payload ?? {}) as { readonly ok?: boolean; readonly address?: string };
    assert.equal(ok, true);
    assert.match(address ?? '', /^[0-9a-f.:]+$/);
    assert.equal(two.at(-1)?.carp?.reason, 'bow-out-heard');
  });

  test('a host that is to observe hands over, is no successor either, and nobody holds the addresses when it is alone', async () => {
    const { one, two, answers, registry } = await start();
    const ask = async (message: object): Promise<DemotionReceipt> => {
      const before = answers.length;
      helper.getNode('c1')?.receive(message as NodeMessage);
      await until(() => answers.length > before, 'an answer', 15_000);
      return answers.at(-1)?.payload as DemotionReceipt;
    };
    const [handed] = (await ask({ action: 'observe-on' })).groups;
    assert.deepEqual([handed?.previous, handed?.role], ['MASTER', 'BACKUP']);
    assert.match(handed?.handedOver?.address ?? '', /^[0-9a-f.:]+$/);
    assert.equal(answers.at(-1)?.carp?.mode, 'observe');
    await until(() => two.at(-1)?.payload === 'MASTER', 'rpi2 as MASTER');
    assert.deepEqual(lastStatus('r1'), { fill: 'yellow', shape: 'ring', text: 'carp.status.observes' });
    assert.equal((await registry.statusOf('g')).mode, 'observe');

    const [released] = (await ask({ action: 'observe', enable: true, group: 'plant', node: 'rpi2' })).groups;
    assert.deepEqual([released?.previous, released?.role, released?.handedOver], ['MASTER', 'BACKUP', undefined]);
    assert.equal(one.at(-1)?.payload, 'BACKUP');
    await ask({ action: 'observe-off' });
    await until(() => one.at(-1)?.payload === 'MASTER', 'rpi1 as MASTER', 15_000);
    assert.equal(one.at(-1)?.carp?.mode, undefined);

    // What the sidebar makes of a refusal depends on these words of the agent.
    for (const mode of ['observe', 'maintenance'] as const) {
      await registry[mode]('g', true, 'host');
      const refused = await registry[mode]('g', false, 'group').catch(problemOf);
      assert.ok('code' in refused && isOfHost({ ok: false, status: 500, problem: refused }), JSON.stringify(refused));
      assert.equal((await registry[mode]('g', false, 'host')).changed, true);
    }
    await registry.demote('g', { reason: 'flow', weight: 1, scope: 'host' });
    const refused = await registry.restore('g', 'flow', 'group').catch(problemOf);
    assert.ok('code' in refused && isOfHost({ ok: false, status: 500, problem: refused }), JSON.stringify(refused));
  });

  test('a full deploy is no transition, and stopping the flows ends the agent', async () => {
    const { two } = await start();
    await helper.setFlows(TWO_HOSTS, 'full');
    const [one, later]: readonly Told[][] = [messagesAt('one'), messagesAt('two')];
    helper.getNode('c1')?.receive({ action: 'hand-over' } as NodeMessage);
    await until(() => later?.at(-1)?.payload === 'MASTER', 'rpi2 as MASTER', 15_000);
    await until(() => one?.at(-1)?.payload === 'BACKUP', 'rpi1 as BACKUP', 15_000);
    // All that was told after the deploy is the hand-over: the sequence number has gone on by one.
    assert.deepEqual([one?.length, later?.length], [1, 1]);
    assert.equal(later?.[0]?.carp?.seq, (two.at(-1)?.carp?.seq ?? 0) + 1);
    assert.deepEqual(calls('g', 'error'), []);
    assert.equal(pids.length, 1);
    await helper.clearFlows();
    await until(() => pids.every((pid) => !isAlive(pid)), 'the end of the agent');
  });
});

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
