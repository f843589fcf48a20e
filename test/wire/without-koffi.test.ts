/** Hosts on which koffi does not load: adverts through raw-socket, addresses through ip, announcements through arping. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, copyFileSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { AddressWatch } from '../support/address-watch.ts';
import { Capture } from '../support/capture.ts';
import { CARP, Carp, type CarpOptions, type GroupText, writeConfig } from '../support/carp.ts';
import { Lan, type Machine, run } from '../support/netns.ts';
import { Prober } from '../support/prober.ts';
import { missingForAgent, missingForWire, unreadableByOthers } from '../support/requirements.ts';
import { monotonicMs, until } from '../support/wait.ts';

const VIP = '192.0.2.100';
const VIP6 = '2001:db8::100';
const START_MS = 20_000;
const NOBODY = 65_534;

const missingRawSocket = (): string | false => {
  try {
    createRequire(import.meta.url)('raw-socket');
    return false;
  } catch {
    return 'needs the module raw-socket, built: npm rebuild raw-socket';
  }
};
const skip = missingForWire() || missingRawSocket();

const plant = (advskew: number, more: GroupText = {}): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`],
  transport: 'raw-socket',
  advskew,
  ...more,
});

const hook = new URL('../support/without-koffi.js', import.meta.url).href;
const withoutKoffi = (): CarpOptions => ({
  prefix: ['env', `NODE_OPTIONS=--import=${hook}`],
});
const start = (lan: Lan, on: Machine, group: GroupText): Carp => Carp.start(lan, on, [group], withoutKoffi());

/** What is mapped into the agent: koffi would be. */
const nativeModules = (carp: Carp): readonly string[] => [
  ...new Set(readFileSync(`/proc/${carp.child.pid}/maps`, 'latin1').match(/\/\S+\.node$/gm) ?? []),
];

const programsIn = async ({ namespace }: Machine, word: string): Promise<readonly string[]> => {
  const pids = (await run('ip', 'netns', 'pids', namespace)).split('\n').filter((pid) => pid !== '');
  return pids.filter((pid) => commandOf(pid).includes(`\0${word}\0`) && commandOf(pid).includes('link\0address'));
};
const commandOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
};

/** The folder of a configuration, with its state and socket. */
const openToNobody = (lan: Lan, file: string): void => {
  chmodSync(lan.folder, 0o755);
  for (const each of [dirname(file), join(dirname(file), 'state')]) chownSync(each, NOBODY, NOBODY);
};

