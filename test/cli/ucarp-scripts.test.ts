/** When the scripts of `carp ucarp` run, and what becomes of the addresses. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NEVER } from 'rxjs';
import type { CommandOutcome } from '../../src/adapters/hooks/command.ts';
import { type ScriptsOptions, VipScripts } from '../../src/cli/ucarp-scripts.ts';
import type { Lease, LeaseEvent, LeaseRequest } from '../../src/ports/addresses.ts';
import type { Environment } from '../../src/ports/environment.ts';
import { type Cidr, parseCidr } from '../../src/protocol/address.ts';

const cidr = (text: string): Cidr => parseCidr(text) ?? assert.fail(text);
const VIP = cidr('192.0.2.100/32');
const OTHER = cidr('192.0.2.101/32');
const OWN = cidr('192.0.2.11/32');
const REQUEST: LeaseRequest = { group: 'g', interface: 'eth0', addresses: [VIP], seconds: 2 };
const DONE: CommandOutcome = { type: 'exited', code: 0, ms: 1, output: '' };

/** Scripts that end when the test says so, and a machine that has what the test says. */
const bench = (more: Partial<ScriptsOptions> = {}) => {
  const started: string[] = [];
  const waiting: ((outcome: CommandOutcome) => void)[] = [];
  const logged: string[] = [];
  const announced: string[] = [];
  const held = new Set<string>();
  const scripts = new VipScripts({
    scripts: { up: '/up', down: '/down' },
    interface: 'eth0',
    addresses: [VIP],
    timeoutMs: 1000,
    headStartMs: 0,
    has: ({ text }) => held.has(text),
    holdAddresses: true,
    log: (level, message, { remedy } = {}) => void logged.push(`${level} ${message} ${remedy ?? ''}`.trim()),
    onOutput: () => undefined,
    run: (command) => {
      started.push(command.join(' '));
      return new Promise((resolve) => waiting.push(resolve));
    },
    ...more,
  });
  const inner: string[] = [];
  const lease: Lease = { events$: NEVER, release: () => void inner.push('release') };
  const environment = {
    addresses: {
      check: () => void inner.push('check'),
      take: () => {
        inner.push('take');
        return lease;
      },
      inherits: () => true,
      disinherit: () => void inner.push('disinherit'),
    },
    announcer: { announce: (_name, those) => void announced.push(those.map(({ text }) => text).join(' ')) },
  } satisfies Pick<Environment, 'addresses' | 'announcer'>;
  const ports = scripts.around(environment as unknown as Environment);
  /** Lets all promises have their turn. */
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    scripts,
    ports,
    started,
    logged,
    announced,
    held,
    inner,
    turn,
    end: async (outcome: CommandOutcome = DONE): Promise<void> => {
      await turn();
      waiting.shift()?.(outcome);
      await turn();
    },
  };
};

