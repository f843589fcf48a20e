/** Groups on a LAN with an attacker who has the wire, but not the key: he repeats adverts, and rewrites what is not signed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Subscription } from 'rxjs';
import type { CarpEvent, Counters } from '../../src/engine/status.ts';
import type { Channel, Packet } from '../../src/ports/transport.ts';
import { encodeAdvert, readAdvert } from '../../src/protocol/advert.ts';
import { advBase, advSkew, vhid } from '../../src/protocol/units.ts';
import { type VirtualHost, type VirtualLan, virtualLan } from '../support/virtual-lan.ts';

const MASTER_DOWN_MS = 3391;
const INTERVAL_MS = 1391;
/** A claim's usual hold, the slack of a challenge, and what packets need on the LAN. */
const MARGIN_MS = 30;

const roles = (events: readonly CarpEvent[]) =>
  events.filter(({ event }) => event === 'transition').map(({ role, reason }) => `${role} ${reason}`);
const counters = ({ host }: VirtualHost): Counters => {
  const [group] = host.status().groups;
  assert.ok(group);
  return group.counters;
};

class Attacker {
  readonly captured: Packet[] = [];
  readonly #channel: Channel;
  readonly #scheduler: VirtualLan['scheduler'];
  #attack = new Subscription();

  constructor({ lan, scheduler }: VirtualLan) {
    this.#scheduler = scheduler;
    this.#channel = lan.host('mallory').transport.open({
      interface: 'eth0',
      family: 4,
      vhid: vhid(10),
      peers: [],
      tos: 0,
      checksTtl: true,
      broadcast: false,
    });
    this.#channel.packets$.subscribe((packet) => this.captured.push(packet));
  }

  /** Sends it once more, as it was or with another rank; the checksum is no secret. */
  send({ payload, source }: Packet, rank?: readonly [base: number, skew: number]): void {
    const advert = readAdvert(payload);
    const [base, skew] = rank ?? [advert.advbase, advert.advskew];
    this.#channel.send(encodeAdvert({ ...advert, advbase: advBase(base), advskew: advSkew(skew) }), source);
  }

  /** Does this again and again. */
  every(ms: number, act: () => void): void {
    const again = (): void => {
      act();
      this.#attack = this.#scheduler.schedule(again, ms);
    };
    again();
  }

  stop(): void {
    this.#attack.unsubscribe();
  }
}

/** A MASTER, a BACKUP with skew 100, and an attacker who has heard the MASTER's first adverts. */
const scene = async (replay: 'auto' | 'strict' | 'off' = 'auto') => {
  const world = virtualLan();
  const attacker = new Attacker(world);
  const master = world.start('rpi1', { replay });
  await world.pass(3500);
  const backup = world.start('rpi2', { advskew: advSkew(100), replay });
  await world.pass(6000);
  assert.deepEqual(world.holders(), ['rpi1']);
  const [claim, , third] = attacker.captured;
  assert.ok(claim !== undefined && third !== undefined);
  return { ...world, attacker, master, backup, old: third };
};

const ATTACKS = [
  { title: 'as it was', rank: undefined },
  { title: 'with advskew 0', rank: [1, 0] },
  { title: 'with advbase 0', rank: [0, 1] },
  { title: 'as a farewell', rank: [255, 255] },
  { title: 'as that of a MASTER that is too slow', rank: [100, 0] },
] as const;

for (const { title, rank } of ATTACKS)
  for (const replay of ['auto', 'strict'] as const)
    test(`an advert that is repeated for ever, ${title}, disturbs nobody (${replay}), and delays a takeover by one interval`, async () => {
      const { pass, holders, attacker, master, backup, old } = await scene(replay);
      const before = [roles(master.events), roles(backup.events)];
      attacker.every(50, () => attacker.send(old, rank));
      await pass(60_000);
      assert.deepEqual([roles(master.events), roles(backup.events)], before);
      assert.deepEqual(holders(), ['rpi1']);
      assert.ok(counters(master).reflected >= 1199);
      assert.ok(counters(backup).replayed >= 1199);
      const said = backup.lines.filter((line) => line.includes('replayed'));
      assert.equal(said.length, 4, 'one line for a power of ten');

      master.host.crash();
      await pass(MASTER_DOWN_MS + INTERVAL_MS + MARGIN_MS);
      assert.deepEqual(holders(), ['rpi2']);
      assert.match(backup.events.at(-1)?.detail ?? '', /\d+ replayed adverts were refused, so it asked .* 1411 ms/);
      await pass(60_000);
      assert.deepEqual(holders(), ['rpi2']);
      assert.deepEqual(roles(backup.events).at(-1), 'MASTER master-timeout');
    });

