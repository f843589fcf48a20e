import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Subject, VirtualTimeScheduler } from 'rxjs';
import { libc } from '../../src/adapters/linux/libc.ts';
import { Linux } from '../../src/adapters/linux/linux-constants.ts';
import { createNotifier, type NotifyOptions } from '../../src/adapters/linux/notify.ts';
import { type NotifySocket, notifyAddress, openNotifySocket } from '../../src/adapters/linux/notify-socket.ts';
import { Child } from '../support/child.ts';
import { monotonicMs, until } from '../support/wait.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const missing = process.platform === 'linux' ? false : 'needs Linux';
const AF_UNIX = 1;
const START_MS = 20_000;

/** A service manager in virtual time, which can be too busy to read. */
const bench = (environment: NodeJS.ProcessEnv, more: Partial<NotifyOptions> = {}) => {
  const scheduler = new VirtualTimeScheduler();
  const sent: (readonly [number, string])[] = [];
  const logged: string[] = [];
  const manager = { answer: 'sent' as ReturnType<NotifySocket['send']>, closed: false };
  const notifier = createNotifier({
    environment,
    scheduler,
    pid: 42,
    monotonicMicros: () => 1_234_567n,
    log: (_level, message) => logged.push(message),
    open: () => ({
      send: (text) => {
        if (manager.answer === 'sent') sent.push([scheduler.now(), text]);
        return manager.answer;
      },
      close: () => {
        manager.closed = true;
      },
    }),
    ...more,
  });
  const at = (ms: number, act: () => void): void => void scheduler.schedule(act, ms);
  const runUntil = (ms: number): void => {
    scheduler.maxFrames = ms;
    scheduler.flush();
  };
  return { notifier, sent, logged, manager, at, runUntil };
};
const NOTIFY_SOCKET = '/run/notify';

test('where nobody asked nothing is opened and nothing is said', () => {
  const open = (): never => assert.fail('a socket was opened');
  for (const environment of [{}, { NOTIFY_SOCKET: '' }, { WATCHDOG_USEC: '1000000' }]) {
    const { notifier, runUntil } = bench(environment, { open });
    notifier.follow(new Subject(), () => 'plant MASTER');
    notifier.ready();
    runUntil(10_000);
    notifier.reloading();
    notifier.stopping();
  }
});

test('the watchdog is fed every half of its time, from readiness until the end', () => {
  const { notifier, sent, at, runUntil, manager } = bench({
    NOTIFY_SOCKET,
    WATCHDOG_USEC: '2000000',
    WATCHDOG_PID: '42',
  });
  at(500, notifier.ready);
  at(3600, notifier.stopping);
  runUntil(60_000);
  assert.deepEqual(sent, [
    [500, 'READY=1'],
    [1500, 'WATCHDOG=1'],
    [2500, 'WATCHDOG=1'],
    [3500, 'WATCHDOG=1'],
    [3600, 'STOPPING=1'],
  ]);
  assert.ok(manager.closed);
});

test('the watchdog of another process is not fed, and none is where none was asked for', () => {
  for (const environment of [{ NOTIFY_SOCKET, WATCHDOG_USEC: '2000000', WATCHDOG_PID: '41' }, { NOTIFY_SOCKET }]) {
    const { notifier, sent, runUntil } = bench(environment);
    notifier.ready();
    runUntil(60_000);
    assert.deepEqual(sent, [[0, 'READY=1']]);
  }
});

test('the watchdog goes hungry when what is followed has ended', () => {
  const { notifier, sent, at, runUntil } = bench({ NOTIFY_SOCKET, WATCHDOG_USEC: '2000000' });
  const changes$ = new Subject<void>();
  notifier.follow(changes$, () => '');
  notifier.ready();
  at(1500, () => changes$.complete());
  runUntil(60_000);
  assert.deepEqual(sent.at(-1), [1000, 'WATCHDOG=1']);
});

