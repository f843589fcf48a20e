import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type LeasePlan, planLease } from '../../src/adapters/linux/lease-plan.ts';
import { LeaseRecord } from '../../src/adapters/linux/lease-record.ts';
import type { AddressEntry } from '../../src/adapters/linux/rtnetlink.ts';
import { type Cidr, parseCidr } from '../../src/protocol/address.ts';
import type { KernelKind } from '../support/lease-process.ts';
import { Namespace } from '../support/netlink-namespace.ts';
import { missingForAgent, missingForWire } from '../support/requirements.ts';
import { monotonicMs, until } from '../support/wait.ts';

const SOON_MS = 5000;
const OWN = ['192.0.2.11/24', '2001:db8::11/64'];

/** A host with an address of its own in each family. */
const makeHost = async (t: TestContext, own: readonly string[], kernel: KernelKind): Promise<Namespace> => {
  const namespace = await Namespace.create(t, kernel);
  for (const cidr of own)
    await namespace.ip('addr', 'add', cidr, 'dev', 'eth0', ...(cidr.includes(':') ? ['nodad'] : []));
  return namespace;
};

const untilCidrs = (namespace: Namespace, expected: readonly string[], withinMs = SOON_MS): Promise<unknown> => {
  let seen: readonly string[] = [];
  return until(
    `eth0 to have [${expected}]`,
    withinMs,
    async () => {
      seen = await namespace.cidrs();
      return seen.join() === [...expected].sort().join();
    },
    () => `It has [${seen}].`,
  );
};

const requestOf = (group: string, addresses: readonly string[], seconds = 60) => ({
  group,
  interface: 'eth0',
  addresses,
  seconds,
});

/** Lets time pass that only the kernel's clock can measure. */
const pass = (ms: number): Promise<unknown> => {
  const end = monotonicMs() + ms;
  return until(`${ms} ms to pass`, ms + SOON_MS, () => monotonicMs() >= end);
};

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const stateFile = (namespace: Namespace): string => join(namespace.folder, 'state', 'leases.json');
const recorded = (namespace: Namespace): readonly { readonly address: string; readonly group: string }[] => {
  const content: unknown = JSON.parse(readFileSync(stateFile(namespace), 'utf8'));
  return (content as { readonly leases: readonly { readonly address: string; readonly group: string }[] }).leases;
};

