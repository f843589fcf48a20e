import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { type ParsedConfig, parseConfig } from '../../src/config/parse.ts';
import { mqttSettings } from '../support/mqtt-settings.ts';

const GROUP = { name: 'plant', interface: 'eth0', vhid: 10, pass: 'secret', addresses: ['192.0.2.100/24'] };

type Settings = Readonly<Record<string, unknown>>;

const host = (...groups: readonly Settings[]): Settings => ({ node: 'rpi1', groups });
const group = (settings: Settings): ParsedConfig => parseConfig(host({ ...GROUP, ...settings }), { environment: {} });

const errorsOf = (result: ParsedConfig): readonly string[] =>
  result.ok ? [] : result.errors.map(({ path, message }) => `${path}: ${message}`);
const warningsOf = (result: ParsedConfig): readonly string[] =>
  result.warnings.map(({ path, message }) => `${path}: ${message}`);

/** Exactly one error, at this place, in such words. */
const assertError = (result: ParsedConfig, path: string, message: RegExp): void => {
  const errors = errorsOf(result);
  assert.equal(errors.length, 1, errors.join('\n'));
  assert.ok(errors[0]?.startsWith(`${path}: `), errors[0]);
  assert.match(errors[0] ?? '', message);
};

const assertFine = (result: ParsedConfig): void => {
  assert.deepEqual(errorsOf(result), []);
  assert.deepEqual(warningsOf(result), []);
};

test('what is not said is completed with defaults', () => {
  const result = parseConfig({ groups: [{ name: 'plant', interface: 'eth0', vhid: 10, pass: 'secret' }] });
  assert.ok(result.ok);
  assert.deepEqual(result.config, {
    node: hostname(),
    socket: '/run/carp/agent.sock',
    state: '/var/lib/carp',
    startDelay: 0,
    demotion: { linkDown: 240, sendErrors: 240, stalled: 240, scope: 'sync' },
    groups: [
      {
        name: 'plant',
        interface: 'eth0',
        vhid: 10,
        pass: 'secret',
        addresses: [],
        routes: [],
        advbase: 1,
        advskew: 0,
        deadratio: 3,
        preempt: false,
        preemptDelay: 0,
        peers: [],
        addressing: 'interface',
        compatibility: 'auto',
        checkTtl: 'always',
        broadcast: false,
        ignoreLink: false,
        transport: 'auto',
        replay: 'auto',
        announceRefresh: 10,
        track: [],
      },
    ],
  });
});

test('parts of demotion and mqtt are completed, too', () => {
  const result = parseConfig({ ...host(GROUP), demotion: { linkDown: 100 }, mqtt: { url: 'mqtt://broker' } });
  assert.ok(result.ok);
  assert.deepEqual(result.config.demotion, { linkDown: 100, sendErrors: 240, stalled: 240, scope: 'sync' });
  assert.deepEqual(result.config.mqtt, mqttSettings({ url: 'mqtt://broker' }));
});

test('what was given is not changed', () => {
  const given = host(GROUP);
  const before = structuredClone(given);
  assert.ok(parseConfig(given).ok);
  assert.deepEqual(given, before);
});

for (const value of [undefined, null, 42, 'groups', [], () => undefined])
  test(`${String(value) || 'an empty list'} is no configuration, and not a reason to throw`, () => {
    const result = parseConfig(value);
    assert.equal(result.ok, false);
  });

test('all mistakes are told at once, those of form and those of meaning', () => {
  const result = parseConfig(
    {
      node: 'a/b',
      startDelay: -1,
      groups: [
        { ...GROUP, vhid: 300, addresses: ['192.0.2.100'], advskw: 1, routes: ['default'] },
        { interface: 'eth 0', vhid: '10', source: ['192.0.2.11', '192.0.2.12'], peers: ['224.0.0.18', 7] },
      ],
    },
    { environment: {} },
  );
  assert.deepEqual(
    new Set(errorsOf(result).map((text) => text.split(':')[0])),
    new Set([
      'node',
      'startDelay',
      'groups[0].vhid',
      'groups[0].addresses[0]',
      'groups[0].advskw',
      'groups[0].routes',
      'groups[1].name',
      'groups[1].interface',
      'groups[1].vhid',
      'groups[1].source[1]',
      'groups[1].peers[0]',
      'groups[1].peers[1]',
    ]),
  );
});

