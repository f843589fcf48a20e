/** ip as another process: what becomes of it and of us, and whether both mean the same interface. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { LeaseProcess, ProcessOptions } from '../support/lease-process.ts';
import { Namespace } from '../support/netlink-namespace.ts';
import { missingForWire, toolPath } from '../support/requirements.ts';
import { until } from '../support/wait.ts';

const SOON_MS = 10_000;

/** Empty when the process has ended, whether or not somebody has taken notice. */
const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
};
const lives = (pid: number): boolean => commandOf(pid) !== '';

const watching = async (t: TestContext, options: ProcessOptions['options'] = []) => {
  const namespace = await Namespace.create(t, 'iproute');
  const child = namespace.start({ options });
  await child.call('watch', 'eth0');
  return { namespace, child };
};

const monitorOf = (child: LeaseProcess): Promise<number> =>
  until('a monitor', SOON_MS, async () => ((await child.call('monitorProcesses')) as readonly number[])[0]);

const untilAddresses = (child: LeaseProcess, expected: readonly string[]): Promise<unknown> =>
  until(
    `[${expected}] to be seen`,
    SOON_MS,
    () => child.states.at(-1)?.addresses.join() === expected.join(),
    () => JSON.stringify(child.states),
  );

describe('ip -batch', { skip: missingForWire('ip') }, () => {
  test('an interface that is called like the number of another is not mistaken for it', async (t) => {
    const namespace = await Namespace.create(t, 'iproute');
    const [{ ifindex }] = JSON.parse(await namespace.ip('-j', 'link', 'show', 'dev', 'eth0')) as [{ ifindex: number }];
    await namespace.ip('link', 'add', `if${ifindex}`, 'type', 'veth', 'peer', 'name', 'other0');
    const child = namespace.start();
    const { message, remedy } = await child.refusal(child.take('g', ['192.0.2.100/24']));
    assert.match(message, new RegExp(`takes interface number ${ifindex} for the one that is called if${ifindex}`));
    assert.match(remedy ?? '', new RegExp(`ip link set if${ifindex} name `));
    for (const device of ['eth0', `if${ifindex}`]) assert.deepEqual(await namespace.cidrs(device), []);
    await namespace.ip('link', 'set', `if${ifindex}`, 'name', 'lan0');
    await child.take('g', ['192.0.2.100/24']);
    assert.deepEqual(await namespace.cidrs(), ['192.0.2.100/24']);
  });
});

describe('ip monitor', { skip: missingForWire('ip') }, () => {
  test('ends with the process that started it, however that dies', { skip: missingForWire('setpriv') }, async (t) => {
    const { child } = await watching(t);
    const pid = await monitorOf(child);
    // Until then it is setpriv, which has yet to say what it wants.
    await until('ip to run', SOON_MS, () => /^[^\0]*\/ip\0/.test(commandOf(pid)));
    await child.kill();
    await until(`process ${pid} to end`, SOON_MS, () => !lives(pid));
  });

  test('without setpriv, it ends with the first change that it cannot tell any more', async (t) => {
    const { namespace, child } = await watching(t, ['without-setpriv']);
    const pid = await monitorOf(child);
    await namespace.ip('addr', 'add', '192.0.2.11/24', 'dev', 'eth0');
    await untilAddresses(child, ['192.0.2.11/24']);
    await child.kill();
    // Two, because what it says first may still find room in the pipe.
    for (const address of ['192.0.2.12/24', '192.0.2.13/24']) await namespace.ip('addr', 'add', address, 'dev', 'eth0');
    await until(`process ${pid} to end`, SOON_MS, () => !lives(pid));
  });

  test('is started again when it ends, and what happened in between is seen', async (t) => {
    const { namespace, child } = await watching(t);
    const first = await monitorOf(child);
    await namespace.ip('addr', 'add', '192.0.2.11/24', 'dev', 'eth0');
    await untilAddresses(child, ['192.0.2.11/24']);
    process.kill(first, 'SIGKILL');
    await namespace.ip('addr', 'add', '192.0.2.12/24', 'dev', 'eth0');
    await untilAddresses(child, ['192.0.2.11/24', '192.0.2.12/24']);
    const second = await until('another monitor', SOON_MS, async () => {
      const pid = await monitorOf(child);
      return pid !== first && pid;
    });
    await namespace.ip('addr', 'del', '192.0.2.12/24', 'dev', 'eth0');
    await untilAddresses(child, ['192.0.2.11/24']);
    assert.equal(await monitorOf(child), second);
    assert.deepEqual(child.logged, []);
  });

  test('where it does not run at all, the network is looked at instead, and one line says so', async (t) => {
    const namespace = await Namespace.create(t, 'iproute');
    const ip = join(namespace.folder, 'ip');
    writeFileSync(ip, `#!/bin/sh\ncase "$*" in *monitor*) exit 1; esac\nexec ${toolPath('ip')} "$@"\n`);
    chmodSync(ip, 0o755);
    const child = namespace.start({ options: [`ip=${ip}`] });
    await child.call('watch', 'eth0');
    for (const [command, up] of [
      ['down', false],
      ['up', true],
    ] as const) {
      await namespace.ip('link', 'set', 'far0', command);
      await until(`the cable to be ${command}`, SOON_MS, () => child.states.at(-1)?.up === up);
    }
    await namespace.ip('addr', 'add', '192.0.2.11/24', 'dev', 'eth0');
    await untilAddresses(child, ['192.0.2.11/24']);
    // A lease is held as ever: what somebody removes is put back, a quarter of a second later.
    await child.take('g', ['192.0.2.100/24'], 60);
    await untilAddresses(child, ['192.0.2.11/24', '192.0.2.100/32 leased']);
    await namespace.ip('addr', 'del', '192.0.2.100/32', 'dev', 'eth0');
    await child.untilEvent('restored', SOON_MS);
    assert.equal(child.logged.filter((line) => /monitor does not run/.test(line)).length, 1, `${child.logged}`);
  });
});
