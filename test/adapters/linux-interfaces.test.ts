import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { KernelKind, LeaseProcess, SeenState } from '../support/lease-process.ts';
import { Namespace } from '../support/netlink-namespace.ts';
import { missingForAgent, missingForWire } from '../support/requirements.ts';
import { monotonicMs, until } from '../support/wait.ts';

/** The kernel does it within milliseconds; the machine that runs the tests may be busy. */
const SOON_MS = 5000;

const last = (child: LeaseProcess): SeenState | undefined => child.states.at(-1);

const untilLast = (child: LeaseProcess, what: string, matches: (state: SeenState) => boolean): Promise<unknown> =>
  until(
    what,
    SOON_MS,
    () => {
      const state = last(child);
      return state !== undefined && matches(state);
    },
    () => JSON.stringify(child.states),
  );

const interfacesOver = (kernel: KernelKind): void => {
  const watching = async (t: TestContext, name = 'eth0'): Promise<{ namespace: Namespace; child: LeaseProcess }> => {
    const namespace = await Namespace.create(t, kernel);
    const child = namespace.start();
    await child.call('watch', name);
    return { namespace, child };
  };

  test('a watcher gets the present state before the call returns, also when there is nothing yet', async (t) => {
    const { namespace, child } = await watching(t);
    assert.deepEqual(
      child.states.map(({ exists, up, addresses }) => ({ exists, up, addresses })),
      [{ exists: true, up: true, addresses: [] }],
    );
    const other = namespace.start();
    await other.call('watch', 'eth7');
    assert.deepEqual(
      other.states.map(({ exists, up }) => ({ exists, up })),
      [{ exists: false, up: false }],
    );
  });

  test('a pulled cable and its return are seen at once', async (t) => {
    const { namespace, child } = await watching(t);
    const delays: number[] = [];
    for (const [command, up] of [
      ['down', false],
      ['up', true],
      ['down', false],
      ['up', true],
    ] as const) {
      const begun = monotonicMs();
      await namespace.ip('link', 'set', 'far0', command);
      await untilLast(child, `eth0 to be ${command}`, (state) => state.up === up);
      delays.push((last(child)?.at ?? Number.NaN) - begun);
    }
    // Measured from before ip(8) was started, which takes some 3 ms itself.
    t.diagnostic(`down, up, down, up seen after ${delays.map((ms) => ms.toFixed(1)).join(', ')} ms`);
    assert.ok(
      delays.every((ms) => ms < 500),
      `${delays}`,
    );
  });

  test('an interface that is switched off is not up, though its cable is in', async (t) => {
    const { namespace, child } = await watching(t);
    await namespace.ip('link', 'set', 'eth0', 'down');
    await untilLast(child, 'eth0 to be down', ({ up }) => !up);
    assert.equal(last(child)?.exists, true);
  });

  test('an interface that is deleted and made again is gone in between', async (t) => {
    const { namespace, child } = await watching(t);
    await namespace.ip('link', 'del', 'eth0');
    await namespace.addLinks();
    await child.untilState('eth0 to be gone', SOON_MS, ({ exists }) => !exists);
    await untilLast(child, 'eth0 to be back', ({ exists, up }) => exists && up);
    const existed = child.states.map(({ exists }) => exists);
    assert.deepEqual(
      existed.filter((exists, i) => exists !== existed[i - 1]),
      [true, false, true],
    );
  });

  test('addresses come and go, with what matters about them', async (t) => {
    const { namespace, child } = await watching(t);
    await namespace.ip('addr', 'add', '192.0.2.11/24', 'dev', 'eth0');
    await namespace.ip(
      'addr',
      'add',
      '2001:db8::9/64',
      'dev',
      'eth0',
      'nodad',
      'valid_lft',
      '99',
      'preferred_lft',
      '0',
    );
    const both = ['192.0.2.11/24', '2001:db8::9/64 leased deprecated'];
    await untilLast(child, 'both addresses', ({ addresses }) => addresses.join() === both.join());
    await namespace.ip('addr', 'change', '2001:db8::9/64', 'dev', 'eth0', 'nodad');
    await untilLast(child, 'a permanent address', ({ addresses }) => addresses[1] === '2001:db8::9/64');
    await namespace.ip('addr', 'del', '192.0.2.11/24', 'dev', 'eth0');
    await untilLast(child, 'one address', ({ addresses }) => addresses.join() === '2001:db8::9/64');
  });

  test('duplicate address detection is seen to begin and to end', async (t) => {
    const { namespace, child } = await watching(t);
    await namespace.ip('addr', 'add', '2001:db8::9/64', 'dev', 'eth0');
    await child.untilState(
      'a tentative address',
      SOON_MS,
      ({ addresses }) => addresses[0] === '2001:db8::9/64 tentative',
    );
    await untilLast(child, 'a usable address', ({ addresses }) => addresses[0] === '2001:db8::9/64');
  });

  test('renewals of leases wake nobody, their beginning and end do', async (t) => {
    const { child } = await watching(t);
    await child.take('g', ['192.0.2.100/32', '2001:db8::100/128'], 2);
    await untilLast(child, 'the leases', ({ addresses }) => addresses.length === 2);
    assert.deepEqual(last(child)?.addresses, ['192.0.2.100/32 leased', '2001:db8::100/128 leased deprecated']);
    const states = child.states.length;
    const asked = monotonicMs();
    // The kernel drops what is not renewed after 3 s at most, so that what is still there has been renewed many times.
    await until('3.5 s to pass', 9000, () => monotonicMs() > asked + 3500);
    assert.equal(child.states.length, states);
    await child.call('release', 'g');
    await untilLast(child, 'no lease', ({ addresses }) => addresses.length === 0);
  });

  test('when messages are lost, everything is looked at again', async (t) => {
    const namespace = await Namespace.create(t, kernel);
    const child = namespace.start({ options: ['small-buffer'] });
    await child.call('watch', 'eth0');
    await child.take('g', ['192.0.2.100/32'], 60);
    child.signal('SIGSTOP');
    const noise = Array.from({ length: 1000 }, () => 'addr add 10.1.0.1/32 dev far0\naddr del 10.1.0.1/32 dev far0\n');
    const unseen = 'addr add 192.0.2.11/24 dev eth0\naddr del 192.0.2.100/32 dev eth0\n';
    await namespace.batch([...noise, unseen].join(''));
    child.signal('SIGCONT');
    await untilLast(child, 'the address', ({ addresses }) => addresses.includes('192.0.2.11/24'));
    await child.untilEvent('restored', SOON_MS);
    // Through iproute2 there are no other messages than this one.
    if (kernel === 'netlink') assert.ok(Number(await child.call('overruns')) > 0, 'messages were to be lost');
  });

  test('all watchers share one socket, which closes with the last', async (t) => {
    const { child } = await watching(t);
    await child.call('watch', 'far0');
    const two = Number(await child.call('monitors'));
    await child.call('unwatch', 'eth0');
    const one = Number(await child.call('monitors'));
    await child.call('unwatch', 'far0');
    assert.deepEqual([two, one], [1, 1]);
    // A process takes a moment to end.
    await until('nobody to listen', SOON_MS, async () => (await child.call('monitors')) === 0);
  });
};

describe('interfaces of Linux', { skip: missingForAgent() }, () => interfacesOver('netlink'));
// These need no koffi; that is what they are for.
describe('the same through iproute2', { skip: missingForWire('ip') }, () => interfacesOver('iproute'));