for (const [settings, path, message] of [
  [{ vhid: 300 }, 'groups[0].vhid', /a whole number from 1 to 255, but is 300$/],
  [{ vhid: 0 }, 'groups[0].vhid', /from 1 to 255, but is 0$/],
  [{ vhid: 1.5 }, 'groups[0].vhid', /whole number/],
  [{ vhid: '10' }, 'groups[0].vhid', /but is "10"$/],
  [{ advskew: 255 }, 'groups[0].advskew', /from 0 to 254, but is 255$/],
  [{ advbase: 256 }, 'groups[0].advbase', /from 0 to 255/],
  [{ deadratio: 0 }, 'groups[0].deadratio', /from 1 to 255/],
  [{ preempt: 'yes' }, 'groups[0].preempt', /true or false, but is "yes"$/],
  [{ addressing: 'auto' }, 'groups[0].addressing', /one of manual, interface, virtual-mac, but is "auto"$/],
  [{ advskw: 1 }, 'groups[0].advskw', /did you mean advskew\?$/],
  [{ Vhid: 1 }, 'groups[0].Vhid', /did you mean vhid\?$/],
  [{ colour: 1 }, 'groups[0].colour', /is no setting; there are name, interface, /],
  [{ interface: 'a-very-long-name' }, 'groups[0].interface', /1 to 15 bytes/],
  [{ interface: 'eth/0' }, 'groups[0].interface', /but is "eth\/0"$/],
  [{ interface: '..' }, 'groups[0].interface', /name of an interface/],
  [{ name: '' }, 'groups[0].name', /must not be empty/],
  [{ name: 'a+b' }, 'groups[0].name', /leave out/],
  [{ name: 'a\nb' }, 'groups[0].name', /leave out/],
  [{ name: 'x'.repeat(65) }, 'groups[0].name', /65 characters; at most 64/],
  [
    { addresses: ['192.0.2.100'] },
    'groups[0].addresses[0]',
    /192.0.2.100 needs a prefix length, such as 192.0.2.100\/24$/,
  ],
  [{ addresses: ['2001:db8::1'] }, 'groups[0].addresses[0]', /such as 2001:db8::1\/64$/],
  [{ addresses: ['192.0.2.300/24'] }, 'groups[0].addresses[0]', /but is "192.0.2.300\/24"$/],
  [{ addresses: ['224.0.0.18/24'] }, 'groups[0].addresses[0]', /multicast/],
  [{ addresses: ['0.0.0.0/0'] }, 'groups[0].addresses[0]', /unspecified/],
  [{ addresses: ['::1/128'] }, 'groups[0].addresses[0]', /loopback/],
  [{ addresses: ['127.0.0.2/8'] }, 'groups[0].addresses[0]', /loopback/],
  [{ addresses: ['2001:db8::1/64', '2001:DB8:0::1/48'] }, 'groups[0].addresses[1]', /listed twice/],
  [{ addresses: '192.0.2.100/24' }, 'groups[0].addresses', /a list, but is text$/],
  [{ source: '192.0.2.11/24' }, 'groups[0].source', /must not have a prefix length: use 192.0.2.11$/],
  [{ source: '192.0.2.100' }, 'groups[0].source', /shared address/],
  [{ source: ['192.0.2.11', '192.0.2.12'] }, 'groups[0].source[1]', /second IPv4 source/],
  [{ source: 7 }, 'groups[0].source', /an address, or a list of at most two/],
  [{ peers: ['224.0.0.18'] }, 'groups[0].peers[0]', /multicast/],
  [{ peers: ['ff02::12'] }, 'groups[0].peers[0]', /multicast/],
  [{ peers: ['192.0.2.100'] }, 'groups[0].peers[0]', /shared address/],
  [{ passEnv: 'X' }, 'groups[0]', /has pass and passEnv; keep one/],
  [{ pass: undefined, passEnv: 'CARP_TEST_PASS' }, 'groups[0].passEnv', /CARP_TEST_PASS is not set/],
  [{ pass: 'x'.repeat(20) }, 'groups[0].pass', /20 bytes.*keep only the first 19/],
  [{ pass: 'ä'.repeat(10) }, 'groups[0].pass', /20 bytes/],
  [{ lladdr: '02:00:5e:10:20' }, 'groups[0].lladdr', /must be a MAC address, such as/],
  [{ lladdr: '01:00:5e:00:01:0a', addressing: 'virtual-mac' }, 'groups[0].lladdr', /group address/],
  [{ dscp: 64 }, 'groups[0].dscp', /a whole number from 0 to 63/],
  [{ checkTtl: 'no' }, 'groups[0].checkTtl', /one of always, ipv4, never/],
  [{ broadcast: true, peers: ['192.0.2.12'] }, 'groups[0].broadcast', /does not go with IPv4 peers/],
  [{ broadcast: true, transport: 'raw-socket' }, 'groups[0].broadcast', /use transport: koffi/],
  [{ transport: 'raw-socket', addresses: ['2001:db8::64/64'] }, 'groups[0].transport', /checkTtl: ipv4/],
  [{ transport: 'raw-socket', addressing: 'virtual-mac' }, 'groups[0].transport', /addressing: interface/],
  [
    { track: [1, 2].map(() => ({ name: 'x', command: ['true'] })) },
    'groups[0].track[1].name',
    /"x" is there already; choose another name/,
  ],
  [{ routes: ['default via 192.0.2.1'] }, 'groups[0].routes', /is not supported by this version/],
] as const)
  test(`a group with ${JSON.stringify(settings).slice(0, 60)} is refused at ${path}`, () => {
    assertError(group(settings), path, message);
  });

