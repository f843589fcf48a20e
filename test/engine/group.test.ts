import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER, Subject } from 'rxjs';
import type { CarpEvent } from '../../src/engine/status.ts';
import type { LeaseEvent } from '../../src/ports/addresses.ts';
import { CarpError } from '../../src/ports/error.ts';
import type { Packet } from '../../src/ports/transport.ts';
import { keyOf } from '../../src/protocol/authentication.ts';
import { advSkew, seconds } from '../../src/protocol/units.ts';
import { address } from '../protocol/vectors.ts';
import { cidr, virtualLan } from '../support/virtual-lan.ts';

const roles = (events: readonly CarpEvent[]) =>
  events.filter(({ event }) => event === 'transition').map(({ role, reason }) => `${role} ${reason}`);

test('a host that is alone becomes BACKUP at once and MASTER after the master-down time', async () => {
  const { start, pass, holders } = virtualLan();
  const alone = start('rpi1', { advskew: advSkew(100) });
  assert.deepEqual(roles(alone.events), ['BACKUP startup']);
  await pass(3390);
  assert.deepEqual(holders(), []);
  await pass(10);
  assert.deepEqual(roles(alone.events), ['BACKUP startup', 'MASTER master-timeout']);
  assert.deepEqual(holders(), ['rpi1']);
});

test('an event has the shape of DESIGN 5, and nothing of the key', async () => {
  const { start, pass } = virtualLan();
  const { events, host } = start('rpi1');
  await pass(3100);
  assert.deepEqual(events.at(-1), {
    event: 'transition',
    group: 'plant',
    interface: 'eth0',
    vhid: 10,
    node: 'rpi1',
    role: 'MASTER',
    previous: 'BACKUP',
    reason: 'master-timeout',
    detail: 'no MASTER was heard; the limit is 3000 ms',
    at: '2026-01-01T00:00:03.003Z',
    seq: 2,
    master: { address: '192.0.2.11', self: true },
    advbase: 1,
    advskew: 0,
    demotion: 0,
    addresses: ['192.0.2.100/24'],
    devd: '!system=CARP subsystem=10@eth0 type=MASTER',
  });
  assert.doesNotMatch(JSON.stringify([host.status(), host.snapshots()]), /secret|"key"/);
});

test('when the master falls silent, the backup takes over after the master-down time and one claim', async () => {
  const { start, pass, holders } = virtualLan();
  const first = start('rpi1');
  await pass(3500);
  const second = start('rpi2', { advskew: advSkew(100) });
  await pass(3000);
  assert.deepEqual(holders(), ['rpi1']);
  assert.equal(second.host.status().groups[0]?.master?.address, '192.0.2.11');
  assert.deepEqual(
    second.events.map(({ event, master }) => [event, master?.address]),
    [
      ['transition', undefined],
      ['snapshot', '192.0.2.11'],
    ],
    'whom it follows is told when it is known, and only then',
  );
  first.host.crash();
  assert.deepEqual(holders(), []);
  await pass(3500);
  assert.deepEqual(holders(), ['rpi2']);
  const last = second.events.at(-1);
  assert.equal(last?.reason, 'master-timeout');
  assert.match(last?.detail ?? '', /no advert of 192\.0\.2\.11 for 339\d ms; the limit is 3391 ms/);
});

test('a recovered host stays passive, unless it preempts', async () => {
  for (const preempt of [false, true]) {
    const { start, pass, holders } = virtualLan();
    start('rpi1', { advskew: advSkew(100) });
    await pass(4000);
    start('rpi2', { advskew: advSkew(0), preempt });
    await pass(6000);
    assert.deepEqual(holders(), [preempt ? 'rpi2' : 'rpi1']);
  }
});

test('a stop hands over: the successor claims, and only then the addresses are released', async () => {
  const { start, pass, holders, scheduler } = virtualLan();
  const first = start('rpi1');
  await pass(3500);
  const second = start('rpi2', { advskew: advSkew(100) });
  await pass(2000);
  const began = scheduler.frame;
  const stopped = first.host.stop();
  await pass(4);
  assert.deepEqual(holders(), ['rpi1'], 'nobody has claimed yet');
  await pass(20);
  assert.deepEqual(holders(), ['rpi2']);
  await stopped;
  assert.deepEqual(roles(first.events).at(-1), 'STOPPED stop');
  assert.deepEqual(roles(second.events).at(-1), 'MASTER bow-out-heard');
  assert.ok(scheduler.frame - began < 30);
});

test('a stop without a successor releases within a second', async () => {
  const { start, pass, holders } = virtualLan();
  const alone = start('rpi1');
  await pass(3500);
  const stopped = alone.host.stop();
  await pass(1001);
  await stopped;
  assert.deepEqual(holders(), []);
});

