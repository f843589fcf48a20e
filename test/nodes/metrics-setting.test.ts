import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metricsOf } from '../../nodes/runtime.ts';

const read = (value: unknown) => {
  const warned: string[] = [];
  const metrics = metricsOf(value, { warn: (message: unknown) => void warned.push(String(message)) });
  return { metrics, warned };
};

test('carpMetrics of settings.js is a port, and an address that is this host if it is missing', () => {
  assert.deepEqual(read(undefined), { metrics: undefined, warned: [] });
  assert.deepEqual(read(false), { metrics: undefined, warned: [] });
  assert.deepEqual(read({ port: 9112 }), { metrics: { address: '127.0.0.1', port: 9112 }, warned: [] });
  assert.deepEqual(read({ port: 9112, address: '::1' }), { metrics: { address: '::1', port: 9112 }, warned: [] });
});

test('an address that others reach is taken, with a warning', () => {
  const { metrics, warned } = read({ port: 9112, address: '0.0.0.0' });
  assert.deepEqual(metrics, { address: '0.0.0.0', port: 9112 });
  assert.equal(warned.length, 1);
  assert.match(warned[0] ?? '', /\[carp\] carpMetrics in settings\.js: .*nobody has to log in/);
});

test('nonsense is told and ignored', () => {
  const all = [null, true, 9112, '9112', [], {}, { port: '9112' }, { port: 0 }, { port: 1.5 }, { port: 65_536 }];
  const more = ['localhost', '', 7, '[::1]'].map((address) => ({ port: 9112, address }));
  for (const value of [...all, ...more]) {
    const { metrics, warned } = read(value);
    assert.equal(metrics, undefined, JSON.stringify(value));
    assert.equal(warned.length, 1);
    assert.match(warned[0] ?? '', /must be \{ port: 1 to 65535, address/);
  }
});
