/** Groups behind a virtual MAC address: what switches and neighbours learn, and what is left when they go. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Capture } from '../support/capture.ts';
import { CARP, Carp, type GroupText } from '../support/carp.ts';
import type { Child } from '../support/child.ts';
import { Lan, type Machine, run } from '../support/netns.ts';
import { Prober } from '../support/prober.ts';
import { missingForAgent, unreadableByOthers } from '../support/requirements.ts';
import { monotonicMs, until } from '../support/wait.ts';

const VIP = '192.0.2.100';
const VIP6 = '2001:db8::64';
const MAC = '00:00:5e:00:01:0a';
const skip = missingForAgent('tcpdump');
const START_MS = 15_000;
const NOBODY = 65_534;
/** As in ours-with-ours.test.ts. */
const NOISE_MS = 250;
const EARLY_MS = 2;

const plant = (advskew: number, more: GroupText = {}): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`, `${VIP6}/64`],
  addressing: 'virtual-mac',
  advskew,
  ...more,
});

const masterDownMs = (advskew: number): number => 3000 + (advskew * 1000) / 256;

interface LinkText {
  readonly ifname: string;
  readonly address: string;
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: { readonly mode?: string } };
}

const links = async (on: Machine): Promise<readonly LinkText[]> =>
  JSON.parse(await run('ip', '-j', '-d', '-n', on.namespace, 'link')) as readonly LinkText[];

const macvlans = async (on: Machine): Promise<readonly LinkText[]> =>
  (await links(on)).filter(({ linkinfo }) => linkinfo?.info_kind === 'macvlan');

const names = async (on: Machine): Promise<readonly string[]> => (await links(on)).map(({ ifname }) => ifname);

/** What a group changes on its parent. */
const parentSettings = (lan: Lan, on: Machine): Promise<string> =>
  lan.exec(
    on,
    'sysctl',
    '-n',
    ...['arp_ignore', 'arp_filter', 'arp_announce'].map((key) => `net.ipv4.conf.eth0.${key}`),
  );

/** The MAC address that the client has for an address, or `undefined` while it does not know. */
const neighbour = async (lan: Lan, address: string): Promise<string | undefined> => {
  const found = JSON.parse(await run('ip', '-j', '-n', lan.client.namespace, 'neigh', 'show', address)) as readonly {
    readonly lladdr?: string;
  }[];
  return found[0]?.lladdr;
};

/** The port where the switch thinks that a MAC address is. */
const portOf = async (lan: Lan, mac: string): Promise<string | undefined> => {
  const text = await run('bridge', '-n', lan.switchNamespace, 'fdb', 'show', 'br', 'br0', 'dynamic');
  return text
    .split('\n')
    .find((line) => line.startsWith(mac))
    ?.split(' ')[2];
};

/** Prints a line for each frame with this source that a host sends, of whatever kind. */
const watchFrames = async (lan: Lan, on: Machine, mac = MAC): Promise<Child> => {
  const argv = ['tcpdump', '-i', on.port, '-Q', 'in', '-nel', '--immediate-mode', '-Z', 'root', `ether src ${mac}`];
  const child = lan.instrument(lan.switchNamespace, `frames of ${on.name}`, argv);
  await child.untilLine(/listening on/, 15_000);
  return child;
};

const asksFor = (lan: Lan, address: string): Promise<string> =>
  lan.exec(lan.client, 'ping', '-c1', '-W2', address.includes(':') ? '-6' : '-4', address);

describe('virtual-mac', { concurrency: 2 }, () => {
  test('neighbours keep the same MAC address across a failover and a hand-over, and the switch follows', {
    skip: skip || missingForAgent('ping', 'bridge'),
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const before = { addresses: await lan.addressList(first), settings: await parentSettings(lan, first) };
    const capture = await Capture.start(lan);
    const framesOfSecond = await watchFrames(lan, second);
    const holds = async (on: Machine): Promise<void> => {
      for (const each of [VIP, VIP6]) await lan.untilHolders(each, [on.name], 5000);
    };
    const isReached = async (at: Machine): Promise<void> => {
      for (const each of [VIP, VIP6]) {
        await asksFor(lan, each);
        assert.equal(await neighbour(lan, each), MAC, `${each} at ${at.name}`);
      }
      assert.equal(await portOf(lan, MAC), at.port);
    };

    let one = Carp.start(lan, first, [plant(0)]);
    await one.untilRole('MASTER', START_MS);
    await holds(first);
    const two = Carp.start(lan, second, [plant(100)]);
    await two.untilRole('BACKUP', START_MS);
    const [device] = await macvlans(first);
    assert.deepEqual([device?.address, device?.linkinfo?.info_data?.mode], [MAC, 'private']);
    await isReached(first);
    await capture.untilAdverts(first, 6, START_MS);
    const adverts = capture.advertsOf(first);
    assert.deepEqual([...new Set(adverts.map(({ sourceMac }) => sourceMac))], [MAC]);
    for (const { ttl, tos, dontFragment } of adverts)
      assert.deepEqual([ttl, tos, dontFragment], [255, 0x10, true], 'the IP header is that of other groups');
    assert.deepEqual(
      [...new Set(adverts.map(({ source }) => source))].sort(),
      [first.ipv4, first.linkLocal],
      'the source is an address of the parent',
    );
    assert.ok(capture.announcements().length > 0);
    for (const { sourceMac, mac } of capture.announcements()) assert.deepEqual([sourceMac, mac], [MAC, MAC]);
    assert.deepEqual(framesOfSecond.stdout, [], 'a BACKUP sends nothing from the virtual MAC');
    const prober = await Prober.start(lan, VIP);
    await prober.untilAnsweredBy('h1', 5000);

    await lan.powerOff(first);
    const framesOfFirst = await watchFrames(lan, first);
    const taken = await two.untilRole('MASTER', START_MS);
    assert.equal(taken.event.reason, 'master-timeout');
    await prober.untilAnsweredBy('h2', 5000);
    const last = capture.advertsOf(first).at(-1)?.at ?? Number.NaN;
    const waited = (capture.advertsOf(second)[0]?.at ?? Number.NaN) - last;
    t.diagnostic(`takeover ${waited.toFixed(1)} ms after the last advert (nominal ${masterDownMs(100)})`);
    assert.ok(waited >= masterDownMs(100) - EARLY_MS, `took over ${waited} ms after the last advert: too early`);
    assert.ok(waited <= masterDownMs(100) + NOISE_MS, `took over ${waited} ms after the last advert: too late`);
    await holds(second);
    await isReached(second);

    // The dead host: its addresses have expired, its macvlan is empty, and is taken over.
    assert.deepEqual(await lan.addressList(first), before.addresses);
    assert.equal((await macvlans(first)).length, 1);
    // Its kernel says more than once that the macvlan has left the address's multicast group, a second apart (MLD).
    const deadSince = monotonicMs();
    await until('the kernel of the dead host to have said its last word', 20_000, () => {
      const lastFrame = framesOfFirst.stdout.at(-1)?.at ?? deadSince;
      return monotonicMs() - Math.max(deadSince, lastFrame) > 3000;
    });
    const still = framesOfFirst.stdout.length;
    t.diagnostic(`frames from the virtual MAC of the dead host: ${framesOfFirst.stdout.map((l) => l.text).join('; ')}`);
    await lan.unsilence(first);
    one = Carp.start(lan, first, [plant(0)]);
    await one.untilRole('BACKUP', START_MS);
    await capture.untilAdverts(second, 6, START_MS);
    assert.equal(one.role(), 'BACKUP');
    assert.deepEqual(
      (await macvlans(first)).map(({ address, flags }) => [address, flags.includes('UP')]),
      [[MAC, false]],
    );
    assert.deepEqual(framesOfFirst.stdout.slice(still), [], 'a BACKUP sends nothing from the virtual MAC');
    await isReached(second);

    const told = monotonicMs();
    const exit = await two.terminate();
    assert.deepEqual([exit.code, exit.signal], [0, null], two.child.report());
    await one.untilRole('MASTER', 2000);
    await prober.untilAnsweredBy('h1', 5000);
    const silence = prober.longestSilence(told - 100);
    t.diagnostic(`hand-over at SIGTERM: client without answer for ${silence.toFixed(0)} ms`);
    assert.ok(silence < 300, `client without answer for ${silence} ms`);
    await isReached(first);
    assert.deepEqual(await names(second), ['lo', 'eth0'], 'nothing is left on the host that went');

    assert.equal((await one.terminate()).code, 0);
    assert.deepEqual(await names(first), ['lo', 'eth0']);
    assert.deepEqual(await lan.addressList(first), before.addresses);
    assert.equal(await parentSettings(lan, first), before.settings);
  });

  test('two MASTERs hear each other after a healed split, although both have the same MAC address', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    await lan.silence(second);
    const one = Carp.start(lan, first, [plant(0)]);
    const two = Carp.start(lan, second, [plant(100)]);
    await one.untilRole('MASTER', START_MS);
    await two.untilRole('MASTER', START_MS);
    const healed = monotonicMs();
    await lan.unsilence(second);
    const yielded = await two.untilRole('BACKUP', 5000);
    assert.equal(yielded.event.reason, 'better-master');
    t.diagnostic(`yielded ${(yielded.received - healed).toFixed(0)} ms after the split was healed`);
    const framesOfSecond = await watchFrames(lan, second);
    const capture = await Capture.start(lan);
    await capture.untilAdverts(first, 8, START_MS);
    assert.deepEqual([one.role(), two.role()], ['MASTER', 'BACKUP']);
    await lan.untilHolders(VIP, ['h1'], 1000);
    assert.equal(await portOf(lan, MAC), first.port);
    assert.deepEqual(framesOfSecond.stdout, [], 'the host that yielded sends nothing from the virtual MAC');
  });

  test('two groups share a parent, whose settings come back with the last of them', {
    skip: skip || missingForAgent('ping'),
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    await lan.exec(host, 'sysctl', '-qw', 'net.ipv4.conf.eth0.arp_ignore=0', 'net.ipv4.conf.eth0.arp_filter=0');
    await lan.exec(host, 'sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1');
    const before = await parentSettings(lan, host);
    const other = { name: 'other', vhid: 11, addresses: ['192.0.2.101/24'] };
    const both = Carp.start(lan, host, [plant(0), plant(0, other)]);
    await both.untilRole('MASTER', START_MS, 'plant');
    await both.untilRole('MASTER', START_MS, 'other');
    for (const [address, mac] of [
      [VIP, MAC],
      ['192.0.2.101', '00:00:5e:00:01:0b'],
      [host.ipv4, host.mac],
    ] as const) {
      await asksFor(lan, address);
      assert.equal(await neighbour(lan, address), mac, address);
    }
    // Killed, it cannot tidy up: its successor serves one group only, and still gives the parent back what it had.
    both.child.signal('SIGKILL');
    await both.child.untilExit(5000);
    await lan.untilHolders(VIP, [], 5000);
    const one = Carp.start(lan, host, [plant(0), plant(0, { ...other, addressing: 'interface' })]);
    await one.untilRole('MASTER', START_MS, 'plant');
    await one.untilRole('MASTER', START_MS, 'other');
    assert.deepEqual(
      (await macvlans(host)).map(({ address }) => address),
      [MAC],
    );
    assert.notEqual(await parentSettings(lan, host), before);
    assert.equal((await one.terminate()).code, 0);
    assert.deepEqual(await names(host), ['lo', 'eth0']);
    assert.equal(await parentSettings(lan, host), before);
  });

  test('a parent that loses its carrier, or is deleted, takes the macvlan along, and nothing else', {
    skip: skip || missingForAgent('ping'),
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const one = Carp.start(lan, host, [plant(0)]);
    await one.untilRole('MASTER', START_MS);
    await lan.cable(host, 'down');
    assert.equal((await one.untilRole('INIT', 2000)).event.reason, 'link-down');
    await lan.cable(host, 'up');
    await one.untilRole('MASTER', START_MS);
    await lan.untilHolders(VIP, ['h1'], 1000);

    // Somebody switches the macvlan off: it is switched on again.
    const [device] = await macvlans(host);
    assert.ok(device);
    await run('ip', '-n', host.namespace, 'link', 'set', device.ifname, 'down');
    await until('the macvlan to be up again', 2000, async () => (await macvlans(host))[0]?.flags.includes('UP'));
    for (const each of [VIP, VIP6]) {
      await lan.untilHolders(each, ['h1'], 1000);
      await asksFor(lan, each);
    }
    assert.equal(one.role(), 'MASTER');

    // Somebody tidies up too much: the group starts again with another macvlan.
    await run('ip', '-n', host.namespace, 'link', 'del', device.ifname);
    await one.untilRole('INIT', 2000);
    await one.untilRole('MASTER', START_MS);
    await lan.untilHolders(VIP, ['h1'], 1000);

    await run('ip', '-n', host.namespace, 'link', 'del', 'eth0');
    await one.untilRole('INIT', 2000);
    assert.deepEqual(await names(host), ['lo']);
    assert.equal((await one.terminate()).code, 0);
  });

  test('an agent that was killed hands over when it is back, and then says nothing from the virtual MAC', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    // A lease of 14 s: an agent still finds it that a busy machine needs ten seconds to start.
    const patient = (advskew: number): GroupText => plant(advskew, { deadratio: 15 });
    const one = Carp.start(lan, first, [patient(0)]);
    await one.untilRole('MASTER', 2 * START_MS);
    const two = Carp.start(lan, second, [patient(100)]);
    await two.untilRole('BACKUP', START_MS);
    const capture = await Capture.start(lan);
    await capture.untilAdverts(first, 4, START_MS);

    one.child.signal('SIGKILL');
    await one.child.untilExit(START_MS);
    const again = Carp.start(lan, first, [patient(0)]);
    assert.equal((await two.untilRole('MASTER', START_MS)).event.reason, 'bow-out-heard', lan.report());
    for (const each of [VIP, VIP6]) await lan.untilHolders(each, ['h2'], 1000);
    const frames = await watchFrames(lan, first);
    await capture.untilAdverts(second, 4, START_MS);
    assert.equal(again.role(), 'BACKUP');
    assert.deepEqual(frames.stdout, []);
    assert.equal(await portOf(lan, MAC), second.port);
  });

  test('unicast peers get adverts from the parent, and the addresses are behind the virtual MAC all the same', {
    skip: skip || missingForAgent('ping'),
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const peered = (advskew: number, peer: Machine): GroupText =>
      plant(advskew, { addresses: [`${VIP}/24`], peers: [peer.ipv4] });
    const capture = await Capture.start(lan);
    const one = Carp.start(lan, first, [peered(0, second)]);
    await one.untilRole('MASTER', START_MS);
    const two = Carp.start(lan, second, [peered(100, first)]);
    await capture.untilAdverts(first, 5, START_MS);
    assert.equal(two.role(), 'BACKUP');
    for (const { sourceMac, destinationMac } of capture.advertsOf(first))
      assert.deepEqual([sourceMac, destinationMac], [first.mac, second.mac]);
    await asksFor(lan, VIP);
    assert.equal(await neighbour(lan, VIP), MAC);
  });

  test('a user other than root needs no more than the two capabilities', {
    skip: skip || missingForAgent('setpriv', 'ping') || unreadableByOthers(CARP),
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    chmodSync(lan.folder, 0o755);
    for (const folder of [join(lan.folder, host.name), join(lan.folder, host.name, 'state')]) {
      mkdirSync(folder);
      chownSync(folder, NOBODY, NOBODY);
    }
    const before = await parentSettings(lan, host);
    const both = '-all,+net_raw,+net_admin';
    const ids = ['--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'];
    const prefix = ['setpriv', ...ids, '--inh-caps', both, '--ambient-caps', both, '--bounding-set', both];
    const one = Carp.start(lan, host, [plant(0)], { prefix });
    await one.untilRole('MASTER', START_MS);
    for (const each of [VIP, VIP6]) {
      await asksFor(lan, each);
      assert.equal(await neighbour(lan, each), MAC);
    }
    assert.equal((await one.terminate()).code, 0);
    assert.deepEqual(await names(host), ['lo', 'eth0']);
    assert.equal(await parentSettings(lan, host), before);
  });

  test('an interface that cannot carry a macvlan is refused with what to do', { skip, timeout: 60_000 }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    await run('ip', '-n', host.namespace, 'link', 'add', 'br1', 'type', 'bridge');
    await run('ip', '-n', host.namespace, 'link', 'add', 'eth1', 'master', 'br1', 'type', 'veth');
    const before = await names(host);
    for (const [device, message, remedy] of [
      ['lo', /lo cannot carry an interface with a virtual MAC: it is no Ethernet interface/, /addressing: interface/],
      ['eth1', /eth1 cannot carry an interface with a virtual MAC: it belongs to a bridge/, /name of the bridge/],
    ] as const) {
      const one = Carp.start(lan, host, [plant(0, { interface: device, addresses: ['192.0.2.77/32'] })]);
      const { code } = await one.child.untilExit(START_MS);
      const said = one.child.stderr.map(({ text }) => text).join('\n');
      assert.equal(code, 1, said);
      assert.match(said, message);
      assert.match(said, remedy);
    }
    assert.deepEqual(await names(host), before);
  });
});