test('a hand-over returns a receipt, or says that nobody took over and stays master', async () => {
  const { start, pass, holders } = virtualLan();
  const first = start('rpi1');
  await pass(3500);
  const inVain = assert.rejects(first.host.handOver('plant', { force: false }), {
    code: 'CARP_NOBODY',
    message: 'nobody took over plant; this host is still MASTER',
  });
  await pass(1600);
  await inVain;
  assert.deepEqual(holders(), ['rpi1']);

  const second = start('rpi2', { advskew: advSkew(100) });
  await pass(2500);
  await assert.rejects(second.host.handOver('plant', { force: false }), { code: 'CARP_NOT_MASTER' });
  await assert.rejects(first.host.handOver('mine', { force: false }), { code: 'CARP_NO_GROUP' });
  const receipt = first.host.handOver('plant', { force: false });
  await pass(100);
  assert.deepEqual(await receipt, { address: '192.0.2.12', afterMs: 3 });
  assert.deepEqual(holders(), ['rpi2']);
  assert.equal(roles(first.events).at(-1), 'BACKUP hand-over');
});

test('hosts with equal settings that start together settle on one without ever holding the address twice', async () => {
  const { start, pass, holders } = virtualLan();
  const hosts = ['rpi1', 'rpi2', 'rpi3'].map((name) => start(name));
  for (let i = 0; i < 10_000; i += 1) {
    await pass(1);
    assert.ok(holders().length <= 1, `held by ${holders()} at ${i} ms`);
  }
  assert.deepEqual(holders(), ['rpi1']);
  assert.equal(hosts.flatMap(({ events }) => events).filter(({ role }) => role === 'MASTER').length, 1);
});

test('a healed split leaves one master, and the loser yields at the first advert', async () => {
  const { lan, start, pass, holders } = virtualLan();
  const first = start('rpi1');
  const second = start('rpi2', { advskew: advSkew(50) });
  await pass(4000);
  lan.setFilter(() => false);
  await pass(5000);
  assert.deepEqual([...holders()].sort(), ['rpi1', 'rpi2']);
  lan.setFilter(() => true);
  await pass(1250);
  assert.deepEqual(holders(), ['rpi1']);
  assert.equal(roles(second.events).at(-1), 'BACKUP better-master');
  assert.equal(roles(first.events).at(-1), 'MASTER master-timeout');
});

test('a lost link makes INIT at once and gives up the addresses; a restored one listens first', async () => {
  const { lan, start, pass, holders } = virtualLan();
  const { events } = start('rpi1');
  await pass(3500);
  lan.host('rpi1').setPlugged(false);
  assert.deepEqual(holders(), []);
  assert.equal(roles(events).at(-1), 'INIT link-down');
  await pass(5000);
  lan.host('rpi1').setPlugged(true);
  assert.equal(roles(events).at(-1), 'BACKUP link-up');
  await pass(2990);
  assert.deepEqual(holders(), []);
  await pass(20);
  assert.deepEqual(holders(), ['rpi1']);
});

test('an advert with another password is refused and counted, and does not keep anybody BACKUP', async () => {
  const { start, pass } = virtualLan();
  start('stranger', { key: keyOf(new TextEncoder().encode('other')) });
  await pass(3500);
  const ours = start('rpi1');
  await pass(5000);
  assert.equal(ours.events.at(-1)?.role, 'MASTER');
  const counters = ours.host.status().groups[0]?.counters;
  assert.ok((counters?.badauth ?? 0) >= 4);
  assert.equal(ours.lines.filter((line) => line.includes('badauth')).length, 1, 'a flood is counted, not logged');
});

test('an advert of our own that comes back is recognised and never judged', async () => {
  const { lan, start, pass } = virtualLan();
  const back$ = new Subject<Packet>();
  const { transport } = lan.host('rpi1');
  const mirrored = {
    ...transport,
    open: (options: Parameters<typeof transport.open>[0]) => {
      const channel = transport.open(options);
      return {
        ...channel,
        packets$: back$,
        send: (payload: Uint8Array, source: Parameters<typeof channel.send>[1]) => {
          channel.send(payload, source);
          back$.next({ family: 4, payload, source, destination: source, ttl: 255, dropped: 0 });
        },
      };
    },
  };
  const { host, events } = start('rpi1', {}, { transport: mirrored });
  await pass(8000);
  assert.deepEqual(roles(events), ['BACKUP startup', 'MASTER master-timeout']);
  // Claimed at 3 s, twice as all claims are; then one a second.
  assert.equal(host.status().groups[0]?.counters.reflected, 7);
});

test('an address that cannot be added is a problem, and the claim is taken back', async () => {
  const { start, pass } = virtualLan();
  const refuse = () => {
    throw new CarpError('CARP_ADDRESS', 'the kernel refused');
  };
  const { host, events } = start(
    'rpi1',
    {},
    { addresses: { check: () => undefined, take: refuse, inherits: () => false, disinherit: () => undefined } },
  );
  await pass(3500);
  assert.deepEqual(roles(events), ['BACKUP startup']);
  assert.equal(host.status().groups[0]?.problem?.message, 'the kernel refused');
});

test('a group that cannot take part from the start says why, in the log and in its status', async () => {
  const lan = virtualLan();
  const one = lan.start('one', { sources: [address('192.0.2.99')] });
  await lan.pass(5000);
  const [group] = one.host.status().groups;
  assert.deepEqual([group?.role, group?.detail], ['INIT', 'eth0 does not have the source address 192.0.2.99']);
  assert.deepEqual(
    one.lines.filter((line) => line.startsWith('warn')),
    ['warn cannot take part yet: eth0 does not have the source address 192.0.2.99'],
  );
});