test('the status is one line, told at once and then once for changes that come together', () => {
  const { notifier, sent, at, runUntil } = bench({ NOTIFY_SOCKET });
  const changes$ = new Subject<void>();
  let line = 'plant BACKUP\nREADY=1';
  notifier.follow(changes$, () => line);
  for (const ms of [1000, 1010, 1020])
    at(ms, () => {
      line = `plant MASTER since ${ms}`;
      changes$.next();
    });
  runUntil(5000);
  assert.deepEqual(sent, [
    [0, 'STATUS=plant BACKUP READY=1'],
    [1050, 'STATUS=plant MASTER since 1020'],
  ]);
});

test('a reload is told with the monotonic time, and readiness follows without a second watchdog', () => {
  const { notifier, sent, at, runUntil } = bench({ NOTIFY_SOCKET, WATCHDOG_USEC: '2000000' });
  notifier.ready();
  at(100, notifier.reloading);
  at(200, notifier.ready);
  runUntil(1500);
  assert.deepEqual(sent, [
    [0, 'READY=1'],
    [100, 'RELOADING=1\nMONOTONIC_USEC=1234567'],
    [200, 'READY=1'],
    [1000, 'WATCHDOG=1'],
  ]);
});

test('a manager that is too busy hears everything later, in order, and heartbeats and lines only once', () => {
  const { notifier, sent, manager, at, runUntil } = bench({ NOTIFY_SOCKET, WATCHDOG_USEC: '600000' });
  const changes$ = new Subject<void>();
  let count = 0;
  manager.answer = 'full';
  notifier.follow(changes$, () => `line ${count}`);
  notifier.ready();
  at(150, () => {
    count += 1;
    changes$.next();
  });
  at(950, () => {
    manager.answer = 'sent';
  });
  runUntil(1000);
  assert.deepEqual(
    sent.map(([, text]) => text),
    ['READY=1', 'STATUS=line 1', 'WATCHDOG=1'],
  );
});

test('a manager that has gone harms nobody, and one that never reads does not keep the process alive', () => {
  const gone = bench({ NOTIFY_SOCKET });
  gone.manager.answer = 'failed';
  gone.notifier.ready();
  gone.manager.answer = 'sent';
  gone.notifier.stopping();
  assert.deepEqual(gone.sent, [[0, 'STOPPING=1']]);

  const deaf = bench({ NOTIFY_SOCKET });
  deaf.manager.answer = 'full';
  deaf.notifier.ready();
  deaf.notifier.stopping();
  deaf.manager.answer = 'sent';
  deaf.runUntil(60_000);
  assert.deepEqual(deaf.sent, [], 'nothing is tried any more');
});

test('a socket that cannot be opened is one warning that names the setting, and hooks do not inherit it', () => {
  const environment: NodeJS.ProcessEnv = { NOTIFY_SOCKET, WATCHDOG_USEC: '1', WATCHDOG_PID: '42', PATH: '/bin' };
  const { notifier, logged } = bench(environment, {
    open: () => {
      throw new Error('koffi is not installed');
    },
  });
  notifier.ready();
  notifier.stopping();
  assert.deepEqual(logged, ['the service manager is not told anything: koffi is not installed']);
  assert.deepEqual(environment, { PATH: '/bin' });

  const odd = bench({ NOTIFY_SOCKET: 'vsock:2:1234' });
  odd.notifier.ready();
  assert.match(odd.logged.join(), /neither a path nor an abstract socket/);
});

test('paths and abstract names become the addresses of unix(7)', () => {
  assert.deepEqual(notifyAddress('/a'), Uint8Array.of(AF_UNIX, 0, 0x2f, 0x61, 0));
  assert.deepEqual(notifyAddress('@a'), Uint8Array.of(AF_UNIX, 0, 0, 0x61));
  for (const name of ['', '@', '/', 'relative', `/${'x'.repeat(107)}`])
    assert.equal(notifyAddress(name), undefined, name);
  assert.equal(notifyAddress(`/${'x'.repeat(106)}`)?.length, 110);
});

