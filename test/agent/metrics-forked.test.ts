import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createSupervisor } from '../../src/agent/supervisor.ts';
import { readExposition, samplesOf, valueIn } from '../support/exposition.ts';
import { freePort, get } from '../support/http-socket.ts';
import { until } from '../support/wait.ts';
import { configOf, groupText } from './fakes.ts';

const WAIT_MS = 30_000;
const state = mkdtempSync(join(tmpdir(), 'carp-forked-'));
after(() => rmSync(state, { recursive: true, force: true }));

test('a forked agent serves all of its hosts at one address, and its successor does so again', async (t) => {
  const children: ChildProcess[] = [];
  const supervisor = createSupervisor({ onSpawn: (child) => children.push(child) });
  t.after(() => supervisor.stop());
  const port = await freePort();
  const hosts = [configOf('a', [groupText('plant')]), configOf('b', [groupText('plant', { advskew: 100 })])];
  await supervisor.configure({ state, hosts, metrics: { address: '127.0.0.1', port } });
  const scrape = async () => {
    const { status, body } = await get(port, '/metrics');
    return status === 200 && readExposition(body, 'prometheus');
  };
  const first = await until('an answer', WAIT_MS, scrape);
  assert.deepEqual(
    samplesOf(first, 'carp_group_role', { role: 'BACKUP' }).map(({ labels, value }) => [labels['node'], value]),
    [
      ['a', 1],
      ['b', 1],
    ],
  );
  children[0]?.kill('SIGKILL');
  const started = valueIn(first, 'process_start_time_seconds');
  await until('an answer of the successor', WAIT_MS, async () => {
    const families = await scrape();
    return families !== false && valueIn(families, 'process_start_time_seconds') > started;
  });
  assert.equal(children.length, 2);
});

test('an address that is none, or a port, is refused before anything runs', async (t) => {
  const supervisor = createSupervisor();
  t.after(() => supervisor.stop());
  const hosts = [configOf('a', [groupText('plant')])];
  for (const metrics of [
    { address: '127.0.0.1', port: 0 },
    { address: '', port: 9112 },
  ])
    await assert.rejects(supervisor.configure({ state, hosts, metrics }), /not valid/);
});