// Each test has a LAN of its own and mostly waits.
describe('without koffi', { skip, concurrency: 2 }, () => {
  test('a host takes its addresses, a dead one is replaced, and one that is stopped hands over', {
    timeout: 120_000,
    skip: missingForWire('arping'),
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const own = [await lan.addressList(first), await lan.addressList(second)];
    const one = start(lan, first, plant(0, { preempt: true }));
    await one.untilRole('MASTER', START_MS);
    await lan.untilHolders(VIP, ['h1'], 0);
    assert.deepEqual(
      nativeModules(one).filter((file) => /koffi/.test(file)),
      [],
    );
    assert.ok(
      nativeModules(one).some((file) => /raw\.node$/.test(file)),
      String(nativeModules(one)),
    );
    const two = start(lan, second, plant(100));
    await two.untilRole('BACKUP', START_MS);
    const prober = await Prober.start(lan, VIP);
    await prober.untilAnsweredBy('h1', START_MS);

    const hit = monotonicMs();
    await lan.powerOff(first);
    const master = await two.untilRole('MASTER', START_MS);
    assert.equal(master.event.reason, 'master-timeout');
    const answer = await prober.untilAnsweredBy('h2', START_MS);
    const nominal = 3000 + (100 * 1000) / 256;
    t.diagnostic(
      `MASTER ${(master.received - hit).toFixed(0)} ms after the power cut (up to ${nominal.toFixed(0)} ms are nominal), the client was answered after ${(answer.sent - hit).toFixed(0)} ms`,
    );
    // The client has the dead host's MAC, and would ask again only after several seconds.
    assert.ok(answer.sent - master.received < 1500, 'the neighbours were told');

    await lan.unsilence(first);
    await lan.exec(first, 'ip', 'addr', 'flush', 'dev', 'eth0', 'scope', 'global', 'to', `${VIP}/32`);
    const again = start(lan, first, plant(0, { preempt: true }));
    await again.untilRole('MASTER', START_MS);
    await lan.untilHolders(VIP, ['h1'], START_MS);
    await prober.untilAnsweredBy('h1', START_MS);

    const { code } = await again.terminate(START_MS);
    assert.equal(code, 0, again.child.report());
    await two.untilRole('MASTER', START_MS);
    await lan.untilHolders(VIP, ['h2'], START_MS);
    await two.terminate(START_MS);
    await lan.untilHolders(VIP, [], START_MS);
    assert.deepEqual([await lan.addressList(first), await lan.addressList(second)], own, 'their own addresses stay');
    for (const host of [first, second])
      await until('no ip monitor to be left', START_MS, async () => (await programsIn(host, 'monitor')).length === 0);
  });

  test('an agent that is killed loses its addresses before the BACKUP has them, and leaves no process behind', {
    timeout: 120_000,
    skip: missingForWire('setpriv'),
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const watch = await AddressWatch.start(lan, VIP);
    const one = start(lan, first, plant(0));
    await one.untilRole('MASTER', START_MS);
    const two = start(lan, second, plant(100));
    await two.untilRole('BACKUP', START_MS);
    await until('an ip monitor', START_MS, async () => (await programsIn(first, 'monitor')).length === 1);

    const hit = monotonicMs();
    one.child.signal('SIGKILL');
    const lost = await watch.untilChange('h1', false, START_MS, hit);
    const taken = await watch.untilChange('h2', true, START_MS, hit);
    t.diagnostic(
      `the kernel dropped the address after ${(lost.at - hit).toFixed(0)} ms, the BACKUP had it after ${(taken.at - hit).toFixed(0)} ms`,
    );
    assert.ok(lost.at < taken.at, 'never two hosts with the address');
    await until('no ip monitor to be left', START_MS, async () => (await programsIn(first, 'monitor')).length === 0);
  });

  test('both families, one agent with koffi and one without', {
    timeout: 120_000,
    skip: missingForAgent('tcpdump'),
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const capture = await Capture.start(lan);
    const both = { addresses: [`${VIP}/24`, `${VIP6}/64`] };
    const one = start(lan, lan.host(1), plant(0, { ...both, checkTtl: 'ipv4' }));
    await one.untilRole('MASTER', START_MS);
    for (const address of [VIP, VIP6]) await lan.untilHolders(address, ['h1'], 0);
    const two = Carp.start(lan, lan.host(2), [plant(100, { ...both, transport: 'auto' })]);
    await two.untilRole('BACKUP', START_MS);
    // A bow-out counts from a MASTER that was heard before.
    await capture.untilAdverts(lan.host(1), 6, START_MS);
    await one.terminate(START_MS);
    const master = await two.untilRole('MASTER', START_MS);
    assert.equal(master.event.reason, 'bow-out-heard', lan.report());
    for (const address of [VIP, VIP6]) await lan.untilHolders(address, ['h2'], START_MS);
  });

  test('a pulled cable is noticed, and its return', { timeout: 60_000 }, async (t) => {
    const lan = await Lan.create(t, 1);
    const one = start(lan, lan.host(1), plant(0));
    await one.untilRole('MASTER', START_MS);
    await lan.cable(lan.host(1), 'down');
    const init = await one.untilRole('INIT', START_MS);
    assert.equal(init.event.reason, 'link-down');
    await lan.untilHolders(VIP, [], START_MS);
    await lan.cable(lan.host(1), 'up');
    await one.untilRole('MASTER', START_MS);
    await lan.untilHolders(VIP, ['h1'], 0);
  });

  test('what it cannot do is refused with the remedy: a virtual MAC', { timeout: 60_000 }, async (t) => {
    const lan = await Lan.create(t, 1);
    const mac = plant(0, { addressing: 'virtual-mac', transport: 'auto' });
    const one = start(lan, lan.host(1), mac);
    await one.child.untilLine(/group plant: a virtual MAC needs .*the module koffi is not installed/, START_MS);
    await one.child.untilLine(/npm install koffi\S+; or use addressing: interface/, START_MS);
    await lan.untilHolders(VIP, [], 0);
  });

  test('as a service, with ambient capabilities and nothing else, it holds and announces its addresses', {
    timeout: 60_000,
    skip: missingForWire('arping', 'setpriv') || unreadableByOthers(CARP),
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const file = writeConfig(lan, host, [plant(0)]);
    openToNobody(lan, file);
    const neighbour = ['neigh', 'replace', VIP, 'lladdr', '02:00:00:00:00:99', 'dev', 'eth0', 'nud', 'stale'];
    await lan.exec(lan.client, 'ip', ...neighbour);
    const sets = '-all,+net_raw,+net_admin';
    const service = [
      ...['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs'],
      ...['--inh-caps', sets, '--ambient-caps', sets, '--bounding-set', sets],
    ];
    const agent = lan.start(host, 'carp', [...service, process.execPath, '--import', hook, CARP, 'run', '-c', file]);
    await agent.untilLine(/ plant 10@eth0: BACKUP -> MASTER /, START_MS);
    await lan.untilHolders(VIP, ['h1'], START_MS);
    await until('the client to know', START_MS, async () =>
      (await lan.exec(lan.client, 'ip', 'neigh', 'show', 'to', VIP)).includes(host.mac),
    );
    agent.signal('SIGTERM');
    assert.equal((await agent.untilExit(START_MS)).code, 0, agent.report());
    await lan.untilHolders(VIP, [], START_MS);
    assert.ok(agent.line(/cannot|not told|not permitted/) === undefined, agent.report());
  });

  test('carp doctor says what does its work instead, and looks at the network all the same', {
    timeout: 60_000,
    skip: missingForWire('arping'),
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const file = writeConfig(lan, lan.host(1), [plant(0)]);
    const doctor = lan.start(lan.host(1), 'doctor', [process.execPath, '--import', hook, CARP, 'doctor', '-c', file]);
    const { code } = await doctor.untilExit(START_MS);
    assert.equal(code, 0, doctor.report());
    for (const line of [
      /^warning +koffi +.*not installed/,
      /^ok +raw-socket /,
      /^ok +ip +\/\S+\/ip sets addresses/,
      /^ok +arping /,
      /^ok +eth0 +it is up and has carrier/,
      /^ok +group plant +sends from 192\.0\.2\.11/,
    ])
      assert.ok(doctor.line(line), `${line} ${doctor.report()}`);
  });

  test('capabilities of a file are not passed on to ip, and the error says what helps', {
    timeout: 60_000,
    skip: missingForWire('setcap', 'setpriv') || unreadableByOthers(CARP),
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const file = writeConfig(lan, host, [plant(0)]);
    openToNobody(lan, file);
    const node = join(lan.folder, 'node');
    copyFileSync(process.execPath, node);
    chmodSync(node, 0o755);
    await run('setcap', 'cap_net_raw,cap_net_admin+ep', node);
    const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--inh-caps=-all'];
    // Not NODE_OPTIONS: a program with capabilities of its own does not heed them.
    const agent = lan.start(host, 'carp', [...asNobody, node, '--import', hook, CARP, 'run', '-c', file]);
    await agent.untilLine(/are not passed on to it/, START_MS);
    // The remedy is a line of its own, which may come a moment later.
    await agent.untilLine(/AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN/, START_MS);
    await lan.untilHolders(VIP, [], 0);
  });
});
