import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asyncScheduler, Subject, VirtualTimeScheduler } from 'rxjs';
import { HostHooks } from '../../src/agent/host-hooks.ts';
import { LAST_HOOKS_MS_MAX } from '../../src/agent/last-hooks.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { until } from '../support/wait.ts';
import { configOf, eventOf, groupText } from './fakes.ts';

const node = (program: string): readonly string[] => [process.execPath, '-e', program];
const groups = (hooks: object | undefined) => configOf('a', [groupText('plant', hooks ? { hooks } : {})]).groups;
const became = (role: CarpEvent['role'], previous: CarpEvent['role'], seq: number): CarpEvent =>
  eventOf('a', 'plant', { event: 'transition', role, previous, seq });

const setUp = (scheduler: ConstructorParameters<typeof HostHooks>[0]['scheduler'] = asyncScheduler) => {
  const events$ = new Subject<CarpEvent>();
  const logged: string[] = [];
  const hooks = new HostHooks({
    node: 'a',
    events$,
    scheduler,
    wallClock: () => new Date('2026-11-22T12:00:00.123Z'),
    log: (level, message, fields) => logged.push(`${level} ${String(fields?.['group'])} ${message}`),
  });
  return { events$, hooks, logged };
};

test('each run is reported with its transition, code and time, and a failure is logged with its last line', async () => {
  const { events$, hooks, logged } = setUp();
  hooks.configure(groups({ up: node('console.error("a\\nno such service"); process.exit(3)'), change: ['/no/such'] }));
  assert.deepEqual(hooks.reportsOf('plant'), []);
  events$.next(became('MASTER', 'BACKUP', 7));
  await until('two reports', 20_000, () => hooks.reportsOf('plant')?.length === 2);
  const reports = hooks.reportsOf('plant')?.map(({ ms: _ms, ...report }) => report);
  const at = '2026-11-22T12:00:00.123Z';
  assert.deepEqual(reports, [
    { hook: 'change', seq: 7, at, outcome: 'not-started', message: 'spawn /no/such ENOENT' },
    { hook: 'up', seq: 7, at, outcome: 'exited', code: 3, message: 'no such service' },
  ]);
  assert.match(logged[0] ?? '', /^warn plant hook up of transition 7: exit code 3 after \d+ ms: no such service$/);
  assert.match(logged[1] ?? '', /^warn plant hook change of transition 7: not-started: spawn/);
});

test('hooks can be added and taken away while the group runs, and a group without hooks has no reports', async () => {
  const { events$, hooks } = setUp();
  hooks.configure(groups(undefined));
  events$.next(became('MASTER', 'BACKUP', 1));
  assert.equal(hooks.reportsOf('plant'), undefined);
  hooks.configure(groups({ down: node('') }));
  events$.next(became('BACKUP', 'MASTER', 2));
  await until('a report', 20_000, () => hooks.reportsOf('plant')?.length === 1);
  assert.equal(hooks.reportsOf('plant')?.[0]?.outcome, 'exited');
});

test('the last hooks are waited for, and not longer than five seconds', async () => {
  const orderly = setUp();
  orderly.hooks.configure(groups({ down: node('setTimeout(() => {}, 100)') }));
  orderly.events$.next(became('STOPPED', 'MASTER', 2));
  orderly.events$.complete();
  await orderly.hooks.finish();
  assert.equal(orderly.hooks.reportsOf('plant')?.[0]?.outcome, 'exited');

  const scheduler = new VirtualTimeScheduler();
  const late = setUp(scheduler);
  late.hooks.configure(groups({ down: node('setInterval(() => {}, 1000)') }));
  late.events$.next(became('STOPPED', 'MASTER', 2));
  late.events$.complete();
  const finished = late.hooks.finish();
  scheduler.maxFrames = LAST_HOOKS_MS_MAX;
  scheduler.flush();
  await finished;
  assert.match(late.logged.join(), /still ran after 5 s, and were killed/);
});

test('without a hook that runs, nothing is waited for', async () => {
  const { events$, hooks } = setUp(new VirtualTimeScheduler());
  events$.complete();
  await hooks.finish();
});
