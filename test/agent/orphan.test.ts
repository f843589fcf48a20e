import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Child } from '../support/child.ts';
import { isAlive } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const PARENT = fileURLToPath(new URL('./forking-parent.js', import.meta.url));
/** It has to start before it can end, and on a busy machine a start takes seconds. */
const END_MS_MAX = 15_000;

// The delays are the cases: a start takes some hundred milliseconds, and the parent may die at any point of it.
for (const afterMs of [0, 50, 100, 200, 300, 400, 600])
  test(`an agent whose parent is killed ${afterMs} ms after the fork ends`, async (t) => {
    const parent = new Child('parent', [process.execPath, PARENT]);
    const { text } = await parent.untilLine(/^\d+$/, 20_000);
    const pid = Number(text);
    t.after(() => {
      if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    });
    assert.ok(isAlive(pid));
    await sleep(afterMs);
    await parent.stop('SIGKILL');
    await until('the agent to end', END_MS_MAX, () => !isAlive(pid));
  });