test('an address in use by somebody else keeps the group in INIT, with the remedy', async () => {
  const { start, pass } = virtualLan();
  let taken = true;
  const check = () => {
    if (taken)
      throw new CarpError('CARP_ADDRESS_IN_USE', '192.0.2.100 is permanent', { remedy: 'ip addr del 192.0.2.100/24' });
  };
  const addresses = {
    check,
    take: () => ({ events$: NEVER, release: () => undefined }),
    inherits: () => false,
    disinherit: () => undefined,
  };
  const { host, events } = start('rpi1', {}, { addresses });
  await pass(5000);
  assert.deepEqual(events, []);
  assert.equal(host.status().groups[0]?.problem?.remedy, 'ip addr del 192.0.2.100/24');
  taken = false;
  await pass(2100);
  assert.deepEqual(roles(events), ['BACKUP startup']);
  assert.equal(host.status().groups[0]?.problem, undefined);
});

test('a lapsed lease is no reign any more: if nobody else can have taken over yet, it is claimed anew', async () => {
  const { start, pass } = virtualLan();
  const leases$ = new Subject<LeaseEvent>();
  const addresses = {
    check: () => undefined,
    take: () => ({ events$: leases$, release: () => undefined }),
    inherits: () => false,
    disinherit: () => undefined,
  };
  const { events } = start('rpi1', {}, { addresses });
  await pass(3500);
  leases$.next({ type: 'lapsed', lateMs: 2100 });
  await pass(10);
  assert.deepEqual(roles(events).slice(2), ['BACKUP stalled', 'MASTER stalled']);
  leases$.next({ type: 'lost', address: cidr('192.0.2.100/24'), message: 'removed too often' });
  await pass(10);
  assert.equal(roles(events).at(-1), 'BACKUP address-lost');
});

test('equal settings leave a group alone; changed ones restart it with a farewell', async () => {
  const { start, pass, holders } = virtualLan();
  const { apply, events } = start('rpi1');
  await pass(3500);
  apply({});
  await pass(2000);
  assert.equal(events.length, 2);
  apply({ advskew: advSkew(10) });
  await pass(1100);
  assert.deepEqual(roles(events).slice(2), ['STOPPED stop', 'BACKUP startup']);
  assert.deepEqual(
    events.map(({ seq }) => seq),
    [1, 2, 3, 4],
    'the numbers of a group go on when its settings change',
  );
  await pass(3100);
  assert.deepEqual(holders(), ['rpi1']);
});

test('a group of two families needs only one of them to follow its master', async () => {
  const { lan, start, pass } = virtualLan();
  const addresses = [cidr('192.0.2.100/24'), cidr('2001:db8::100/64')];
  start('rpi1', { addresses });
  await pass(3500);
  const second = start('rpi2', { addresses, advskew: advSkew(10), announceRefresh: seconds(0) });
  await pass(10_000);
  assert.deepEqual(roles(second.events), ['BACKUP startup']);
  assert.deepEqual(lan.holders('2001:db8::100'), ['rpi1']);
  assert.equal(second.host.status().groups[0]?.counters.received, 20);
});

test('a host that cannot hold the addresses does not preempt again and again', async () => {
  const { lan, start, pass, holders } = virtualLan();
  start('rpi2', { advskew: advSkew(100) });
  await pass(4000);
  let broken = true;
  let tries = 0;
  const { addresses } = lan.host('rpi1');
  const fragile = {
    ...addresses,
    take: (request: Parameters<typeof addresses.take>[0]) => {
      tries += 1;
      if (broken) throw new CarpError('CARP_ADDRESS', 'the kernel refused');
      return addresses.take(request);
    },
  };
  const { host } = start('rpi1', { preempt: true }, { addresses: fragile });
  await pass(60_000);
  assert.deepEqual(holders(), ['rpi2']);
  assert.ok(tries <= 4, `tried ${tries} times in a minute`);
  const status = () => host.status().groups[0];
  assert.deepEqual(
    status()?.ledger.map(({ reason }) => reason),
    ['address-failed'],
  );
  broken = false;
  await pass(62_000);
  assert.deepEqual(holders(), ['rpi1']);
  assert.deepEqual(status()?.ledger, []);
  assert.equal(status()?.problem, undefined);
});

test('what an operator handed over is not taken back by preempting, until the successor fails', async () => {
  const { start, pass, holders } = virtualLan();
  const first = start('rpi1', { preempt: true });
  await pass(3500);
  const second = start('rpi2', { advskew: advSkew(100) });
  await pass(2500);
  const receipt = first.host.handOver('plant', { force: false });
  await pass(30_000);
  assert.equal((await receipt).address, '192.0.2.12');
  assert.deepEqual(holders(), ['rpi2']);
  second.host.crash();
  await pass(4000);
  assert.deepEqual(holders(), ['rpi1']);
});
