/** An agent that was killed as MASTER and started again, from the engine's side: what it asks of the addresses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Addresses } from '../../src/ports/addresses.ts';
import { advSkew } from '../../src/protocol/units.ts';
import { virtualLan } from '../support/virtual-lan.ts';

const lanWithHeir = () => {
  const virtual = virtualLan();
  const done: string[] = [];
  const start = (left: boolean) => {
    const plain = virtual.lan.host('rpi1').addresses;
    let there = left;
    const addresses: Addresses = {
      check: plain.check,
      take: (request) => {
        done.push(there ? 'adopts' : 'takes');
        there = false;
        return plain.take(request);
      },
      inherits: () => {
        done.push('looks');
        return there;
      },
      disinherit: () => {
        done.push('disinherits');
        there = false;
      },
    };
    return virtual.start('rpi1', {}, { addresses });
  };
  return { ...virtual, done, restart: start };
};

test('the killed MASTER’s successor in its own house says farewell, and the BACKUP takes over in milliseconds', async () => {
  const { start, restart, pass, holders, done } = lanWithHeir();
  const first = start('rpi1');
  await pass(3500);
  const second = start('rpi2', { advskew: advSkew(100) });
  await pass(2000);
  first.host.crash();
  await pass(100);
  const heir = restart(true);
  await pass(52);
  assert.deepEqual(done, ['looks'], 'nobody has answered yet');
  await pass(20);
  assert.deepEqual(holders(), ['rpi2']);
  assert.deepEqual(done, ['looks', 'disinherits']);
  assert.deepEqual(
    second.events.filter(({ event }) => event === 'transition').map(({ role, reason }) => `${role} ${reason}`),
    ['BACKUP startup', 'MASTER bow-out-heard'],
  );
  await pass(10_000);
  assert.deepEqual([heir.host.status().groups[0]?.role, holders()], ['BACKUP', ['rpi2']]);
});

test('alone, it goes on for its predecessor after 250 ms and a claim, and adopts the addresses', async () => {
  const { restart, pass, done } = lanWithHeir();
  const { events, host } = restart(true);
  await pass(252);
  assert.equal(host.status().groups[0]?.role, 'BACKUP');
  await pass(2);
  assert.deepEqual(done, ['looks', 'adopts']);
  assert.equal(events.at(-1)?.reason, 'startup');
  assert.match(events.at(-1)?.detail ?? '', /goes on for its predecessor/);
});

test('it looks for an inheritance once: not when its link comes back', async () => {
  const { restart, pass, done, lan } = lanWithHeir();
  restart(false);
  await pass(100);
  lan.host('rpi1').setPlugged(false);
  await pass(100);
  lan.host('rpi1').setPlugged(true);
  await pass(100);
  assert.deepEqual(done, ['looks']);
});

test('the link goes while it inherits: what was left is given up', async () => {
  const { restart, pass, done, lan } = lanWithHeir();
  restart(true);
  await pass(100);
  lan.host('rpi1').setPlugged(false);
  assert.deepEqual(done, ['looks', 'disinherits']);
});