const leasesOver = (kernel: KernelKind): void => {
  const host = (t: TestContext, own: readonly string[] = OWN): Promise<Namespace> => makeHost(t, own, kernel);

  test('in the subnet of an address of the host, a shared address stands alone as /32 or /128', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    // Koffi is loaded by the first call; an engine checks its groups when it starts.
    await child.check('g', ['192.0.2.100/24', '2001:db8::100/64']);
    const took = await child.take('g', ['192.0.2.100/24', '2001:db8::100/64']);
    assert.deepEqual(
      (await namespace.entries()).filter(({ permanent }) => !permanent).map(({ cidr }) => cidr),
      ['192.0.2.100/32', '2001:db8::100/128'],
    );
    const six = (await namespace.entries()).find(({ cidr }) => cidr === '2001:db8::100/128');
    assert.equal(six?.deprecated, true, 'never chosen as a source');
    const released = await child.call('release', 'g');
    assert.deepEqual(await namespace.cidrs(), OWN);
    const warm: number[] = [];
    for (let i = 0; i < 20; i++) {
      warm.push(Number(await child.take('g', ['192.0.2.100/24', '2001:db8::100/64'])));
      await child.call('release', 'g');
    }
    t.diagnostic(
      `take ${Number(took).toFixed(2)} ms, release ${Number(released).toFixed(2)} ms the first time; ` +
        `then take ${median(warm).toFixed(2)} ms, state file included`,
    );
  });

  test('in a subnet of its own it brings the prefix and the route', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    await child.take('g', ['198.51.100.100/24', '198.51.100.101/24', '2001:db8:1::100/64']);
    assert.deepEqual(
      await namespace.cidrs(),
      [...OWN, '198.51.100.100/24', '198.51.100.101/24', '2001:db8:1::100/64'].sort(),
    );
    assert.match(await namespace.ip('route'), /198\.51\.100\.0\/24 dev eth0/);
    await child.call('release', 'g');
    assert.deepEqual(await namespace.cidrs(), OWN);
    assert.doesNotMatch(await namespace.ip('route'), /198\.51\.100/);
  });

  test('with /32 as configured it is taken as it is', async (t) => {
    const namespace = await host(t, []);
    const child = namespace.start();
    await child.take('g', ['192.0.2.100/32']);
    assert.deepEqual(await namespace.cidrs(), ['192.0.2.100/32']);
  });

  for (const end of ['release', 'SIGKILL'] as const)
    test(`an address that the host gets after the shared one outlives it (${end})`, async (t) => {
      const namespace = await host(t, []);
      assert.match(await namespace.sysctl('net.ipv4.conf.eth0.promote_secondaries'), /= 0/, "the kernel's default");
      const child = namespace.start();
      await child.take('g', ['192.0.2.100/24', '2001:db8::100/64']);
      assert.deepEqual(await namespace.cidrs(), ['192.0.2.100/24', '2001:db8::100/64']);
      await namespace.ip('addr', 'add', '192.0.2.11/24', 'dev', 'eth0');
      await namespace.ip('addr', 'add', '2001:db8::11/64', 'dev', 'eth0', 'nodad');
      if (end === 'release') await child.call('release', 'g');
      else await child.kill();
      await untilCidrs(namespace, OWN);
      // The route to the subnet, which the shared address brought, is the host's now.
      assert.match(await namespace.ip('route'), /192\.0\.2\.0\/24 dev eth0 .*src 192\.0\.2\.11/);
      assert.match(await namespace.ip('-6', 'route'), /2001:db8::\/64 dev eth0/);
    });

  test('where secondaries cannot be promoted, the host is not endangered', async (t) => {
    const namespace = await host(t, []);
    const child = namespace.start({ options: ['unwritable-sysctls'] });
    for (const call of ['check', 'take'] as const) {
      const refusal = await child.refusal(child[call]('g', ['192.0.2.100/24']));
      assert.equal(refusal.code, 'CARP_ADDRESS');
      assert.equal(refusal.remedy, 'sysctl -w net.ipv4.conf.eth0.promote_secondaries=1');
    }
    assert.deepEqual(await namespace.cidrs(), []);
    await child.take('g', ['192.0.2.100/32', '2001:db8::100/64']);
    await child.call('release', 'g');
    // With the remedy it works.
    await namespace.sysctl('-w', 'net.ipv4.conf.eth0.promote_secondaries=1');
    await child.check('g', ['192.0.2.100/24']);
    await child.take('g', ['192.0.2.100/24']);
  });

  for (const [kind, lifetime, where] of [
    ['a permanent address', [], 'eth0'],
    ['an address with a lifetime that is not ours', ['valid_lft', '300', 'preferred_lft', '300'], 'eth0'],
    ['a permanent address of another interface', [], 'far0'],
  ] as const)
    test(`${kind} is never touched`, async (t) => {
      const namespace = await host(t, []);
      const child = namespace.start();
      const all = (): Promise<string> => namespace.ip('-d', 'addr').then((text) => text.replace(/\d+sec/g, 'sec'));
      for (const [set, wanted] of [
        ['192.0.2.100/24', '192.0.2.100/24'],
        ['192.0.2.100/24', '192.0.2.100/32'],
        ['2001:db8::100/64', '2001:db8::100/128'],
      ] as const) {
        await namespace.ip('addr', 'add', set, 'dev', where, ...(set.includes(':') ? ['nodad'] : []), ...lifetime);
        const before = await all();
        for (const call of ['check', 'take'] as const) {
          const refusal = await child.refusal(child[call]('g', ['198.51.100.1/32', wanted]));
          const passes = lifetime.length > 0;
          assert.equal(refusal.code, passes ? 'CARP_ADDRESS' : 'CARP_ADDRESS_IN_USE');
          if (passes) assert.match(refusal.message, /for up to 300 s more, and not by us/);
          const removal = `ip addr del ${set} dev ${where}`;
          assert.equal(refusal.remedy, passes ? `wait until it has gone, or: ${removal}` : removal);
        }
        assert.equal(await all(), before, 'and no other address of the group was added');
        await namespace.ip('addr', 'del', set, 'dev', where);
        await child.check('g', [wanted]);
      }
    });

  test('an address of another group is refused', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    await child.take('one', ['192.0.2.100/24']);
    const refusal = await child.refusal(child.check('two', ['192.0.2.100/24']));
    assert.equal(refusal.code, 'CARP_ADDRESS_IN_USE');
    assert.match(refusal.message, /held by the group one/);
    await child.check('one', ['192.0.2.100/24']);
  });

  test('an interface that does not exist is named', async (t) => {
    const namespace = await host(t);
    const refusal = await namespace.start().refusal(namespace.start().check('g', ['192.0.2.100/24'], 2, 'eth7'));
    assert.equal(refusal.code, 'CARP_NO_INTERFACE');
    assert.match(refusal.message, /eth7/);
  });

  test('when one address cannot be added, none is', async (t) => {
    const namespace = await host(t);
    await namespace.sysctl('-w', 'net.ipv6.conf.eth0.disable_ipv6=1');
    const child = namespace.start();
    const before = await namespace.cidrs();
    const refusal = await child.refusal(child.take('g', ['192.0.2.100/24', '2001:db8::100/64']));
    assert.equal(refusal.code, 'CARP_ADDRESS');
    assert.equal(refusal.remedy, 'sysctl -w net.ipv6.conf.eth0.disable_ipv6=0');
    assert.deepEqual(await namespace.cidrs(), before);
    await child.call('settled');
    assert.deepEqual(recorded(namespace), []);
  });

  for (const seconds of [2, 3])
    test(`a killed process loses its addresses within ${seconds} + 1.2 s, and the host keeps its own`, async (t) => {
      const namespace = await host(t);
      const child = namespace.start();
      await child.take('g', ['192.0.2.100/24', '2001:db8::100/64'], seconds);
      // Long enough that without renewals it would have gone already.
      await pass(seconds * 1000 + 1300);
      assert.equal((await namespace.cidrs()).length, 4);
      await child.kill();
      const killed = monotonicMs();
      await untilCidrs(namespace, OWN, seconds * 1000 + 3000);
      const gone = monotonicMs() - killed;
      t.diagnostic(`gone after ${gone.toFixed(0)} ms`);
      // Each look costs a process, which may take its time on a busy machine.
      assert.ok(gone < seconds * 1000 + 1200 + 300, `${gone} ms`);
    });

  test('a process that was stopped for longer than its lease does not bring an address back', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    const watcher = namespace.start({ state: join(namespace.folder, 'other') });
    await child.take('g', ['192.0.2.100/24', '2001:db8::100/64'], 1);
    await watcher.call('watch', 'eth0');
    child.signal('SIGSTOP');
    await untilCidrs(namespace, OWN);
    // The kernel knew first; what the watcher has still to say of it must not be taken for news.
    await until('the watcher to know it', SOON_MS, () =>
      watcher.states.at(-1)?.addresses.every((address) => !address.includes('.100/') && !address.includes('::100/')),
    );
    const states = watcher.states.length;
    child.signal('SIGCONT');
    const lapsed = await child.untilEvent('lapsed', SOON_MS);
    assert.ok(lapsed.type === 'lease' && (lapsed.lateMs ?? 0) > 700, JSON.stringify(lapsed));
    await child.untilEvent('completed', SOON_MS);
    assert.equal(await child.call('release', 'g').then(() => 'nothing happens'), 'nothing happens');
    await pass(600);
    assert.equal(watcher.states.length, states, 'not even for a moment');
    assert.deepEqual(await namespace.cidrs(), OWN);
    // What comes next is up to the engine: it may take them again.
    await child.take('g', ['192.0.2.100/24'], 1);
  });

  test('a lease that is too old but still there is removed, not renewed', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    await child.take('g', ['192.0.2.100/24'], 1);
    // The kernel keeps it for 1 to 2 s, the process may use it for 0.9 s.
    await child.call('block', 950);
    await child.untilEvent('lapsed', SOON_MS);
    assert.deepEqual(await namespace.cidrs(), OWN);
  });

  test('a lease that is released because another has lapsed is not renewed in the same breath', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    await child.take('short', ['192.0.2.100/24'], 1);
    await child.take('long', ['192.0.2.101/24'], 4);
    await child.call('chain', 'short', 'long');
    await child.call('block', 950);
    await child.untilEvent('lapsed', SOON_MS);
    await until('both to end', SOON_MS, () => child.events('completed').length === 2);
    assert.deepEqual(await namespace.cidrs(), OWN);
  });

  test('a machine that slept for longer than the lease does not go on as if nothing had been', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    await child.take('g', ['192.0.2.100/24'], 60);
    await child.call('sleep', 55_000);
    await namespace.ip('addr', 'del', '192.0.2.100/32', 'dev', 'eth0');
    await child.untilEvent('restored', SOON_MS);
    await child.call('sleep', 5_000);
    await namespace.ip('addr', 'del', '192.0.2.100/32', 'dev', 'eth0');
    await child.untilEvent('lapsed', SOON_MS);
    assert.deepEqual(await namespace.cidrs(), OWN);
  });

  test('somebody made an address his own while the process was stopped: it stays', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    await child.take('g', ['192.0.2.100/24'], 1);
    child.signal('SIGSTOP');
    await untilCidrs(namespace, OWN);
    await namespace.ip('addr', 'add', '192.0.2.100/32', 'dev', 'eth0');
    child.signal('SIGCONT');
    await child.untilEvent('lapsed', SOON_MS);
    assert.equal((await namespace.entries()).find(({ cidr }) => cidr === '192.0.2.100/32')?.permanent, true);
  });

  test('an address that somebody makes permanent is lost to him, and the others are released', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    await child.take('g', ['192.0.2.100/24', '2001:db8::100/64'], 60);
    await namespace.ip('addr', 'change', '192.0.2.100/32', 'dev', 'eth0');
    const lost = await child.untilEvent('lost', SOON_MS);
    assert.ok(lost.type === 'lease' && lost.address === '192.0.2.100/32');
    assert.deepEqual(await namespace.cidrs(), ['192.0.2.100/32', ...OWN].sort());
  });

  test('an address that somebody removes is put back at once', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    // So long that no renewal could do it.
    await child.take('g', ['192.0.2.100/24', '2001:db8::100/64'], 60);
    for (const cidr of ['192.0.2.100/32', '2001:db8::100/128']) {
      const begun = monotonicMs();
      await namespace.ip('addr', 'del', cidr, 'dev', 'eth0');
      const restored = await child.untilNoted(
        'it to be restored',
        SOON_MS,
        (each) => each.type === 'lease' && each.event === 'restored' && each.address === cidr,
      );
      if (restored.type === 'lease')
        t.diagnostic(`back ${(restored.at - begun).toFixed(1)} ms after starting ip addr del`);
    }
    assert.deepEqual(await namespace.cidrs(), [...OWN, '192.0.2.100/32', '2001:db8::100/128'].sort());
    assert.equal(child.logged.length, 1, `logged once: ${child.logged}`);
  });

  test('an interface that is switched off and on keeps what is leased, though Linux drops IPv6 addresses', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    await child.take('g', ['192.0.2.100/24', '2001:db8::100/64'], 60);
    await namespace.ip('link', 'set', 'eth0', 'down');
    const restored = await child.untilEvent('restored', SOON_MS);
    assert.ok(restored.type === 'lease' && restored.address === '2001:db8::100/128');
    await namespace.ip('link', 'set', 'eth0', 'up');
    await untilCidrs(namespace, ['192.0.2.100/32', '192.0.2.11/24', '2001:db8::100/128']);
    await child.call('release', 'g');
    assert.deepEqual(await namespace.cidrs(), ['192.0.2.11/24']);
  });

  test('an address that somebody removes again and again is given up, with all the others', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    await child.take('g', ['192.0.2.100/24', '2001:db8::100/64'], 60);
    for (let i = 1; i <= 6; i++) {
      await namespace.ip('addr', 'del', '192.0.2.100/32', 'dev', 'eth0');
      await until('an event', SOON_MS, () => child.events('restored').length + child.events('lost').length === i);
    }
    assert.equal(child.events('restored').length, 5);
    assert.equal(child.events('lost').length, 1);
    await child.untilEvent('completed', SOON_MS);
    assert.deepEqual(await namespace.cidrs(), OWN);
  });

  test('an address that is released and taken again at once is nobody’s removal', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    const addresses = ['192.0.2.100/24', '2001:db8::100/64'];
    await child.take('g', addresses, 60);
    for (let i = 0; i < 10; i++) await child.call('retake', { group: 'g', interface: 'eth0', addresses, seconds: 60 });
    await child.call('watch', 'eth0');
    await pass(100);
    assert.equal(child.events('restored').length + child.events('lost').length, 0);
    assert.equal((await namespace.cidrs()).length, 4);
  });

  test('a lease whose interface goes is lost, and the others are renewed', async (t) => {
    const namespace = await host(t);
    await namespace.ip('link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'far1');
    await namespace.ip('link', 'set', 'eth1', 'up');
    const child = namespace.start();
    await child.take('other', ['198.51.100.100/32'], 2, 'eth1');
    await child.take('g', ['192.0.2.100/24'], 2);
    await namespace.ip('link', 'del', 'eth1');
    const lost = await child.untilEvent('lost', SOON_MS);
    assert.ok(lost.type === 'lease' && lost.group === 'other', JSON.stringify(lost));
    await pass(3300);
    assert.deepEqual(await namespace.cidrs(), [...OWN, '192.0.2.100/32'].sort());
    assert.equal(child.events('lost').length, 1);
  });

  test('a successor recognises the leases of a killed process, and adopts or removes them', async (t) => {
    const namespace = await host(t);
    const first = namespace.start();
    await first.take('g', ['192.0.2.100/24', '2001:db8::100/64'], 60);
    await first.take('h', ['192.0.2.101/24'], 60);
    await first.kill();
    // Who has another state file does not know them.
    const stranger = namespace.start({ state: join(namespace.folder, 'other') });
    assert.equal((await stranger.refusal(stranger.check('g', ['192.0.2.100/24'], 60))).code, 'CARP_ADDRESS');

    const second = namespace.start();
    await second.check('g', ['192.0.2.100/24', '2001:db8::100/64'], 60);
    const mixed = requestOf('g', ['192.0.2.100/24', '192.0.2.11/24']);
    assert.equal(await stranger.call('inherits', mixed), false);
    assert.equal(await second.call('inherits', mixed), true);
    assert.equal(await second.call('inherits', requestOf('g', ['192.0.2.11/24'])), false);
    assert.equal(await second.call('inherits', { ...mixed, interface: 'gone0' }), false);
    await second.take('g', ['192.0.2.100/24', '2001:db8::100/64'], 60);
    assert.equal(await second.call('inherits', requestOf('g', ['192.0.2.100/24'])), false, 'it is held now');
    await second.call('disinherit', requestOf('g', ['192.0.2.101/24', '192.0.2.100/24', '192.0.2.11/24']));
    assert.deepEqual(await namespace.cidrs(), [...OWN, '192.0.2.100/32', '2001:db8::100/128'].sort());
    await second.call('release', 'g');
    assert.deepEqual(await namespace.cidrs(), OWN);
    await second.call('settled');
    assert.deepEqual(recorded(namespace), []);
  });

  test('a lease that has run out is no inheritance, and one that runs out meanwhile is added anew', async (t) => {
    const namespace = await host(t);
    const first = namespace.start();
    await first.take('g', ['192.0.2.100/24'], 1);
    await first.kill();
    const second = namespace.start();
    const request = requestOf('g', ['192.0.2.100/24'], 1);
    await untilCidrs(namespace, OWN);
    assert.equal(await second.call('inherits', request), false);
    await second.call('disinherit', request);
    await second.take('g', ['192.0.2.100/24'], 1);
    assert.deepEqual(await namespace.cidrs(), [...OWN, '192.0.2.100/32'].sort());
  });

  test('a lease of another boot or another namespace counts for nothing', async (t) => {
    const namespace = await host(t);
    const first = namespace.start();
    await first.take('g', ['192.0.2.100/24'], 60);
    await first.kill();
    const text = readFileSync(stateFile(namespace), 'utf8');
    for (const [what, changed] of [
      ['boot', text.replace(/"bootId": "[^"]*"/, '"bootId": "another"')],
      ['namespace', text.replace(/net:\[\d+\]/, 'net:[1]')],
      ['time', text.replace(/"until": [\d.]+/, '"until": 1')],
      ['interface', text.replace('"eth0"', '"eth1"')],
    ] as const) {
      assert.notEqual(changed, text);
      const state = join(namespace.folder, what);
      mkdirSync(state);
      writeFileSync(join(state, 'leases.json'), changed);
      const child = namespace.start({ state });
      assert.equal((await child.refusal(child.check('g', ['192.0.2.100/24'], 60))).code, 'CARP_ADDRESS', what);
      await child.kill();
    }
  });

  test('the state file is for us alone, and written before the address is there', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    await child.take('g', ['192.0.2.100/24']);
    assert.equal(statSync(join(namespace.folder, 'state')).mode & 0o777, 0o700);
    assert.equal(statSync(stateFile(namespace)).mode & 0o777, 0o600);
    assert.deepEqual(
      recorded(namespace).map(({ group, address }) => [group, address]),
      [['g', '192.0.2.100/32']],
    );
    const { mtimeMs, ino } = statSync(stateFile(namespace));
    await pass(1200);
    const after = statSync(stateFile(namespace));
    assert.deepEqual([after.mtimeMs, after.ino], [mtimeMs, ino], 'renewals do not write');
  });

  test('a corrupt state file is set aside with one line', async (t) => {
    const namespace = await host(t);
    for (const content of ['{"leases": [', '{"leases": [{"interface": 7}]}', 'null']) {
      const state = join(namespace.folder, `state${content.length}`);
      mkdirSync(state);
      writeFileSync(join(state, 'leases.json'), content);
      const child = namespace.start({ state });
      await child.take('g', ['192.0.2.100/24']);
      await child.call('release', 'g');
      assert.equal(child.logged.length, 1, `${child.logged}`);
      assert.equal(readFileSync(join(state, 'leases.json.corrupt'), 'utf8'), content);
      await child.kill();
    }
  });

  test('without a place for the state file, leases work all the same, and one line says so', async (t) => {
    const namespace = await host(t);
    writeFileSync(join(namespace.folder, 'file'), '');
    const child = namespace.start({ state: join(namespace.folder, 'file', 'state') });
    await child.take('g', ['192.0.2.100/24'], 2);
    await child.call('release', 'g');
    await child.take('g', ['192.0.2.100/24'], 2);
    await pass(3300);
    assert.equal((await namespace.cidrs()).includes('192.0.2.100/32'), true, 'it is renewed');
    await child.call('settled');
    assert.equal(child.logged.length, 1, `${child.logged}`);
    assert.match(child.logged[0] ?? '', /install -d/);
  });

  test('without privileges everything can be seen and nothing taken', {
    skip: missingForWire('setpriv'),
  }, async (t) => {
    const namespace = await host(t);
    const child = namespace.start({ capabilities: [], state: join(namespace.folder, 'state') });
    await child.call('watch', 'eth0');
    assert.deepEqual(child.states.at(-1)?.addresses, OWN);
    for (const call of ['check', 'take'] as const) {
      const refusal = await child.refusal(child[call]('g', ['192.0.2.100/24']));
      assert.equal(refusal.code, 'CARP_NO_PERMISSION');
      assert.match(refusal.remedy ?? '', /CAP_NET_ADMIN/);
    }
  });

  test('capabilities are enough, also for promote_secondaries', { skip: missingForWire('setpriv') }, async (t) => {
    const namespace = await host(t, []);
    const child = namespace.start({ capabilities: ['net_admin'], state: join(namespace.folder, 'state') });
    await child.check('g', ['192.0.2.100/24']);
    assert.match(await namespace.sysctl('net.ipv4.conf.eth0.promote_secondaries'), /= 0/, 'check changes nothing');
    await child.take('g', ['192.0.2.100/24', '2001:db8::100/64']);
    assert.deepEqual(await namespace.cidrs(), ['192.0.2.100/24', '2001:db8::100/64']);
    assert.match(await namespace.sysctl('net.ipv4.conf.eth0.promote_secondaries'), /= 1/);
  });

  test('200 addresses are renewed in one go', async (t) => {
    const namespace = await host(t);
    const child = namespace.start();
    for (let group = 0; group < 20; group++) {
      const addresses = Array.from({ length: 5 }, (_, i) => 100 + group * 5 + i).flatMap((last) => [
        `198.51.100.${last}/32`,
        `2001:db8:1::${last}/128`,
      ]);
      await child.take(`g${group}`, addresses, 2);
    }
    await pass(1000);
    const before = Number(await child.call('cpu'));
    const begun = monotonicMs();
    await pass(4000);
    const used = Number(await child.call('cpu')) - before;
    const elapsed = monotonicMs() - begun;
    const statistics = (await child.call('transactions')) as { requests: number; ms: number }[];
    const batches = statistics.filter(({ requests }) => requests === 200).map(({ ms }) => ms);
    t.diagnostic(
      `${batches.length} renewals of 200 addresses: median ${median(batches).toFixed(2)} ms in the kernel, ` +
        `${(used / (elapsed / 500)).toFixed(2)} ms of CPU for each with all that follows (echoes, this test)`,
    );
    assert.ok(batches.length >= 4, `all in one: ${JSON.stringify(statistics.slice(-20))}`);
    assert.equal((await namespace.cidrs()).length, 202);
    await child.kill();
    await untilCidrs(namespace, OWN);
  });
};

