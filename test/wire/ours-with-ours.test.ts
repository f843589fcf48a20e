/** Hosts of ours in one group, as users run them: who holds the address, when, and what a client notices. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AddressWatch } from '../support/address-watch.ts';
import { Capture } from '../support/capture.ts';
import { Carp, type GroupText } from '../support/carp.ts';
import { Lan } from '../support/netns.ts';
import { Prober } from '../support/prober.ts';
import { missingForAgent, missingRawSocket } from '../support/requirements.ts';
import { monotonicMs, until } from '../support/wait.ts';

const VIP = '192.0.2.100';
const VIP6 = '2001:db8::64';
const skipped = missingForAgent('tcpdump');
/** How adverts travel. raw-socket cannot see the hop limits of IPv6, so its groups must not want them checked. */
const TRANSPORTS = [
  { transport: 'koffi', skip: skipped, settings: { transport: 'koffi' } },
  {
    transport: 'raw-socket',
    skip: skipped || missingRawSocket(),
    settings: { transport: 'raw-socket', checkTtl: 'ipv4' },
  },
] as const;
/** From the start of a host to MASTER: a process, and one master-down time. */
const START_MS = 15_000;
/** What a busy machine may add to a deadline before we call it missed. */
const NOISE_MS = 250;
/** A timer must not fire early; kernel time stamps of two hosts on one machine differ by less. */
const EARLY_MS = 2;

