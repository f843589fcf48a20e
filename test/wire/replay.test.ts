/** Somebody on the segment who has heard one advert and repeats it for ever, as it was or as that of a better MASTER. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { advertFrame } from '../../src/adapters/linux/advert-frame.ts';
import { parseAddress } from '../../src/protocol/address.ts';
import { encodeAdvert, readAdvert } from '../../src/protocol/advert.ts';
import { advBase, advSkew } from '../../src/protocol/units.ts';
import { Capture, type WireAdvert } from '../support/capture.ts';
import { CARP, Carp, type GroupText } from '../support/carp.ts';
import type { Child } from '../support/child.ts';
import { Lan, type Machine, run } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { startUcarp } from '../support/ucarp.ts';
import { until } from '../support/wait.ts';

const VIP = '192.0.2.100';
const VIP6 = '2001:db8::64';
const START_MS = 15_000;
/** What a busy machine may add to a deadline before we call it missed. */
const NOISE_MS = 300;
/** Of a BACKUP with skew 100; its question stands for an interval and 20 ms. */
const MASTER_DOWN_MS = 3391;
const CHALLENGE_MS = 1391 + 20;
const ATTACKER = fileURLToPath(new URL('replay-attacker.js', import.meta.url));
const ATTACKER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0x66);