const CONCURRENCY = 3;
describe('leases of addresses on Linux', { skip: missingForAgent(), concurrency: CONCURRENCY }, () =>
  leasesOver('netlink'),
);
// These need no koffi; that is what they are for.
describe('the same through iproute2', { skip: missingForWire('ip'), concurrency: CONCURRENCY }, () =>
  leasesOver('iproute'),
);

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  assert.ok(parsed);
  return parsed;
};
const entry = (text: string, validSeconds?: number): AddressEntry => ({
  ...cidr(text),
  index: 2,
  flags: 0,
  scope: 0,
  validSeconds,
});

describe('what is to be added', () => {
  /** eth0 with these addresses; those with a lifetime are ours. */
  const plan = (wanted: string, ...present: readonly AddressEntry[]): LeasePlan =>
    planLease(
      { group: 'g', interface: 'eth0', addresses: [cidr(wanted)], seconds: 2 },
      { links: new Map([[2, { index: 2, name: 'eth0', flags: 0 }]]), addresses: new Map([[2, present]]) },
      (_name, { validSeconds }) => validSeconds !== undefined,
    );
  const prefix = (...args: Parameters<typeof plan>): number | undefined => plan(...args).additions[0]?.prefix;

  test('the prefix is as given, unless the interface has an address of that subnet that is not ours', () => {
    assert.equal(prefix('192.0.2.100/24'), 24);
    assert.equal(prefix('192.0.2.100/24', entry('192.0.2.11/24')), 32);
    assert.equal(prefix('192.0.2.100/24', entry('192.0.2.11/32')), 32);
    assert.equal(prefix('192.0.2.100/28', entry('192.0.2.11/24')), 32);
    assert.equal(prefix('192.0.2.100/24', entry('198.51.100.11/24')), 24);
    assert.equal(prefix('192.0.2.100/24', entry('192.0.2.101/24', 2)), 24, 'the other one is ours, and goes as well');
    assert.equal(prefix('fe80::100/64', entry('fe80::1/64')), 128);
  });

  test('only a first IPv4 address of a subnet needs promote_secondaries', () => {
    assert.equal(plan('192.0.2.100/24').needsPromotion, true);
    assert.equal(plan('192.0.2.100/24', entry('192.0.2.11/24')).needsPromotion, false);
    assert.equal(plan('2001:db8::100/64').needsPromotion, false);
  });

  test('what a predecessor left is adopted with the prefix it has', () => {
    const { adoptions, additions, needsPromotion } = plan(
      '192.0.2.100/24',
      entry('192.0.2.100/24', 1),
      entry('192.0.2.11/24'),
    );
    assert.deepEqual([adoptions.map(({ prefix }) => prefix), additions, needsPromotion], [[24], [], true]);
  });
});