const group = (advskew: number, more: GroupText = {}): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`],
  advskew,
  ...more,
});

/** Three seconds and the skew of the host that waits (DESIGN D2). */
const masterDownMs = (advskew: number): number => 3000 + (advskew * 1000) / 256;

const FAMILIES = [
  { family: 'IPv4', addresses: [`${VIP}/24`] },
  { family: 'IPv6', addresses: [`${VIP6}/64`] },
  { family: 'IPv4 and IPv6', addresses: [`${VIP}/24`, `${VIP6}/64`] },
];

// Each test has a LAN of its own and mostly waits; more at a time would disturb the measurements.
for (const { transport, skip, settings } of TRANSPORTS)
  describe(`hosts of ours, through ${transport}`, { concurrency: 2 }, () => {
    const plant = (advskew: number, more: GroupText = {}): GroupText => group(advskew, { ...settings, ...more });

    for (const { family, addresses } of FAMILIES) {
      test(`over ${family} the first host becomes MASTER, the second takes over when it dies, and hands back without a gap`, {
        skip,
        timeout: 120_000,
      }, async (t) => {
        const lan = await Lan.create(t, 2);
        const [first, second] = [lan.host(1), lan.host(2)];
        const shared = addresses.map((cidr) => cidr.split('/')[0] ?? '');
        const address = shared[0] ?? '';
        const heldBy = async (names: readonly string[], withinMs: number): Promise<void> => {
          for (const each of shared) await lan.untilHolders(each, names, withinMs);
        };
        const before = { first: await lan.addressList(first), second: await lan.addressList(second) };
        const capture = await Capture.start(lan);

        let one = Carp.start(lan, first, [plant(0, { addresses })]);
        await one.untilRole('MASTER', START_MS);
        await heldBy(['h1'], 1000);
        const two = Carp.start(lan, second, [plant(100, { addresses })]);
        await two.untilRole('BACKUP', START_MS);
        const prober = await Prober.start(lan, address);
        await prober.untilAnsweredBy('h1', 5000);
        // Longer than its master-down time: it hears the MASTER.
        await capture.untilAdverts(first, 5 * addresses.length, START_MS);
        assert.deepEqual(
          two.transitions().filter(({ event }) => event.role === 'MASTER'),
          [],
          two.child.report(),
        );
        await heldBy(['h1'], 0);

        const cut = monotonicMs();
        await lan.powerOff(first);
        const taken = await two.untilRole('MASTER', START_MS);
        assert.equal(taken.event.reason, 'master-timeout');
        await prober.untilAnsweredBy('h2', 5000);
        const lastOfFirst = capture.advertsOf(first).at(-1)?.at ?? Number.NaN;
        const firstOfSecond = capture.advertsOf(second)[0]?.at ?? Number.NaN;
        const waited = firstOfSecond - lastOfFirst;
        t.diagnostic(
          `takeover ${waited.toFixed(1)} ms after the last advert (nominal ${masterDownMs(100)}), client without answer for ${prober.longestSilence(cut - 100).toFixed(0)} ms`,
        );
        assert.ok(waited >= masterDownMs(100) - EARLY_MS, `took over ${waited} ms after the last advert: too early`);
        assert.ok(waited <= masterDownMs(100) + NOISE_MS, `took over ${waited} ms after the last advert: too late`);
        // The kernel of the dead host gives the address back by itself.
        await heldBy(['h2'], 5000);
        assert.deepEqual(await lan.addressList(first), before.first);

        await lan.unsilence(first);
        one = Carp.start(lan, first, [plant(0, { addresses })]);
        await one.untilRole('BACKUP', START_MS);
        await capture.untilAdverts(second, 5 * addresses.length, START_MS);
        assert.equal(one.role(), 'BACKUP', 'without preempt a recovered host stays passive');
        await heldBy(['h2'], 0);

        const told = monotonicMs();
        const exit = await two.terminate();
        assert.deepEqual([exit.code, exit.signal], [0, null], two.child.report());
        const successor = await one.untilRole('MASTER', 2000);
        assert.equal(successor.event.reason, 'bow-out-heard');
        await prober.untilAnsweredBy('h1', 5000);
        const silence = prober.longestSilence(told - 100);
        t.diagnostic(
          `hand-over at SIGTERM: client without answer for ${silence.toFixed(0)} ms, process gone after ${(exit.at - told).toFixed(0)} ms`,
        );
        assert.ok(exit.at - told < 1000, `the process ended ${exit.at - told} ms after SIGTERM`);
        assert.ok(silence < 300, `client without answer for ${silence} ms`);
        await heldBy(['h1'], 1000);
        assert.deepEqual(await lan.addressList(second), before.second, 'nothing is left on the interface');
      });
    }

    test('a host that loses its carrier releases at once, and takes the address back with preempt', {
      skip,
      timeout: 90_000,
    }, async (t) => {
      const lan = await Lan.create(t, 2);
      const [first, second] = [lan.host(1), lan.host(2)];
      const watch = await AddressWatch.start(lan, VIP);
      const one = Carp.start(lan, first, [plant(0, { preempt: true })]);
      await one.untilRole('MASTER', START_MS);
      const two = Carp.start(lan, second, [plant(100)]);
      await two.untilRole('BACKUP', START_MS);

      const pulled = monotonicMs();
      await lan.cable(first, 'down');
      const lost = await watch.untilChange('h1', false, 5000, pulled);
      t.diagnostic(`released ${(lost.at - pulled).toFixed(1)} ms after the carrier was cut`);
      assert.ok(lost.at - pulled < 200, `released after ${lost.at - pulled} ms`);
      assert.equal((await one.untilRole('INIT', 2000)).event.reason, 'link-down');
      await two.untilRole('MASTER', START_MS);
      await lan.untilHolders(VIP, ['h2'], 1000);

      const plugged = monotonicMs();
      await lan.cable(first, 'up');
      await one.untilRole('MASTER', START_MS);
      const [back] = one.transitions().filter(({ received, event }) => received > plugged && event.role === 'MASTER');
      assert.equal(back?.event.reason, 'preempt', one.child.report());
      assert.equal((await two.untilRole('BACKUP', 3000)).event.reason, 'better-master');
      await lan.untilHolders(VIP, ['h1'], 1000);
    });

    test('three equal hosts that start at once settle on one MASTER', { skip, timeout: 90_000 }, async (t) => {
      const lan = await Lan.create(t, 3);
      const watch = await AddressWatch.start(lan, VIP);
      const capture = await Capture.start(lan);
      const hosts = lan.hosts.map((host) => Carp.start(lan, host, [plant(0)]));
      const masters = (): readonly Carp[] => hosts.filter((host) => host.role() === 'MASTER');
      await until(
        'one MASTER and two BACKUPs',
        START_MS,
        () =>
          hosts
            .map((host) => host.role())
            .toSorted()
            .join() === 'BACKUP,BACKUP,MASTER',
        () => lan.report(),
      );
      const index = hosts.findIndex((host) => host.role() === 'MASTER');
      const [winner, name] = [hosts[index], lan.hosts[index]];
      assert.ok(name);
      const settled = monotonicMs();
      await capture.untilAdverts(name, 5, START_MS);
      assert.deepEqual(masters(), [winner], 'the role does not move any more');
      assert.deepEqual(await lan.holders(VIP), [name.name]);
      const changes = watch.changes();
      t.diagnostic(
        `changes of the address: ${changes.map(({ host, present }) => `${present ? '+' : '-'}${host}`).join(' ')}`,
      );
      assert.deepEqual(watch.changes(settled + NOISE_MS), []);
      for (const host of hosts)
        if (host !== winner)
          assert.notEqual(
            host.transitions().at(-1)?.event.role,
            'MASTER',
            `two hosts think they are MASTER${lan.report()}`,
          );
    });
  });

test('each event has the shape that flows, MQTT and programs rely on', {
  skip: skipped,
  timeout: 60_000,
}, async (t) => {
  const lan = await Lan.create(t, 1);
  const one = Carp.start(lan, lan.host(1), [group(7)]);
  const { event } = await one.untilRole('MASTER', START_MS);
  await one.terminate();
  const { at, seq, detail, ...fixed } = event;
  assert.match(String(at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Number.isInteger(seq), `seq is ${String(seq)}`);
  assert.equal(typeof detail, 'string');
  assert.deepEqual(fixed, {
    event: 'transition',
    group: 'plant',
    interface: 'eth0',
    vhid: 10,
    node: 'h1',
    role: 'MASTER',
    previous: 'BACKUP',
    reason: 'master-timeout',
    master: { address: '192.0.2.11', self: true },
    advbase: 1,
    advskew: 7,
    demotion: 0,
    addresses: [`${VIP}/24`],
    devd: '!system=CARP subsystem=10@eth0 type=MASTER',
  });
  const roles = one.transitions().map((each) => `${each.event.previous}>${each.event.role}`);
  assert.deepEqual(roles.slice(0, 2), ['INIT>BACKUP', 'BACKUP>MASTER']);
  assert.equal(one.transitions().at(-1)?.event.reason, 'stop');
});
