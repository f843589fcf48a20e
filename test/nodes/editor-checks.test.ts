/** What the forms say while somebody types: the parts of the editor that need no browser. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  baseTopic,
  brokerUrls,
  type Check,
  decimal,
  each,
  familyOf,
  interfaceName,
  isPrefixed,
  isVariable,
  isZeroInterval,
  passphrase,
  peerAddress,
  reason,
  sharedAddress,
  sources,
  topicLevel,
  whole,
} from '../../nodes/editor/checks.ts';
import { matching } from '../../nodes/editor/interfaces.ts';
import { rolesOf } from '../../nodes/editor/roles.ts';
import { type Seat, twinOf } from '../../nodes/editor/twins.ts';
import { interfacesOf } from '../../nodes/host-interfaces.ts';
import { parseAddress } from '../../src/protocol/address.ts';

/** As it is written in a form: `${NAME}`. */
const env = (name: string): string => `\${${name}}`;

const accepts = (check: Check, value: unknown): boolean => check(value) === undefined;

describe('an address', () => {
  test('is taken for one of the family that the agent takes it for, whatever is typed', () => {
    // An IPv4 tail with leading zeros is the one thing that the agent forgives and the form does not.
    const word = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.stringMatching(/^[0-9a-f:]{0,24}$/),
      fc.stringMatching(/^[1-9.]{0,16}$/),
      fc.tuple(fc.ipV6(), fc.constantFrom(':', '::', '.', ':0', '%eth0', '%')).map(([head, tail]) => head + tail),
    );
    fc.assert(
      fc.property(word, (text) => {
        assert.equal(familyOf(text), parseAddress(text)?.family, text);
      }),
      { numRuns: 2000, seed: 5 },
    );
  });

  for (const text of [
    '192.0.2.100/24',
    '192.0.2.100/32',
    '0.0.0.0/0',
    '2001:db8::100/64',
    '::1/128',
    '::ffff:192.0.2.1/96',
  ])
    test(`${text} may be shared`, () => assert.ok(isPrefixed(text)));

  for (const text of [
    '192.0.2.100',
    '192.0.2.100/33',
    '192.0.2.100/',
    '192.0.2.100/24/1',
    '2001:db8::1/129',
    '1.2.3/8',
    'eth0/24',
    '192.0.2.1/01',
  ])
    test(`${text} may not`, () => assert.ok(!isPrefixed(text)));

  test('that lacks only its prefix gets another reason than one that is none', () => {
    assert.equal(sharedAddress('192.0.2.100')?.key, 'problem.prefix');
    assert.equal(sharedAddress('nonsense')?.key, 'problem.address');
    assert.deepEqual(each(sharedAddress)(['192.0.2.1/24', 'x'])?.values, { address: 'x' });
  });

  test('of a peer has no prefix, and a variable stands for any', () => {
    assert.ok(accepts(peerAddress, '192.0.2.12'));
    assert.ok(!accepts(peerAddress, '192.0.2.12/24'));
    for (const check of [peerAddress, sharedAddress, sources]) assert.ok(accepts(check, env('CARP_ADDRESS')));
  });

  test('to send from may be one of each family, and not two of one', () => {
    for (const good of ['', '192.0.2.11', 'fe80::11', '192.0.2.11, fe80::11']) assert.ok(accepts(sources, good), good);
    for (const bad of ['192.0.2.11, 192.0.2.12', '192.0.2.11/24', 'a', '192.0.2.1 fe80::1 fe80::2'])
      assert.ok(!accepts(sources, bad), bad);
  });
});

describe('a number', () => {
  const vhid = whole({ key: 'problem.vhid', least: 1, most: 255 });
  for (const good of [1, '255', ' 7 ', env('VHID'), '$(VHID)'])
    test(`${good} is a VHID`, () => assert.ok(accepts(vhid, good)));
  for (const bad of [0, 256, '', '1.5', '1e2', '-1', 'ten', '0x10', undefined, null, `${env('A')}${env('B')}x`])
    test(`${bad} is none`, () => assert.equal(vhid(bad)?.key, 'problem.vhid'));

  test('of seconds may have a fraction, and may be left out where that means something', () => {
    const seconds = decimal({ key: 'k', least: 0.1, most: 60, optional: true });
    for (const good of ['0.1', '60', '4', '']) assert.ok(accepts(seconds, good), good);
    for (const bad of ['0', '60.1', '1,5', '1.', '.5']) assert.ok(!accepts(seconds, bad), bad);
  });

  test('advbase 0 is refused only together with advskew 0', () => {
    assert.ok(isZeroInterval(0, '0'));
    assert.ok(!isZeroInterval('0', '1'));
    assert.ok(!isZeroInterval('', '0'));
  });
});

