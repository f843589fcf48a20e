import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matches } from '../../src/adapters/mqtt/filters.ts';
import { PARTS } from '../../src/adapters/mqtt/parts.ts';
import { vhid } from '../../src/protocol/units.ts';
import { busPart } from '../support/bus-part.ts';
import { virtualBus } from '../support/virtual-bus.ts';

const settings = { commands: true, homeAssistant: true, alarms: true } as const;

test('no command reaches a host twice, although brokers hand over what two filters match twice', () => {
  const filters = PARTS.flatMap((create) => busPart(create, 'rpi1', {}, settings).part.filters);
  for (const order of ['mode/set', 'advskew/set', 'cmd/hand-over', 'cmd/handover', 'cmd/resync', 'cmd/query']) {
    const topic = `carp/plant/node/rpi1/${order}`;
    assert.deepEqual(
      filters.filter((filter) => matches(filter, topic)).length,
      1,
      `${topic} is matched by exactly one filter`,
    );
  }
});

test('what a twin had said before it stood aside is taken back, and what the first one says is there', async () => {
  const { join, pass, retained } = virtualBus();
  join('rpi1');
  await pass(20_000);
  join('rpi1b', { name: 'other', vhid: vhid(11) }, { node: 'rpi1' });
  await pass(5000);
  assert.equal(retained('carp/plant/node/rpi1/role'), 'MASTER');
  for (const leaf of ['role', 'state', 'mode', 'advskew', 'vip/192.0.2.100'])
    assert.equal(retained(`carp/other/node/rpi1/${leaf}`), undefined, leaf);
  assert.equal(retained('carp/node/rpi1/status'), 'online');
});

test('a filter matches what MQTT says', () => {
  for (const [filter, topic, yes] of [
    ['a/b', 'a/b', true],
    ['a/+', 'a/b', true],
    ['a/+', 'a', false],
    ['a/+', 'a/b/c', false],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['#', 'a/b', true],
    ['+/b', '/b', true],
    ['#', '$SYS/x', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
  ] as const)
    assert.equal(matches(filter, topic), yes, `${filter} ${topic}`);
});