test('without a guard the same attack takes the addresses away: what the guard is for', async () => {
  const { pass, attacker, master, backup, old, holders } = await scene('off');
  attacker.every(50, () => attacker.send(old, [1, 0]));
  await pass(10_000);
  master.host.crash();
  await pass(60_000);
  assert.deepEqual(holders(), [], 'the BACKUP believes that the dead MASTER is alive');
  assert.equal(counters(backup).replayed, 0);
});

test('adverts of a MASTER that died are of no use against its successor, whose own are not either', async () => {
  const { pass, holders, attacker, master, backup } = await scene();
  master.host.crash();
  await pass(10_000);
  assert.deepEqual(holders(), ['rpi2']);
  const all = [...attacker.captured];
  assert.ok(all.length >= 10);
  for (const packet of all) for (const rank of [undefined, [1, 0], [0, 1]] as const) attacker.send(packet, rank);
  await pass(5000);
  assert.deepEqual(roles(backup.events).at(-1), 'MASTER master-timeout');
  const { replayed, reflected } = counters(backup);
  assert.ok(replayed > 0 && reflected > 0);
  // Also of those that were sent before the successor was there to hear them.
  assert.equal(replayed + reflected, 3 * all.length);
});

test('a hand-over is as fast as ever while adverts are repeated', async () => {
  const { pass, holders, attacker, master, old } = await scene();
  attacker.every(1, () => attacker.send(old, [1, 0]));
  await pass(2000);
  const handedOver = master.host.handOver('plant', { force: false });
  await pass(30);
  assert.deepEqual(holders(), ['rpi2']);
  await handedOver;
});

test('a lone host becomes MASTER one interval later while adverts are repeated that it has heard', async () => {
  const { pass, holders, attacker, master, backup, old, scheduler } = await scene();
  attacker.every(200, () => attacker.send(old, [1, 0]));
  master.host.crash();
  const crashed = scheduler.frame;
  while (holders().length === 0 && scheduler.frame < crashed + 10_000) await pass(1);
  const took = scheduler.frame - crashed;
  assert.deepEqual(holders(), ['rpi2']);
  assert.ok(took <= MASTER_DOWN_MS + INTERVAL_MS + MARGIN_MS, `${took} ms`);
  assert.ok(counters(backup).replayed > 10);
});

test('a MASTER that was set back to an earlier state is heard again after one question, and stays MASTER', async () => {
  const world = virtualLan();
  const { pass, start, holders, lan } = world;
  // The same random numbers after each start: a snapshot of a virtual machine.
  const numbers = () => {
    let next = 5n;
    return (): bigint => {
      next = BigInt.asUintN(64, next * 0x5851_f42d_4c95_7f2dn + 1n);
      return next;
    };
  };
  const first = start('rpi1', {}, { random64: numbers() });
  await pass(3500);
  const second = start('rpi2', { advskew: advSkew(100) });
  await pass(30_000);
  // It is away for a moment that nobody notices, and comes back as it was half a minute before.
  lan.setFilter(() => false);
  first.host.crash();
  const again = start('rpi1', { preempt: true }, { random64: numbers() });
  await pass(3200);
  lan.setFilter(() => true);
  await pass(8000);
  assert.ok(counters(second).replayed > 0, 'it was refused');
  assert.deepEqual(holders(), ['rpi1']);
  assert.equal(again.host.status().groups[0]?.role, 'MASTER');
  const transitions = roles(second.events).length;
  const refused = counters(second).replayed;
  await pass(60_000);
  assert.deepEqual(holders(), ['rpi1']);
  assert.equal(roles(second.events).length, transitions);
  assert.equal(counters(second).replayed, refused, 'and is heard from then on');
});

test('other settings of a group do not make it forget what it has sent and heard', async () => {
  const { pass, attacker, backup, master, old, holders } = await scene();
  backup.apply({ advskew: advSkew(120) });
  master.apply({ advskew: advSkew(1) });
  await pass(10_000);
  const before = [counters(backup).replayed, counters(master).replayed, holders()];
  for (let i = 0; i < 5; i += 1) {
    attacker.send(old, [1, 0]);
    await pass(100);
  }
  assert.deepEqual(
    [counters(backup), counters(master)].map(({ replayed, reflected }) => replayed + reflected),
    [5, 5],
  );
  assert.deepEqual(holders(), before[2]);
});
