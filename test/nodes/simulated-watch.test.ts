/** carp-watch with the real agent, in a process of its own, on the network in memory. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { NodeMessage } from 'node-red';
import type { Agents } from '../../nodes/agent-link.ts';
import { createSupervisor, type Supervisor } from '../../src/agent/supervisor.ts';
import {
  calls,
  control,
  group,
  helper,
  lastStatus,
  messagesAt,
  nodesOn,
  registryFor,
  sink,
  tab,
  until,
  watch,
} from './fakes.ts';

const START_MS = 15_000;

/** The second host waits 0.4 s longer than a silence takes, on the same clock. */
const TWO_HOSTS = [tab, group(), group({ id: 'g2', host: 'rpi2', advskew: 100 }), control({ id: 'c1', wires: [] })];
const WATCH = [watch({ mode: 'simulate' }), sink()];

describe('a watch on the simulated network', () => {
  const supervisors: Supervisor[] = [];
  let nodes: ReturnType<typeof nodesOn>;
  let state = '';
  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'carp-watch-'));
    const agents: Agents = {
      fork: () => {
        const supervisor = createSupervisor();
        supervisors.push(supervisor);
        return supervisor;
      },
      connect: () => {
        throw new Error('no test here uses a service');
      },
    };
    nodes = nodesOn(registryFor(agents, state));
  });
  afterEach(async () => {
    await helper.unload();
    await Promise.all(supervisors.splice(0).map((supervisor) => supervisor.stop()));
    rmSync(state, { recursive: true, force: true, maxRetries: 5 });
  });

  const words = (messages: readonly NodeMessage[]) => messages.map(({ payload }) => payload);

  test('tells who is MASTER, who fell silent, and who took over; a deploy in between tells nothing again', async () => {
    await helper.load(nodes, [...TWO_HOSTS, ...WATCH]);
    let messages = messagesAt('out');
    await until(() => words(messages).includes('master'), 'a MASTER', START_MS);
    assert.ok(messages.every(({ topic }) => topic === 'carp/watch/eth0/10'));
    await until(() => lastStatus('w')?.text === '1 speaker', 'the status');

    await helper.setFlows([...TWO_HOSTS, watch({ mode: 'simulate', name: 'the same' }), sink()], 'full');
    messages = messagesAt('out');
    await until(() => lastStatus('w')?.text === '1 speaker', 'the status after the deploy');
    helper.getNode('c1')?.receive({ action: 'crash' } as NodeMessage);
    await until(() => words(messages).includes('master'), 'the other MASTER', START_MS);
    const told = words(messages).filter((word) => word !== 'system-guessed');
    assert.deepEqual(told, ['gone', 'new-speaker', 'master']);
    const last = messages.findLast(({ payload }) => payload === 'master') as NodeMessage & {
      readonly carp: { readonly how: string; readonly previous?: { readonly source: string } };
    };
    assert.equal(last.carp.how, 'timeout');
    assert.equal(supervisors.length, 1);
    assert.deepEqual(calls('w', 'warn'), []);
  });

  test('without any host nobody speaks, and no group is needed to hear that', async () => {
    await helper.load(nodes, [tab, ...WATCH]);
    await until(() => lastStatus('w')?.text === 'carp-watch.status.nobody', 'silence', START_MS);
  });
});