describe('the record of leases', () => {
  const HOUR = 3_600_000;

  const record = (t: TestContext) => {
    const folder = mkdtempSync(join(tmpdir(), 'carp-record-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const clock = { now: 1000 };
    const logged: string[] = [];
    const open = (): LeaseRecord =>
      new LeaseRecord({
        folder,
        epoch: { bootId: 'boot', namespace: 'net:[1]' },
        bootTimeMs: () => clock.now,
        log: (_level, message) => logged.push(message),
      });
    const file = join(folder, 'leases.json');
    return { clock, open, file, logged };
  };
  const lease = { interface: 'eth0', group: 'g', seconds: 2, addresses: [cidr('192.0.2.100/32')] };

  test('an entry is ours by interface, address, prefix and lifetime', (t) => {
    const { open } = record(t);
    open().add(lease);
    const successor = open();
    assert.equal(successor.isOurs('eth0', entry('192.0.2.100/32', 2)), true);
    assert.equal(successor.isOurs('eth1', entry('192.0.2.100/32', 2)), false);
    assert.equal(successor.isOurs('eth0', entry('192.0.2.101/32', 2)), false);
    assert.equal(successor.isOurs('eth0', entry('192.0.2.100/24', 2)), false);
    assert.equal(successor.isOurs('eth0', entry('192.0.2.100/32', 3)), false, 'no lease of ours lasts that long');
    assert.equal(successor.isOurs('eth0', entry('192.0.2.100/32')), false, 'it is permanent');
  });

  test('what is held stays on record, written twice an hour; what nobody holds any more is forgotten', async (t) => {
    const { clock, open, file } = record(t);
    const holder = open();
    holder.add(lease);
    const written = readFileSync(file, 'utf8');
    clock.now += HOUR / 2 - 1;
    holder.extend();
    await holder.settled();
    assert.equal(readFileSync(file, 'utf8'), written);
    clock.now += 1;
    holder.extend();
    await holder.settled();
    assert.notEqual(readFileSync(file, 'utf8'), written);
    clock.now += HOUR - 1;
    assert.equal(open().isOurs('eth0', entry('192.0.2.100/32', 2)), true);
    clock.now += 1;
    assert.equal(open().isOurs('eth0', entry('192.0.2.100/32', 2)), false);
  });

  test('an older content never has the last word', async (t) => {
    const { open, file, logged } = record(t);
    const holder = open();
    for (let i = 0; i < 50; i++) {
      holder.add(lease);
      holder.remove('eth0', lease.addresses);
      // Overtakes the background writer at another point each time.
      for (let turn = 0; turn < i % 7; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    holder.add(lease);
    await holder.settled();
    assert.match(readFileSync(file, 'utf8'), /192\.0\.2\.100/);
    holder.remove('eth0', lease.addresses);
    await holder.settled();
    assert.doesNotMatch(readFileSync(file, 'utf8'), /192\.0\.2\.100/);
    assert.deepEqual(logged, []);
  });
});