const plant = (advskew: number, more: GroupText = {}): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`],
  advskew,
  ...more,
});

/** When a machine announced its addresses after a time, both as the capture has them. The capture may be behind the agent. */
const untilAnnounced = async (capture: Capture, { mac: taker }: Machine, after: number): Promise<number> => {
  const { at } = await until('an announcement', START_MS, () =>
    capture.announcements().find(({ mac, at }) => mac === taker && at > after),
  );
  return at;
};

interface Counters {
  readonly received: number;
  readonly replayed: number;
  readonly reflected: number;
}

const counters = async (lan: Lan, on: Machine): Promise<Counters> => {
  const socket = join(lan.folder, on.name, 'agent.sock');
  const text = await lan.exec(on, process.execPath, CARP, 'status', '--json', '--socket', socket);
  const { hosts } = JSON.parse(text) as { hosts: readonly { groups: readonly { counters: Counters }[] }[] };
  const [group] = hosts[0]?.groups ?? [];
  assert.ok(group, text);
  return group.counters;
};

/** The frame of an advert, with its rank and source or other ones: all that is not signed can be written anew. */
const frameOf = (
  { payload, tos }: WireAdvert,
  source: string,
  rank: readonly [base: number, skew: number] | undefined,
): string => {
  const advert = readAdvert(payload);
  const [base, skew] = rank ?? [advert.advbase, advert.advskew];
  const address = parseAddress(source);
  assert.ok(address);
  const rewritten = encodeAdvert({ ...advert, advbase: advBase(base), advskew: advSkew(skew) });
  return Buffer.from(advertFrame({ mac: ATTACKER_MAC, source: address, tos, payload: rewritten })).toString('hex');
};

const startAttacker = async (lan: Lan): Promise<Child> => {
  const attacker = lan.instrument(lan.client.namespace, 'attacker', [process.execPath, ATTACKER]);
  await attacker.untilLine(/ready/, START_MS);
  return attacker;
};

/**
 * Each advert as it was, with skew 0, in sub-second mode, and as a farewell, 20 a second of them.
 *
 * @param invents - also from an address of his own: a host's kernel, and ucarp, drop what seems to come from themselves
 */
const attack = async (attacker: Child, adverts: readonly WireAdvert[], invents: boolean): Promise<void> => {
  const ranks = [undefined, [1, 0], [0, 1], [255, 255]] as const;
  const frames = adverts.flatMap((advert) => {
    const sources = [advert.source, ...(invents ? [advert.family === 4 ? '192.0.2.66' : 'fe80::66'] : [])];
    return sources.flatMap((source) => ranks.map((rank) => frameOf(advert, source, rank)));
  });
  attacker.writeLine(JSON.stringify({ frames, everyMs: 50 }));
  await attacker.untilLine(/attacking/, START_MS);
};

/** What the hosts themselves have sent: the attacker's frames have another source MAC. */
const genuine = (capture: Capture, host: Machine): readonly WireAdvert[] =>
  capture.advertsOf(host).filter(({ sourceMac }) => sourceMac !== '02:00:00:00:00:66');

const untilGenuine = async (capture: Capture, host: Machine, count: number): Promise<void> => {
  const before = genuine(capture, host).length;
  await until(`${count} adverts of ${host.name}`, START_MS, () => genuine(capture, host).length >= before + count);
};

const roles = (carp: Carp): readonly string[] => carp.transitions().map(({ event }) => `${event.role} ${event.reason}`);

const says = (carp: Carp, pattern: RegExp): number =>
  [...carp.child.stderr, ...carp.child.stdout].filter(({ text }) => pattern.test(text)).length;

// Each test has a LAN of its own and mostly waits; more at a time would disturb the measurements.
describe('adverts that somebody repeats for ever', { concurrency: 2 }, () => {
  for (const { title, addresses } of [
    { title: 'IPv4', addresses: [`${VIP}/24`] },
    { title: 'IPv4 and IPv6', addresses: [`${VIP}/24`, `${VIP6}/64`] },
  ])
    test(`disturb nobody over ${title}: not the MASTER, not the BACKUP, and not the takeover but by one interval`, {
      skip: missingForAgent('tcpdump'),
      timeout: 120_000,
    }, async (t) => {
      const lan = await Lan.create(t, 2);
      const [first, second] = [lan.host(1), lan.host(2)];
      const capture = await Capture.start(lan);
      const one = Carp.start(lan, first, [plant(0, { addresses })]);
      await one.untilRole('MASTER', START_MS);
      const two = Carp.start(lan, second, [plant(100, { addresses })]);
      await two.untilRole('BACKUP', START_MS);
      await untilGenuine(capture, first, 4 * addresses.length);
      const before = [roles(one), roles(two)];

      const attacker = await startAttacker(lan);
      await attack(attacker, genuine(capture, first).slice(-2), true);
      await untilGenuine(capture, first, 10 * addresses.length);
      assert.deepEqual([roles(one), roles(two)], before, lan.report());
      await lan.untilHolders(VIP, ['h1'], 1000);
      assert.ok((await counters(lan, first)).reflected > 50);
      const { replayed } = await counters(lan, second);
      assert.ok(replayed > 100, `${replayed} replayed`);
      const lines = says(two, /refused an advert of .*: replayed/);
      assert.ok(lines >= 2 && lines <= 4, `${lines} lines about ${replayed} replays`);

      await lan.powerOff(first);
      const taken = await two.untilRole('MASTER', START_MS);
      assert.match(String(taken.event['detail']), /replayed adverts were refused, so it asked for a fresh one/);
      await lan.untilHolders(VIP, ['h2'], 5000);
      const last = genuine(capture, first).at(-1)?.at ?? Number.NaN;
      const claim = genuine(capture, second)[0]?.at ?? Number.NaN;
      const announced = await untilAnnounced(capture, second, last);
      t.diagnostic(
        `claim ${(claim - last).toFixed(0)} ms after the last advert, announced after ${(announced - last).toFixed(0)} ms ` +
          `(nominal ${MASTER_DOWN_MS} and ${MASTER_DOWN_MS + CHALLENGE_MS})`,
      );
      assert.ok(claim - last >= MASTER_DOWN_MS - 2 && claim - last <= MASTER_DOWN_MS + NOISE_MS, `${claim - last} ms`);
      const waited = announced - last;
      assert.ok(waited <= MASTER_DOWN_MS + CHALLENGE_MS + NOISE_MS, `${waited} ms`);

      await untilGenuine(capture, second, 8 * addresses.length);
      assert.deepEqual(roles(two).at(-1), 'MASTER master-timeout', 'the attack goes on, and the successor stays');
      await lan.untilHolders(VIP, ['h2'], 0);
    });

  test('disturb nobody beside ucarp as MASTER, and delay the takeover by one interval', {
    skip: missingForAgent('tcpdump', 'ucarp'),
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const capture = await Capture.start(lan);
    const ucarp = startUcarp(lan, first, { vhid: 10, pass: 'secret', address: VIP, advskew: 0 });
    await lan.untilHolders(VIP, ['h1'], START_MS);
    const carp = Carp.start(lan, second, [plant(100)]);
    await carp.untilRole('BACKUP', START_MS);
    await untilGenuine(capture, first, 4);
    const before = roles(carp);

    // ucarp drops what has its own address, and has no guard: what reaches our host alone is what this is about.
    const attacker = await startAttacker(lan);
    await attack(attacker, genuine(capture, first).slice(-3), false);
    await untilGenuine(capture, first, 10);
    assert.deepEqual(roles(carp), before, lan.report());
    assert.equal(ucarp.line(/going back to BACKUP/), undefined, ucarp.report());
    const { replayed, received } = await counters(lan, second);
    assert.ok(replayed > 100, `${replayed} replayed`);
    assert.ok(received >= 10, `${received} received`);

    await lan.powerOff(first);
    await carp.untilRole('MASTER', START_MS);
    const last = genuine(capture, first).at(-1)?.at ?? Number.NaN;
    const announced = await untilAnnounced(capture, second, last);
    t.diagnostic(`announced ${(announced - last).toFixed(0)} ms after the last advert of ucarp`);
    assert.ok(announced - last <= MASTER_DOWN_MS + CHALLENGE_MS + NOISE_MS, `${announced - last} ms`);
    // The script of a host that lost power has left its address.
    await run('ip', '-n', first.namespace, 'addr', 'del', `${VIP}/32`, 'dev', 'eth0');
    await untilGenuine(capture, second, 5);
    assert.deepEqual(roles(carp).at(-1), 'MASTER master-timeout');
    await lan.untilHolders(VIP, ['h2'], 1000);
  });

  test('are refused by an agent that was killed and started again: its own, and those of its peer', {
    skip: missingForAgent('tcpdump'),
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const capture = await Capture.start(lan);
    const one = Carp.start(lan, first, [plant(0)]);
    await one.untilRole('MASTER', START_MS);
    let two = Carp.start(lan, second, [plant(100)]);
    await two.untilRole('BACKUP', START_MS);
    await untilGenuine(capture, first, 3);
    const old = genuine(capture, first);
    assert.equal((await one.terminate()).code, 0);
    await two.untilRole('MASTER', START_MS);
    // The file is written every five seconds.
    await untilGenuine(capture, second, 8);
    two.child.signal('SIGKILL');
    await two.child.untilExit(START_MS);
    const own = genuine(capture, second);

    two = Carp.start(lan, second, [plant(100)]);
    await two.untilRole('MASTER', START_MS);
    const attacker = await startAttacker(lan);
    await attack(attacker, [...old, ...own], true);
    await untilGenuine(capture, second, 6);
    const { replayed, reflected, received } = await counters(lan, second);
    t.diagnostic(`${replayed} replayed, ${reflected} reflected, ${received} received`);
    assert.ok(replayed > 20 && reflected > 20, `${replayed} replayed, ${reflected} reflected`);
    assert.equal(received, 0, 'there is nobody else');
    assert.equal(two.role(), 'MASTER');
  });
});
