/** What an agent logs, in the log of Node-RED. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logLine } from '../../nodes/log-line.ts';

test('a line says which host and group it is about, unless its words do', () => {
  const fields = { node: 'rpi1', group: 'plant' };
  assert.deepEqual(logLine({ level: 'info', message: 'MASTER', fields }), {
    level: 'info',
    text: '[carp] rpi1 plant: MASTER',
  });
  assert.equal(logLine({ level: 'info', message: 'plant is MASTER', fields }).text, '[carp] rpi1: plant is MASTER');
  assert.equal(logLine({ level: 'info', message: 'ready' }).text, '[carp] ready');
  const short = { node: 'rpi1', group: 'A' };
  assert.equal(
    logLine({ level: 'info', message: 'INIT -> MASTER', fields: short }).text,
    '[carp] rpi1 A: INIT -> MASTER',
  );
  assert.equal(logLine({ level: 'info', message: 'MASTER of A', fields: short }).text, '[carp] rpi1: MASTER of A');
});

test('a broker that cannot be reached is told with host and broker', () => {
  const message = 'mqtt of rpi1: no connection to mqtts://broker:8883: nobody listens there';
  const fields = { node: 'rpi1', broker: 'mqtts://broker:8883' };
  assert.deepEqual(logLine({ level: 'warn', message, fields }), { level: 'warn', text: `[carp] ${message}` });
});

test('the problem of a group is told by its carp-group node, so it is no news here', () => {
  const fields = { node: 'rpi1', group: 'plant', remedy: 'ip link set eth0 up' };
  assert.equal(logLine({ level: 'error', message: 'there is no eth0', fields }).level, 'debug');
  assert.equal(logLine({ level: 'warn', message: 'no netlink', fields: { remedy: 'npm install' } }).level, 'debug');
});

for (const [what, fields] of [
  ['an alarm of the bus', { node: 'rpi1', group: 'plant', code: 'two-masters', remedy: 'look at the network' }],
  ['a second host of this name', { node: 'rpi1', code: 'duplicate-node', remedy: 'look at the network' }],
  ['what is wrong with a host', { node: 'rpi1', remedy: 'look at the network' }],
] as const)
  test(`${what} is told here, as grave as it is, with what to do`, () => {
    assert.deepEqual(logLine({ level: 'error', message: 'rpi1 and rpi2 are MASTER of plant', fields }), {
      level: 'error',
      text: '[carp] rpi1 and rpi2 are MASTER of plant: look at the network',
    });
  });
