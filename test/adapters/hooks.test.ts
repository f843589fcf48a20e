import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { getPriority, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { firstValueFrom, from, lastValueFrom, NEVER, of, Subject, tap, toArray } from 'rxjs';
import { runCommand } from '../../src/adapters/hooks/command.ts';
import { type HookRun, hookEnvironment, runHooks } from '../../src/adapters/hooks/hooks.ts';
import { track } from '../../src/adapters/hooks/track.ts';
import { turn } from '../../src/adapters/hooks/turns.ts';
import type { CarpEvent, PublicRole } from '../../src/engine/status.ts';
import { virtually } from '../support/marbles.ts';
import { writtenLines } from '../support/written-lines.ts';

const transition = (seq: number, previous: PublicRole, role: PublicRole): CarpEvent => ({
  event: 'transition',
  group: 'plant',
  interface: 'eth0',
  vhid: 10,
  node: 'rpi1',
  role,
  previous,
  reason: 'master-timeout',
  detail: '',
  at: '2026-01-01T00:00:00.000Z',
  seq,
  advbase: 1,
  advskew: 0,
  demotion: 0,
  addresses: ['192.0.2.100/24'],
});

const folder = (t: TestContext): string => {
  const path = mkdtempSync(join(tmpdir(), 'carp-hooks-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
};

/** A hook that says it begins, waits for a file to appear (or for ever), and says it ends. */
const script = (path: string, body: string): readonly string[] => {
  const file = join(path, 'hook.mjs');
  writeFileSync(
    file,
    `import { appendFileSync } from 'node:fs';\nconst say = (text) => appendFileSync(${JSON.stringify(join(path, 'said'))}, text + '\\n');\n${body}\n`,
  );
  return [process.execPath, file];
};
const said = (path: string): readonly string[] => writtenLines(join(path, 'said'));

const hasSpoken = (path: string): boolean => said(path).length > 0;
const until = async (condition: () => boolean): Promise<void> => {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'it has not happened within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const outcomes = (runs: readonly HookRun[]) => runs.map(({ hook, seq, outcome }) => `${hook} ${seq} ${outcome.type}`);

test('up runs on becoming master, down on leaving it, change always and with the arguments of devd', async (t) => {
  const path = folder(t);
  const hook = script(path, 'say(process.argv.slice(2).join(" ") + " " + process.env.CARP_ROLE);');
  const settings = { up: [...hook, 'up'], down: [...hook, 'down'], change: [...hook, 'change'], timeoutMs: 10_000 };
  const events$ = new Subject<CarpEvent>();
  const runs: HookRun[] = [];
  const ended = new Promise<void>((resolve) => {
    runHooks(events$, () => settings).subscribe({
      next: (run) => {
        runs.push(run);
        if (runs.length === 2) events$.next(transition(2, 'MASTER', 'BACKUP'));
        if (runs.length === 4) events$.complete();
      },
      complete: resolve,
    });
  });
  events$.next(transition(1, 'BACKUP', 'MASTER'));
  await ended;
  assert.deepEqual(said(path), [
    'up MASTER',
    'change 10@eth0 MASTER MASTER',
    'down BACKUP',
    'change 10@eth0 BACKUP BACKUP',
  ]);
  assert.deepEqual(outcomes(runs), ['up 1 exited', 'change 1 exited', 'down 2 exited', 'change 2 exited']);
});

test('a newer transition cancels the run of an older one, waits for its end, and skips what has not begun', async (t) => {
  const path = folder(t);
  const slow = script(
    path,
    `say('begin ' + process.argv[2]);
     process.on('SIGTERM', () => setTimeout(() => { say('end ' + process.argv[2]); process.exit(0); }, 50));
     if (process.argv[2] === 'up') setInterval(() => {}, 1000); else say('end ' + process.argv[2]);`,
  );
  const settings = { up: [...slow, 'up'], down: [...slow, 'down'], change: [...slow, 'change'], timeoutMs: 10_000 };
  const events$ = new Subject<CarpEvent>();
  const runs: HookRun[] = [];
  const ended = new Promise<void>((resolve) => {
    runHooks(events$, () => settings).subscribe({ next: (run) => runs.push(run), complete: resolve });
  });
  events$.next(transition(1, 'BACKUP', 'MASTER'));
  await until(() => hasSpoken(path));
  events$.next(transition(2, 'MASTER', 'BACKUP'));
  events$.complete();
  await ended;
  assert.deepEqual(outcomes(runs), ['up 1 killed', 'change 1 superseded', 'down 2 exited', 'change 2 exited']);
  assert.deepEqual(said(path).slice(0, 4), ['begin up', 'end up', 'begin down', 'end down']);
});

test('down goes on when the host that is no longer MASTER stops altogether, also where the counting begins anew', async (t) => {
  const path = folder(t);
  const slow = script(path, `say('begin ' + process.argv[2]); setTimeout(() => say('end ' + process.argv[2]), 300);`);
  const settings = { down: [...slow, 'down'], change: [...slow, 'change'], timeoutMs: 10_000 };
  const events$ = new Subject<CarpEvent>();
  const runs: HookRun[] = [];
  const ended = new Promise<void>((resolve) => {
    runHooks(events$, () => settings).subscribe({ next: (run) => runs.push(run), complete: resolve });
  });
  events$.next(transition(7, 'MASTER', 'BACKUP'));
  await until(() => hasSpoken(path));
  events$.next(transition(1, 'INIT', 'BACKUP'));
  events$.complete();
  await ended;
  assert.deepEqual(outcomes(runs), ['down 7 exited', 'change 7 superseded', 'change 1 exited']);
  assert.deepEqual(said(path), ['begin down', 'end down', 'begin change', 'end change']);
});

test('many commands that are wanted at once are started one in each turn of the event loop', async () => {
  const turns: number[] = [];
  let now = 0;
  let counting = true;
  const count = (): void => {
    now += 1;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  await Promise.all([1, 2, 3].map(() => lastValueFrom(turn().pipe(tap(() => turns.push(now))))));
  counting = false;
  assert.equal(new Set(turns).size, 3, `turns ${turns}`);
});

test('a command runs at normal priority, whatever that of the agent is', async (t) => {
  const before = getPriority();
  try {
    setPriority(-5);
  } catch {
    return t.skip('needs root, to have a higher priority');
  }
  t.after(() => setPriority(before));
  const program = 'setTimeout(() => console.log(require("node:os").getPriority()), 100)';
  const options = { environment: {}, timeoutMs: 10_000, cancel$: NEVER };
  const outcome = await firstValueFrom(runCommand([process.execPath, '-e', program], options));
  assert.equal(outcome.type === 'exited' && outcome.output.trim(), '0');
});

test('a hook that takes too long is killed with its children, also if it ignores SIGTERM', async (t) => {
  const path = folder(t);
  const deaf = script(path, `process.on('SIGTERM', () => {}); say(String(process.pid)); setInterval(() => {}, 1000);`);
  const outcome = await firstValueFrom(runCommand(deaf, { environment: {}, timeoutMs: 500, cancel$: NEVER }));
  assert.equal(outcome.type === 'killed' && outcome.why, 'timeout');
});

test('exit codes and output are told, and a program that is not there is no exception', async () => {
  const options = { environment: { WORD: 'no' }, timeoutMs: 10_000, cancel$: NEVER };
  const program = 'console.log(process.env.WORD); process.exit(3)';
  const failed = await firstValueFrom(runCommand([process.execPath, '-e', program], options));
  assert.deepEqual({ ...failed, ms: 0 }, { type: 'exited', code: 3, ms: 0, output: 'no\n' });
  const missing = await firstValueFrom(runCommand(['/nonexistent/hook'], options));
  assert.match(missing.type === 'not-started' ? missing.message : '', /ENOENT/);
});

test('a command finds what it was given and the usual variables in its environment, and no secret of the agent', async (t) => {
  const before = { ...process.env };
  t.after(() => {
    process.env = before;
  });
  process.env = {
    ...before,
    HOME: '/home/carp',
    LC_TIME: 'C',
    TZ: 'UTC',
    CARP_PASS: 'a secret',
    CREDENTIALS_DIRECTORY: '/run/credentials',
    NODE_OPTIONS: '--no-warnings',
    NOTIFY_SOCKET: '/run/notify',
  };
  const options = { environment: { CARP_ROLE: 'MASTER' }, timeoutMs: 10_000, cancel$: NEVER };
  const outcome = await firstValueFrom(runCommand(['env'], options));
  assert.ok(outcome.type === 'exited' && outcome.code === 0, JSON.stringify(outcome));
  const found = outcome.output.trim().split('\n');
  for (const line of ['HOME=/home/carp', 'LC_TIME=C', 'TZ=UTC', 'CARP_ROLE=MASTER', `PATH=${before['PATH']}`])
    assert.ok(found.includes(line), `${line} is missing: ${found}`);
  const usual = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|CARP_ROLE)=/;
  assert.deepEqual(
    found.filter((line) => !usual.test(line)),
    [],
  );
});

test('a daemon that a command leaves behind keeps neither the run nor the process that ran it', async (t) => {
  const daemon = ['/bin/sh', '-c', 'sleep 60 & echo started $!'];
  const program = `
    import(${JSON.stringify(new URL('../../src/adapters/hooks/command.js', import.meta.url).href)}).then(({ runCommand }) => {
      const cancel$ = { subscribe: () => ({ unsubscribe: () => {} }) };
      const options = { environment: {}, timeoutMs: 30_000, cancel$ };
      runCommand(${JSON.stringify(daemon)}, options).subscribe((outcome) => console.log(JSON.stringify(outcome)));
    });`;
  const running = promisify(execFile)(process.execPath, ['-e', program], { timeout: 20_000 });
  let printed = '';
  running.child.stdout?.on('data', (text: string) => {
    printed += text;
  });
  t.after(() => {
    const pid = Number(/started (\d+)/.exec(printed)?.[1]);
    if (pid > 1) process.kill(pid, 'SIGKILL');
  });
  await assert.doesNotReject(running, 'the process has ended by itself, while the daemon still sleeps');
  const outcome = JSON.parse(printed) as { type: string; code: number; output: string };
  assert.deepEqual([outcome.type, outcome.code], ['exited', 0]);
  assert.match(outcome.output, /^started \d+\n$/);
});

test('without hooks nothing runs, and a snapshot is no transition', async () => {
  const runs = await firstValueFrom(
    runHooks(from([{ ...transition(1, 'BACKUP', 'MASTER'), event: 'snapshot' as const }]), () => ({
      up: ['/nonexistent/hook'],
      timeoutMs: 1000,
    })).pipe(toArray()),
  );
  assert.deepEqual(runs, []);
  const none = runHooks(of(transition(1, 'BACKUP', 'MASTER')), () => undefined).pipe(toArray());
  assert.deepEqual(await firstValueFrom(none), []);
});

test('the environment of a hook names the group and the role', () => {
  const environment = hookEnvironment(transition(7, 'BACKUP', 'MASTER'));
  assert.equal(environment['CARP_SUBSYSTEM'], '10@eth0');
  assert.equal(environment['CARP_ROLE'], 'MASTER');
  assert.equal(environment['CARP_DEVD'], '!system=CARP subsystem=10@eth0 type=MASTER');
  assert.match(hookEnvironment(transition(8, 'MASTER', 'STOPPED'))['CARP_DEVD'] ?? '', /type=INIT$/);
  assert.equal(environment['CARP_ADDRESSES'], '192.0.2.100/24');
});

test('a tracked command must fail `fall` times in a row to count, and succeed `rise` times to recover', () => {
  virtually(({ expectObservable }, scheduler) => {
    const codes = [0, 1, 1, 0, 1, 1, 1, 0, 0];
    const run = () => of({ type: 'exited' as const, code: codes.shift() ?? 0, ms: 1, output: '' });
    const settings = { name: 'gateway', command: ['ping'], everyMs: 10, rise: 2, fall: 3 };
    expectObservable(track(settings, scheduler, run), '85ms !').toBe('s 59ms f 19ms h', {
      s: { healthy: true, detail: 'not looked at yet' },
      h: { healthy: true, detail: 'exit code 0' },
      f: { healthy: false, detail: 'exit code 1' },
    });
  });
});