describe('the scripts of carp ucarp', () => {
  test('the down script runs at the start, the up script when the addresses are taken, and down when they are given back', async () => {
    const { scripts, ports, started, end, inner } = bench({ xparam: 'two words' });
    scripts.begin({ neutral: false });
    await end();
    const lease = ports.addresses.take(REQUEST);
    await end();
    lease.release();
    await end();
    await scripts.settled();
    assert.deepEqual(started, [
      '/down eth0 192.0.2.100 two words',
      '/up eth0 192.0.2.100 two words',
      '/down eth0 192.0.2.100 two words',
    ]);
    assert.deepEqual(inner, [], 'nobody else touches the addresses');
  });

  test('a neutral host begins without a script, and a MASTER that was quicker than the beginning is left alone', async () => {
    const neutral = bench();
    neutral.scripts.begin({ neutral: true });
    await neutral.scripts.settled();
    assert.deepEqual(neutral.started, []);
    const quick = bench();
    quick.ports.addresses.take(REQUEST);
    quick.scripts.begin({ neutral: false });
    await quick.end();
    await quick.scripts.settled();
    assert.deepEqual(quick.started, ['/up eth0 192.0.2.100']);
  });

  test('each address has its call, one after the other, and the next direction waits for the last of them', async () => {
    const { scripts, ports, started, end, turn } = bench({ addresses: [VIP, OTHER] });
    const lease = ports.addresses.take(REQUEST);
    await turn();
    assert.deepEqual(started, ['/up eth0 192.0.2.100']);
    lease.release();
    await end();
    assert.deepEqual(started, ['/up eth0 192.0.2.100', '/up eth0 192.0.2.101']);
    await end();
    assert.deepEqual(started.slice(2), ['/down eth0 192.0.2.100']);
    await end();
    await end();
    await scripts.settled();
    assert.deepEqual(started.slice(2), ['/down eth0 192.0.2.100', '/down eth0 192.0.2.101']);
  });

  test('what was taken back while a script ran is not done', async () => {
    const { scripts, ports, started, end, turn } = bench();
    scripts.begin({ neutral: true });
    ports.addresses.take(REQUEST).release();
    await scripts.settled();
    assert.deepEqual(started, [], 'not even begun');
    const lease = ports.addresses.take(REQUEST);
    await turn();
    lease.release();
    const again = ports.addresses.take(REQUEST);
    await end();
    await scripts.settled();
    assert.deepEqual(started, ['/up eth0 192.0.2.100'], 'it is still there');
    again.release();
    await end();
    await scripts.settled();
    assert.deepEqual(started.at(-1), '/down eth0 192.0.2.100');
  });

  test('what is wanted in the very moment in which a script has ended is done', async () => {
    for (let turns = 0; turns < 24; turns += 1) {
      let finish: (outcome: CommandOutcome) => void = () => undefined;
      const started: string[] = [];
      const { ports, turn } = bench({
        run: ([script = '']) => {
          started.push(script);
          return new Promise((resolve) => {
            finish = resolve;
          });
        },
      });
      const lease = ports.addresses.take(REQUEST);
      await turn();
      finish(DONE);
      for (let i = 0; i < turns; i += 1) await Promise.resolve();
      lease.release();
      await turn();
      assert.deepEqual(started, ['/up', '/down'], `after ${turns} turns`);
    }
  });

  test('a successor has a head start for its up script, and a MASTER that comes back within it keeps the address', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { scripts, ports, started, end, turn } = bench({ headStartMs: 100 });
    const first = ports.addresses.take(REQUEST);
    await end();
    first.release();
    await turn();
    const second = ports.addresses.take(REQUEST);
    t.mock.timers.tick(100);
    await scripts.settled();
    assert.deepEqual(started, ['/up eth0 192.0.2.100']);
    second.release();
    await turn();
    t.mock.timers.tick(99);
    await turn();
    assert.deepEqual(started, ['/up eth0 192.0.2.100']);
    t.mock.timers.tick(1);
    await end();
    await scripts.settled();
    assert.deepEqual(started, ['/up eth0 192.0.2.100', '/down eth0 192.0.2.100']);
  });

  test('an up script that fails without its address means that the address is lost, and one with it does not', async () => {
    const { scripts, ports, held, logged, end } = bench();
    const lost: LeaseEvent[] = [];
    const lease = ports.addresses.take(REQUEST);
    lease.events$.subscribe((event) => lost.push(event));
    await end({ type: 'exited', code: 7, ms: 1, output: 'first\nno such device\n' });
    assert.deepEqual(lost, [
      { type: 'lost', address: VIP, message: 'the up script failed: exit code 7: no such device' },
    ]);
    assert.match(
      logged.at(-1) ?? '',
      /^error the up script failed .* is not on this host try it by hand: \/up eth0 192\.0\.2\.100$/,
    );
    lease.release();
    await end();

    held.add('192.0.2.100');
    const again = ports.addresses.take(REQUEST);
    again.events$.subscribe((event) => lost.push(event));
    await end({ type: 'exited', code: 7, ms: 1, output: '' });
    await scripts.settled();
    assert.equal(lost.length, 1);
    assert.match(logged.at(-1) ?? '', /the address is there all the same/);
  });

  test('a script that is ended, or cannot be started, has failed as well', async () => {
    for (const outcome of [
      { type: 'killed', why: 'timeout', ms: 1000, output: '' },
      { type: 'not-started', message: 'spawn EACCES' },
    ] as const) {
      const { ports, end } = bench();
      const lost: LeaseEvent[] = [];
      ports.addresses.take(REQUEST).events$.subscribe((event) => lost.push(event));
      await end(outcome);
      assert.equal(lost.length, 1, outcome.type);
    }
  });

  test('a down script that fails is said, with the danger where the address is still there', async () => {
    const { scripts, held, logged, end } = bench();
    held.add('192.0.2.100');
    scripts.begin({ neutral: false });
    await end({ type: 'exited', code: 1, ms: 1, output: '' });
    assert.match(logged.at(-1) ?? '', /192\.0\.2\.100 is still on this host, and another host may have it too/);
  });

  test('a failure of a release that came in the meantime is no loss', async () => {
    const { ports, end } = bench();
    const lost: LeaseEvent[] = [];
    const lease = ports.addresses.take(REQUEST);
    lease.events$.subscribe((event) => lost.push(event));
    lease.release();
    await end({ type: 'exited', code: 1, ms: 1, output: '' });
    assert.deepEqual(lost, []);
  });

  test('neighbours are told when the up script has ended, and not before; addresses of the host itself at any time', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { ports, announced, end } = bench();
    const lease = ports.addresses.take(REQUEST);
    ports.announcer.announce('eth0', [VIP.address]);
    ports.announcer.announce('eth0', [VIP.address]);
    assert.deepEqual(announced, []);
    ports.announcer.announce('eth0', [OWN.address]);
    assert.deepEqual(announced, ['192.0.2.11']);
    await end();
    t.mock.timers.tick(1000);
    assert.deepEqual(announced.slice(1), ['192.0.2.100', '192.0.2.100', '192.0.2.100']);
    ports.announcer.announce('eth0', [VIP.address]);
    assert.equal(announced.length, 5);
    lease.release();
    ports.announcer.announce('eth0', [VIP.address]);
    assert.equal(announced.length, 5, 'not after the release');
  });

  test('where addresses are held here, scripts are only told: after they are there, and after they have gone', async () => {
    const { scripts, ports, started, inner, end, turn } = bench({ holdAddresses: false });
    const lease = ports.addresses.take(REQUEST);
    assert.deepEqual([inner, started], [['take'], []]);
    await turn();
    assert.deepEqual(started, ['/up eth0 192.0.2.100']);
    await end({ type: 'exited', code: 1, ms: 1, output: '' });
    lease.release();
    assert.deepEqual(inner, ['take', 'release']);
    await end();
    await scripts.settled();
    assert.equal(ports.addresses.inherits(REQUEST), true);
  });

  test('a missing script is a step that does nothing', async () => {
    const { scripts, ports, started } = bench({ scripts: { up: '/up' } });
    scripts.begin({ neutral: false });
    await scripts.settled();
    ports.addresses.take(REQUEST);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(started, ['/up eth0 192.0.2.100']);
  });
});