for (const [settings, path, message] of [
  [{ node: 'a#' }, 'node', /leave out/],
  [{ node: 7 }, 'node', /must be text, but is 7; put it in quotes$/],
  [{ mqtt: {} }, 'mqtt.url', /is missing/],
  [{ mqtt: { url: 'http://broker' } }, 'mqtt.url', /mqtts:\/\//],
  [{ mqtt: { url: 'broker' } }, 'mqtt.url', /must be a URL/],
  [{ mqtt: { url: 'mqtt://b', base: 'a/+/b' } }, 'mqtt.base', /without wildcards/],
  [{ mqtt: { url: 'mqtt://b', base: 'a/' } }, 'mqtt.base', /without wildcards/],
  [{ mqtt: { url: 'mqtt://b', homeAssistantPrefix: '#' } }, 'mqtt.homeAssistantPrefix', /without wildcards/],
  [{ mqtt: { url: ['mqtt://b', 'http://c'] } }, 'mqtt.url[1]', /must be a URL/],
  [
    { mqtt: { url: 'mqtt://b', commands: ['mode', 'reboot'] } },
    'mqtt.commands[1]',
    /one of mode, advskew, hand-over, resync, query, but is "reboot"$/,
  ],
  [{ mqtt: { url: 'mqtt://b', sparkplug: { group: 'a/b' } } }, 'mqtt.sparkplug.group', /./],
  [{ metrics: { port: 0 } }, 'metrics.port', /./],
  [{ mqtt: { url: 'mqtt://b', password: 'a', passwordFile: 'b' } }, 'mqtt', /keep one/],
  [{ group: [] }, 'group', /did you mean groups\?/],
] as const)
  test(`a host with ${JSON.stringify(settings)} is refused at ${path}`, () => {
    assertError(parseConfig({ ...host(GROUP), ...settings }), path, message);
  });

for (const settings of [
  { addresses: [] },
  { addresses: ['192.0.2.100/32', '2001:db8::100/64', 'fe80::100/64'] },
  { source: '192.0.2.11' },
  { source: ['192.0.2.11', 'fe80::1%eth0'] },
  { peers: ['192.0.2.12', '2001:db8::2'] },
  { pass: 'x'.repeat(19) },
  { preempt: true, preemptDelay: 30 },
  { advskew: 254, deadratio: 2 },
  { transport: 'memory', interface: 'lan' },
  { announceRefresh: 0 },
  { name: 'Anlage Süd 1' },
  { hooks: { up: [process.execPath], down: ['env'], timeout: 5 } },
  { track: [{ name: 'x', command: ['env'] }] },
])
  test(`a group with ${JSON.stringify(settings)} is fine`, () => {
    assertFine(group(settings));
  });

for (const [settings, warning] of [
  [{ deadratio: 1 }, /^groups\[0\]\.deadratio: .*use 3/],
  [{ advbase: 86 }, /^groups\[0\]\.advbase: .*85/],
  [{ advbase: 0, advskew: 0 }, /^groups\[0\]\.advbase: .*2 s.*takes over, whatever `preempt` says/],
  [{ addresses: ['192.0.2.0/24'] }, /^groups\[0\]\.addresses\[0\]: .*the network address of its own subnet/],
  [{ addresses: ['192.0.2.127/25'] }, /^groups\[0\]\.addresses\[0\]: .*the broadcast address of its own subnet/],
  [{ addresses: ['192.0.2.255/30'] }, /^groups\[0\]\.addresses\[0\]: .*broadcast/],
  [{ lladdr: '00:00:5e:00:01:0A' }, /^groups\[0\]\.lladdr: .*the virtual MAC of vhid 10/],
  [{ checkTtl: 'never' }, /^groups\[0\]\.checkTtl: .*use always/],
  [{ checkTtl: 'ipv4', peers: ['192.0.2.12'] }, /^groups\[0\]\.checkTtl: .*use always/],
  [{ broadcast: true, addresses: ['2001:db8::100/64'] }, /^groups\[0\]\.broadcast: .*no effect/],
  [{ multicast: '239.1.1.18', addresses: ['2001:db8::100/64'] }, /^groups\[0\]\.multicast: .*no effect/],
  [{ peers: ['2001:db8::12'] }, /^groups\[0\]\.peers: has no effect: .*give addresses of IPv4$/],
  [{ compatibility: 'ucarp', addresses: ['192.0.2.100/24', '192.0.2.101/24'] }, /exactly one IPv4 address/],
  [{ compatibility: 'openbsd', peers: ['2001:db8::12'], addresses: ['2001:db8::100/64'] }, /openbsd has no IPv6 peers/],
  [{ compatibility: 'netbsd', peers: ['192.0.2.12'] }, /netbsd has no unicast peers/],
  [{ compatibility: 'freebsd', advskew: 241 }, /^groups\[0\]\.advskew: .*at most 240/],
  [{ preemptDelay: 5 }, /^groups\[0\]\.preemptDelay: .*preempt/],
  [{ pass: '' }, /^groups\[0\]\.pass: the password is empty/],
  [{ hooks: { up: ['/no/such/hook'] } }, /^groups\[0\]\.hooks\.up\[0\]: .*does not exist; create it/],
  [{ hooks: { change: ['/etc/passwd', 'x'] } }, /^groups\[0\]\.hooks\.change\[0\]: .*run chmod \+x \/etc\/passwd/],
  [{ hooks: { down: ['/etc'] } }, /^groups\[0\]\.hooks\.down\[0\]: .*is no file/],
  [
    { track: [{ name: 'x', command: ['no-such-program'] }] },
    /^groups\[0\]\.track\[0\]\.command\[0\]: .*no folder of PATH/,
  ],
  [{ pass: undefined }, /^groups\[0\]: the password is empty/],
] as const)
  test(`a group with ${JSON.stringify(settings)} is allowed, with a warning`, () => {
    const result = group(settings);
    assert.ok(result.ok);
    assert.equal(result.warnings.length, 1);
    assert.match(warningsOf(result)[0] ?? '', warning);
  });

test('addresses that only look like those of a subnet are not warned of', () => {
  assertFine(group({ addresses: ['192.0.3.0/23', '192.0.2.0/31', '192.0.2.255/32', '2001:db8::/64'] }));
});

test('one host cannot share an address twice, on whatever interfaces; link-local ones are counted for each', () => {
  const other = { ...GROUP, name: 'b', interface: 'eth1' };
  assertError(parseConfig(host(GROUP, other)), 'groups[1].addresses[0]', /already used by groups\[0\]\.addresses\[0\]/);
  assertError(
    parseConfig(host(GROUP, { ...other, addresses: ['192.0.2.100/32'] })),
    'groups[1].addresses[0]',
    /already used/,
  );
  const local = { addresses: ['fe80::100/64'] };
  assertFine(parseConfig(host({ ...GROUP, ...local }, { ...other, ...local })));
  assertError(
    parseConfig(host({ ...GROUP, ...local }, { ...other, ...local, interface: 'eth0', vhid: 11 })),
    'groups[1].addresses[0]',
    /already used/,
  );
});

test('advbase 85 is not warned of', () => {
  assertFine(group({ advbase: 85 }));
});

test('a vhid is there once on an interface, and as often as one likes on a host', () => {
  const other = { ...GROUP, name: 'other', addresses: [] };
  assertError(
    parseConfig(host(GROUP, other)),
    'groups[1].vhid',
    /vhid 10 on "eth0" is already used by groups\[0\]\.vhid$/,
  );
  assertFine(parseConfig(host(GROUP, { ...other, interface: 'eth1' })));
  assertFine(parseConfig(host(GROUP, { ...other, vhid: 11 })));
});

test('names and shared addresses belong to one group', () => {
  assertError(parseConfig(host(GROUP, { ...GROUP, vhid: 11, addresses: [] })), 'groups[1].name', /already used/);
  assertError(parseConfig(host(GROUP, { ...GROUP, name: 'b', vhid: 11 })), 'groups[1].addresses[0]', /already used/);
});

test('no message contains a password', () => {
  const secret = 'hunter2-hunter2-hunter2';
  for (const settings of [
    { pass: secret },
    { pass: [secret] },
    { pass: { secret } },
    { pass: undefined, [`pass:${secret}`]: null },
    { pass: undefined, pas: secret },
    { pass: undefined, passEnv: 'CARP_TEST_PASS' },
  ]) {
    const result = parseConfig(host({ ...GROUP, ...settings }), { environment: { CARP_TEST_PASS: secret } });
    assert.equal(result.ok, false);
    assert.doesNotMatch(JSON.stringify(result), /hunter2/);
  }
  const result = parseConfig({ ...host(GROUP), mqtt: { url: `http://user:${secret}@x`, password: [secret] } });
  assert.equal(result.ok, false);
  assert.doesNotMatch(JSON.stringify(result), /hunter2/);
});

test('a number as a password is refused without being shown', () => {
  assertError(group({ pass: 123456 }), 'groups[0].pass', /must be text, but is a number; put it in quotes$/);
});

test('a password in the URL of the broker is warned of, without being shown', () => {
  const result = parseConfig({ ...host(GROUP), mqtt: { url: 'mqtt://user:hunter2@broker' } });
  assert.ok(result.ok);
  assert.match(warningsOf(result).join(), /passwordFile/);
  assert.doesNotMatch(warningsOf(result).join(), /hunter2/);
});

test('what a terminal would obey is not repeated to it', () => {
  const result = parseConfig(host({ ...GROUP, interface: 'a\u001b[2J\u009b2J', 'b\u001b[2J': 1 }));
  assert.equal(result.ok, false);
  assert.ok(errorsOf(result).every((text) => !/\p{Cc}/u.test(text)));
});

test('a program with a slash in its name starts at the folder of the configuration, one without is looked for in PATH', () => {
  const hooks = { up: ['./up', './x'], down: ['env', './x'] };
  const parsed = parseConfig(
    { groups: [{ ...GROUP, hooks, track: [{ name: 'x', command: ['bin/check'] }] }] },
    { baseFolder: '/srv/carp' },
  );
  assert.ok(parsed.ok);
  const [one] = parsed.config.groups;
  assert.deepEqual(one?.hooks, { up: ['/srv/carp/up', './x'], down: ['env', './x'], timeout: 30 });
  assert.deepEqual(one?.track[0]?.command, ['/srv/carp/bin/check']);
});