/** Somebody who reads notifications. */
const listen = (t: TestContext, name: string): (() => readonly string[]) => {
  const c = libc();
  const address = notifyAddress(name);
  assert.ok(address);
  const fd = c.socket(AF_UNIX, Linux.SOCK_DGRAM, 0);
  t.after(() => c.close(fd));
  c.bind(fd, address);
  const heard: string[] = [];
  const buffer = new Uint8Array(4096);
  return () => {
    for (let length = c.recv(fd, buffer); length !== undefined; length = c.recv(fd, buffer))
      heard.push(Buffer.from(buffer.subarray(0, length)).toString());
    return heard;
  };
};

const temporary = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'carp-notify-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** JSON is YAML. */
const writeGroup = (folder: string): string => {
  const file = join(folder, 'carp.yaml');
  const group = { name: 'plant', interface: 'lan', vhid: 10, addresses: ['192.0.2.100/24'], transport: 'memory' };
  writeFileSync(file, JSON.stringify({ socket: join(folder, 'agent.sock'), state: folder, groups: [group] }));
  return file;
};

/** State T of proc(5). */
const isStopped = (pid: number): boolean => /^\d+ \(.*\) T/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

test('datagrams arrive at a path and at an abstract name; a reader that has gone or is full is no error', {
  skip: missing,
}, (t) => {
  for (const name of [join(temporary(t), 'notify'), `@carp-test-${process.pid}`]) {
    const heard = listen(t, name);
    const address = notifyAddress(name);
    assert.ok(address);
    const socket = openNotifySocket(address);
    t.after(socket.close);
    assert.equal(socket.send('READY=1'), 'sent');
    assert.deepEqual(heard(), ['READY=1']);
    const results = Array.from({ length: 2000 }, () => socket.send('WATCHDOG=1'));
    assert.equal(results.at(-1), 'full', 'the queue of a datagram socket is bounded, and sending does not wait');
    heard();
    assert.equal(socket.send('STOPPING=1'), 'sent');
  }
  const nowhere = notifyAddress(join(temporary(t), 'nobody'));
  assert.ok(nowhere);
  const socket = openNotifySocket(nowhere);
  t.after(socket.close);
  assert.equal(socket.send('READY=1'), 'failed');
});

test('carp run tells the manager of its start, its roles, its reload and its end', {
  skip: missing,
}, async (t) => {
  const folder = temporary(t);
  const name = join(folder, 'notify');
  const heard = listen(t, name);
  const file = writeGroup(folder);
  const child = new Child('carp', [process.execPath, MAIN, 'run', '-c', file], {
    env: { NOTIFY_SOCKET: name, WATCHDOG_USEC: '400000' },
  });
  t.after(() => child.stop('SIGKILL'));
  const untilHeard = (text: string, from = 0): Promise<number> =>
    until(
      `"${text}"`,
      START_MS,
      () => {
        const index = heard().findIndex((one, i) => i >= from && one.startsWith(text));
        return index === -1 ? false : index + 1;
      },
      () => `${heard().join(' | ')}${child.report()}`,
    );
  const ready = await untilHeard('READY=1');
  await untilHeard('STATUS=plant MASTER', ready);
  await untilHeard('WATCHDOG=1', ready);

  // An event loop that does not run feeds nobody.
  child.signal('SIGSTOP');
  await until('the process to have stopped', START_MS, () => isStopped(child.pid));
  const before = heard().length;
  const stoppedAt = monotonicMs();
  await until('three heartbeats to be missing', START_MS, () => monotonicMs() - stoppedAt > 600);
  assert.equal(heard().length, before);
  child.signal('SIGCONT');
  await untilHeard('WATCHDOG=1', before);

  const now = monotonicMs() * 1000;
  child.signal('SIGHUP');
  const reloading = await untilHeard('RELOADING=1\nMONOTONIC_USEC=', before);
  const [, usec] = /MONOTONIC_USEC=(\d+)$/.exec(heard()[reloading - 1] ?? '') ?? [];
  assert.ok(Math.abs(Number(usec) - now) < START_MS * 1000, `${usec} is about ${now}`);
  await untilHeard('READY=1', reloading);
  child.signal('SIGTERM');
  assert.equal((await child.untilExit(5000)).code, 0);
  await untilHeard('STOPPING=1', reloading);
  assert.equal(heard().at(-1), 'STOPPING=1');
});
