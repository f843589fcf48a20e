import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { firstValueFrom, type Observable, of, Subject, shareReplay } from 'rxjs';
import { monotonicScheduler } from '../../src/adapters/node/scheduler.ts';
import { forkedAgent } from '../../src/agent/fork-agent.ts';
import { beatMs, heartbeats, stalls } from '../../src/agent/heartbeat.ts';
import { type Millis, seconds } from '../../src/protocol/units.ts';
import { virtually } from '../support/marbles.ts';

/** A socket takes a few hundred small messages that nobody reads. */
const CHANNEL_BEATS_MAX = 20_000;
/** What is not taken for so long is not taken. */
const PAUSE_MS = 500;

const never = { t: true, f: false };

test('an owner that is silent for stallTimeout hangs, and one heartbeat ends that', () => {
  virtually(({ hot, expectObservable }, scheduler) => {
    const beats$ = hot('                   500ms b 699ms b 1500ms b');
    expectObservable(stalls(beats$, of(seconds(1)), scheduler), '2900ms !').toBe('f 2199ms t 500ms f', never);
  });
});

test('stallTimeout 0 means never, and can be changed at any time', () => {
  virtually(({ hot, expectObservable }, scheduler) => {
    const settings$: Observable<Millis> = hot('s 4999ms n 1s s', { s: seconds(1), n: seconds(0) });
    expectObservable(stalls(new Subject(), settings$, scheduler), '6500ms !').toBe('f 999ms t 3999ms f', never);
  });
});

test('a machine that slept, or was stopped with its owner, has missed one tick', (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const tick = (ms: number): void => {
    now += ms;
    t.mock.timers.tick(1000);
  };
  const seen: boolean[] = [];
  const watch = stalls(new Subject(), of(seconds(15)), monotonicScheduler).subscribe((stalled) => seen.push(stalled));
  for (let i = 0; i < 10; i += 1) tick(1000);
  // A day that this process did not see.
  tick(86_400_000);
  assert.deepEqual(seen, [false]);
  for (let i = 0; i < 3; i += 1) tick(1000);
  assert.deepEqual(seen, [false]);
  tick(1000);
  assert.deepEqual(seen, [false, true]);
  watch.unsubscribe();
});

test('heartbeats come ten times in a timeout, at least each second, and not before the last one was written', () => {
  assert.equal(beatMs(seconds(15)), 1000);
  assert.equal(beatMs(seconds(2)), 200);
  virtually(({ expectObservable }, scheduler) => {
    let sent = 0;
    const stuck = (): Promise<void> => {
      sent += 1;
      return new Promise(() => undefined);
    };
    expectObservable(heartbeats(of(seconds(2)), stuck, scheduler), '5s !').toBe('');
    scheduler.schedule(() => assert.equal(sent, 1), 4000);
  });
});

test('a heartbeat waits for an agent that does not read, and no longer than the agent is there', async (t) => {
  const children: ChildProcess[] = [];
  const entry = fileURLToPath(new URL('./deaf-agent.js', import.meta.url));
  const agent$ = forkedAgent({ entry, onSpawn: (child) => children.push(child) }).pipe(shareReplay(1));
  const running = agent$.subscribe({ error: () => undefined });
  t.after(() => {
    running.unsubscribe();
    children[0]?.kill('SIGKILL');
  });
  const client = await firstValueFrom(agent$);
  const [child] = children;

  /** Sends until one is not taken within `PAUSE_MS`, and gives that one back. */
  const fill = async (): Promise<{ readonly last: Promise<void> }> => {
    for (let sent = 0; sent < CHANNEL_BEATS_MAX; sent += 1) {
      const last = client.heartbeat();
      const taken = await Promise.race([last.then(() => true), delay(PAUSE_MS, false)]);
      if (!taken) return { last };
    }
    return assert.fail(`${CHANNEL_BEATS_MAX} heartbeats were taken by a channel that nobody reads`);
  };
  const soon = (last: Promise<void>): Promise<string> =>
    Promise.race([last.then(() => 'over'), delay(10_000, 'still waiting', { ref: false })]);

  child?.kill('SIGSTOP');
  const first = await fill();
  child?.kill('SIGCONT');
  assert.equal(await soon(first.last), 'over', 'the agent reads again');

  child?.kill('SIGSTOP');
  const second = await fill();
  child?.kill('SIGKILL');
  assert.equal(await soon(second.last), 'over', 'the agent is gone');
  await assert.rejects(client.heartbeat());
});