describe('a name', () => {
  test('that becomes part of a topic has no slash, wildcard or space', () => {
    const level = topicLevel('problem.group', false);
    for (const good of ['plant', 'a-b_c', env('GROUP'), 'Köln']) assert.ok(accepts(level, good), good);
    for (const bad of ['', 'a/b', 'a+', '#', 'a b']) assert.ok(!accepts(level, bad), bad);
    assert.ok(accepts(topicLevel('problem.host', true), ''));
  });

  test('of an interface has at most 15 characters', () => {
    assert.ok(accepts(interfaceName, 'enp0s31f6.100'));
    for (const bad of ['', 'a'.repeat(16), 'eth 0', 'a/b']) assert.ok(!accepts(interfaceName, bad), bad);
  });

  test('of a base topic may have levels, and no empty ones', () => {
    for (const good of ['', 'carp', 'acme/plant1/carp']) assert.ok(accepts(baseTopic, good), good);
    for (const bad of ['/carp', 'carp/', 'a//b', 'a/#']) assert.ok(!accepts(baseTopic, bad), bad);
  });

  test('of a broker is a URL that the agent can connect to', () => {
    for (const good of ['', 'mqtt://127.0.0.1:1883', 'mqtts://b', 'wss://b/mqtt', env('MQTT')])
      assert.ok(accepts(brokerUrls, good), good);
    for (const bad of ['127.0.0.1', 'http://b', 'mqtt://']) assert.ok(!accepts(brokerUrls, bad), bad);
  });

  test('of a reason is printable and at most 64 characters long', () => {
    assert.ok(accepts(reason, 'disk full (sda1)'));
    for (const bad of ['', 'a\tb', 'x'.repeat(65)]) assert.ok(!accepts(reason, bad), bad);
  });
});

test('a passphrase has at most 19 bytes, not characters, and one that is stored is not judged', () => {
  assert.ok(accepts(passphrase, 'x'.repeat(19)));
  assert.deepEqual(passphrase('é'.repeat(10)), { key: 'problem.passphrase', values: { bytes: 20 } });
  assert.ok(accepts(passphrase, '__PWRD__'));
  assert.ok(accepts(passphrase, env('A_VERY_LONG_NAME_OF_A_VARIABLE')));
});

test('a variable is one that stands alone, as Node-RED replaces it', () => {
  assert.ok(isVariable(env('CARP_SKEW')));
  assert.ok(!isVariable(`x${env('CARP_SKEW')}`));
  assert.ok(!isVariable(undefined));
});

describe('two groups', () => {
  const seat = (id: string, more: Partial<Seat> = {}): Seat => ({
    id,
    group: id,
    host: '',
    mode: 'run',
    interface: 'eth0',
    vhid: 10,
    ...more,
  });
  const one = seat('a');

  test('on one host may not have one VHID on one interface, however the number is stored', () => {
    assert.equal(twinOf(one, [one, seat('b', { vhid: '10' })])?.same, 'vhid');
  });

  test('on one host may not have one name', () => {
    assert.equal(twinOf(one, [seat('b', { group: 'a', vhid: 11 })])?.same, 'name');
  });

  for (const [what, more] of [
    ['another VHID', { vhid: 11 }],
    ['another interface', { interface: 'eth1' }],
    ['another host', { host: 'rpi2', group: 'a' }],
    ['a system service', { mode: 'service' }],
    ['one that is disabled', { d: true }],
  ] as const)
    test(`are apart with ${what}`, () => assert.equal(twinOf(one, [seat('b', more)]), undefined));
});

test('the roles of a gate are read from a list and from text', () => {
  assert.deepEqual(rolesOf(['MASTER', 'NONSENSE']), ['MASTER']);
  assert.deepEqual(rolesOf('MASTER,BACKUP'), ['MASTER', 'BACKUP']);
  assert.deepEqual(rolesOf(undefined), []);
});

describe('the interfaces of the host', () => {
  const found = interfacesOf(
    {
      lo: [{ cidr: '127.0.0.1/8', internal: true }],
      eth0: [
        { cidr: '192.0.2.11/24', internal: false },
        { cidr: null, internal: false },
      ],
    },
    ['lo', 'eth0', 'eth1'],
  );

  test('are those without the loopback, also without an address', () => {
    assert.deepEqual(found, [
      { name: 'eth0', addresses: ['192.0.2.11/24'] },
      { name: 'eth1', addresses: [] },
    ]);
  });

  test('are found by name and by address, and all are offered beside the one that is chosen', () => {
    assert.deepEqual(
      matching(found, '2.11').map(({ name }) => name),
      ['eth0'],
    );
    assert.equal(matching(found, 'eth0').length, 2);
    assert.equal(matching(found, '').length, 2);
    assert.equal(matching(found, 'wlan').length, 0);
  });
});
