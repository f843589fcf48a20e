import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config/parse.ts';

const group = { name: 'plant', interface: 'lan', vhid: 10, pass: 'correct-horse-19', transport: 'memory' };
const parsed = (metrics: object) => parseConfig({ node: 'rpi1', groups: [group], metrics });

test('metrics are for this host alone unless another address is named', () => {
  const { ok, warnings, ...rest } = parsed({ port: 9112 });
  assert.equal(ok, true);
  assert.deepEqual(warnings, []);
  assert.deepEqual('config' in rest && rest.config.metrics, { address: '127.0.0.1', port: 9112 });
});

test('an address that only this host reaches is no reason to warn, and any other one is', () => {
  for (const address of ['127.0.0.1', '127.3.2.1', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'])
    assert.deepEqual(parsed({ port: 9112, address }).warnings, [], address);
  for (const address of ['0.0.0.0', '::', '192.0.2.11', '2001:db8::1', 'fe80::1%eth0', '128.0.0.1']) {
    const { ok, warnings } = parsed({ port: 9112, address });
    assert.equal(ok, true, address);
    assert.deepEqual(
      warnings.map(({ path }) => path),
      ['metrics.address'],
      address,
    );
    assert.match(warnings[0]?.message ?? '', /nobody has to log in.*127\.0\.0\.1/);
  }
});

test('a shared address is no place to look at one host', () => {
  const shared = { ...group, addresses: ['192.0.2.100/24', '2001:db8::64/64'] };
  const told = (address: string): readonly string[] =>
    parseConfig({ node: 'rpi1', groups: [shared], metrics: { port: 9112, address } }).warnings.map(
      ({ message }) => message.split(':')[0] ?? '',
    );
  assert.equal(told('192.0.2.11').includes('is a shared address'), false);
  assert.equal(told('192.0.2.100').includes('is a shared address'), true);
  assert.equal(told('2001:db8:0::64').includes('is a shared address'), true);
});

test('what is no address or port is told with what came', () => {
  const wrong: readonly (readonly [metrics: object, path: string, message: RegExp])[] = [
    [{ port: 9112, address: 'localhost' }, 'metrics.address', /must be an IP address.* but is "localhost"/],
    [{ port: 9112, address: '[::1]' }, 'metrics.address', /without brackets/],
    [{ port: 9112, address: '192.0.2.300' }, 'metrics.address', /must be an IP address/],
    [{ port: 0 }, 'metrics.port', /whole number from 1 to 65535/],
    [{ port: 70_000 }, 'metrics.port', /whole number from 1 to 65535/],
    [{ port: '9112' }, 'metrics.port', /whole number/],
    [{ address: '127.0.0.1' }, 'metrics', /port/],
    [{ port: 9112, adress: '::1' }, 'metrics.adress', /did you mean address/],
  ];
  for (const [metrics, path, message] of wrong) {
    const result = parsed(metrics);
    const [error] = result.ok ? [] : result.errors;
    assert.ok(error !== undefined, JSON.stringify(metrics));
    assert.ok(error.path.startsWith(path), `${error.path} of ${JSON.stringify(metrics)}`);
    assert.match(`${error.path} ${error.message}`, message);
  }
});
