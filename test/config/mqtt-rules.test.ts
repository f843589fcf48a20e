import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { type ParsedConfig, parseConfig } from '../../src/config/parse.ts';
import { createAuthority, type Issued, needsOpenssl, type TestAuthority } from '../support/mqtt-tls.ts';

type Settings = Readonly<Record<string, unknown>>;

const ENVIRONMENT = { CARP_TEST_MQTT: 'hunter2' };

const mqtt = (settings: Settings, baseFolder?: string): ParsedConfig =>
  parseConfig(
    { node: 'rpi1', mqtt: { url: 'mqtts://broker', ...settings }, groups: [] },
    { environment: ENVIRONMENT, ...(baseFolder === undefined ? {} : { baseFolder }) },
  );

const told = (findings: readonly { readonly path: string; readonly message: string }[]): readonly string[] =>
  findings.map(({ path, message }) => `${path}: ${message}`);
const errorsOf = (result: ParsedConfig): readonly string[] => (result.ok ? [] : told(result.errors));

/** Exactly one error, and no warning. */
const assertError = (result: ParsedConfig, expected: RegExp): void => {
  const errors = errorsOf(result);
  assert.equal(errors.length, 1, errors.join('\n'));
  assert.match(errors[0] ?? '', expected);
  assert.deepEqual(told(result.warnings), []);
  assert.doesNotMatch(errors.join(), /hunter2/);
};

/** No error, and exactly this warning; `undefined`: none. */
const assertFine = (result: ParsedConfig, expected?: RegExp): void => {
  assert.deepEqual(errorsOf(result), []);
  const warnings = told(result.warnings);
  assert.equal(warnings.length, expected === undefined ? 0 : 1, warnings.join('\n'));
  if (expected !== undefined) assert.match(warnings[0] ?? '', expected);
  assert.doesNotMatch(warnings.join(), /hunter2/);
};

const undo: (() => unknown)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'carp-config-'));
  undo.push(() => rmSync(made, { recursive: true }));
  return made;
};

describe('what may be one thing or a list', () => {
  for (const [settings, expected] of [
    [{ url: 5 }, /^mqtt\.url: must be text, or a list, but is 5$/],
    [{ url: {} }, /^mqtt\.url: must be text, or a list, but is an object$/],
    [{ url: '' }, /^mqtt\.url: must not be empty; /],
    [{ url: [] }, /^mqtt\.url: must not be empty; /],
    [{ url: ['mqtt://a', 5] }, /^mqtt\.url\[1\]: must be text, but is 5; put it in quotes$/],
    [{ url: ['mqtt://a', ''] }, /^mqtt\.url\[1\]: must not be empty; /],
    [{ url: `mqtt://${'a'.repeat(3000)}` }, /^mqtt\.url: is too long; at most 2048 characters are allowed$/],
    [{ url: Array.from({ length: 17 }, (_, i) => `mqtt://b${i}`) }, /^mqtt\.url: has too many entries; at most 16/],
    [{ url: ['mqtt://a:0'] }, /^mqtt\.url\[0\]: must be a URL such as mqtt:\/\/broker:1883, /],
    [{ url: 'mqtt://[fe80::1]' }, /^mqtt\.url: has a link-local address, .*; use another address, or a name$/],
    [{ commands: 5 }, /^mqtt\.commands: must be true or false, or a list of mode, .*, query, but is 5$/],
    [{ commands: 'mode' }, /^mqtt\.commands: must be true or false, or a list of mode, .*, query, but is "mode"$/],
    [{ commands: [] }, /^mqtt\.commands: must not be empty; /],
    [{ commands: ['reboot'] }, /^mqtt\.commands\[0\]: must be one of mode, .*, query, but is "reboot"$/],
    [{ commands: ['mode', 'mode'] }, /^mqtt\.commands\[\d\]: is listed twice; remove one$/],
    [{ version: 3.1 }, /^mqtt\.version: must be one of auto, 3\.1\.1, 5, but is 3\.1$/],
    [
      { sparkplug: { group: 'a/b' } },
      /^mqtt\.sparkplug\.group: must be 1 to 128 characters without \+, #, \/ and control characters, but is "a\/b"$/,
    ],
    // What a block of text in YAML ends with. Mosquitto would end each connection.
    [{ sparkplug: { group: 'plant', primaryHost: 'scada\n' } }, /^mqtt\.sparkplug\.primaryHost: must be 1 to 128/],
  ] as const)
    test(`${JSON.stringify(settings).slice(0, 60)} is one mistake`, () => {
      assertError(mqtt(settings), expected);
    });

  test('two mistakes in a list are two', () => {
    assert.equal(errorsOf(mqtt({ commands: ['reboot', 'mode', 'halt'] })).length, 2);
  });

  for (const settings of [
    { url: 'mqtt://broker' },
    { url: ['mqtts://a.example', 'wss://[2001:db8::1]/mqtt', 'mqtt://fe80.example'] },
    { commands: true },
    { commands: ['mode', 'query'] },
    { version: 5 },
  ])
    test(`${JSON.stringify(settings)} is fine`, () => {
      assertFine(mqtt(settings));
    });
});

describe('a login', () => {
  test('has one password, wherever it is, and the name that it needs', () => {
    const file = join(folder(), 'password');
    writeFileSync(file, 'hunter2\n', { mode: 0o600 });
    const username = 'carp';
    for (const [settings, expected] of [
      [{ username, password: 'hunter2', passwordFile: file }, /^mqtt: has password and passwordFile; keep one/],
      [{ username, passwordFile: file, passwordEnv: 'A' }, /^mqtt: has passwordFile and passwordEnv; keep one/],
      [{ username, passwordEnv: 'CARP_TEST_NONE' }, /^mqtt\.passwordEnv: .* CARP_TEST_NONE is not set: set it where/],
      [{ username, passwordFile: `${file}-gone` }, /^mqtt\.passwordFile: .*no such file; ls -l/],
      [{ password: 'hunter2' }, /^mqtt\.username: is missing: a password needs a name as well; /],
      [{ passwordFile: file }, /^mqtt\.username: is missing/],
    ] as const)
      assertError(mqtt(settings), expected);
    for (const settings of [
      { username, password: 'hunter2' },
      { username, passwordFile: file },
      { username, passwordEnv: 'CARP_TEST_MQTT' },
      { url: ['mqtts://carp@a', 'mqtts://carp@b'], passwordFile: file },
      { username },
    ])
      assertFine(mqtt(settings));
  });

  test('in a file that everybody can read, or in a URL, is warned of', () => {
    const file = join(folder(), 'password');
    writeFileSync(file, 'hunter2\n');
    chmodSync(file, 0o644);
    assertFine(mqtt({ username: 'carp', passwordFile: file }), /^mqtt\.passwordFile: everybody .* run chmod o= /);
    assertFine(mqtt({ url: ['mqtts://a', 'mqtts://carp:hunter2@b'] }), /^mqtt\.url\[1\]: contains a password; /);
  });

  test('in a file is the first line of a text in UTF-8, and not empty', () => {
    const passwordFile = join(folder(), 'password');
    const written = (content: string | Buffer) => {
      writeFileSync(passwordFile, content, { mode: 0o600 });
      return mqtt({ username: 'carp', passwordFile });
    };
    for (const content of ['hunter2\r\n', '\uFEFFhunter2\r\n', `${'t'.repeat(60_000)}\n`, 'höher\n'])
      assertFine(written(content));
    for (const content of ['', '\n', '\r\nhunter2', '\uFEFF\r\n'])
      assertFine(written(content), /^mqtt\.passwordFile: the first line of .* is empty/);
    for (const content of [Buffer.from('\uFEFFhunter2', 'utf16le'), Buffer.from('h\u00f6her', 'latin1')])
      assertError(written(content), /^mqtt\.passwordFile: .* is no UTF-8 text; save it as UTF-8/);
    assertError(written('t'.repeat(70_000)), /^mqtt\.passwordFile: .* more than 65536 bytes/);
  });
});

describe('times and topics', () => {
  test('that would let a state vanish between two refreshes are refused, or warned of', () => {
    assertError(mqtt({ expiry: 10, refresh: 10 }), /^mqtt\.expiry: .* use 3 times refresh \(30\), or 0 for never$/);
    assertFine(mqtt({ expiry: 19, refresh: 10 }), /^mqtt\.expiry: is shorter than two refreshes: .* \(30\)/);
    assertFine(mqtt({ expiry: 20, refresh: 10 }));
    assertFine(mqtt({ expiry: 0, refresh: 60 }));
  });

  test('that belong to the broker are not used for ours', () => {
    assertError(mqtt({ base: '$SYS' }), /^mqtt\.base: must not begin with \$, which belongs to the broker; use carp/);
    assertError(mqtt({ homeAssistantPrefix: '$share/x' }), /^mqtt\.homeAssistantPrefix: must not begin with \$/);
    assertFine(mqtt({ base: 'plant/line-3/_redundancy' }));
  });
});

describe('TLS', { skip: needsOpenssl }, () => {
  let authority: TestAuthority;
  let client: Issued;
  let locked: Issued;
  before(() => {
    authority = createAuthority();
    client = authority.issue({ name: 'rpi1' });
    locked = authority.issue({ name: 'locked', passphrase: 'hunter2' });
  });
  after(() => authority?.remove());
  const tls = (settings: Settings, url: unknown = 'mqtts://broker'): ParsedConfig => mqtt({ url, tls: settings });
  const pair = ({ certFile, keyFile }: Issued): Settings => ({ certFile, keyFile });

  test('with files or texts that fit together is fine', () => {
    const { caFile, ca } = authority;
    for (const settings of [
      {},
      { caFile },
      { ca },
      { caFile, ...pair(client) },
      { cert: client.cert, key: client.key },
      { ...pair(locked), keyPassphrase: 'hunter2' },
      { serverName: 'broker.example', alpn: 'mqtt' },
      { serverName: '2001:db8::1' },
    ])
      assertFine(tls(settings));
    assertFine(tls({ caFile }, ['mqtt://a', 'wss://b']));
  });

  test('that does not fit together is one mistake, with what to do', () => {
    const { certFile, keyFile, cert, key } = client;
    const { caFile, ca, folder: at } = authority;
    writeFileSync(join(at, 'nonsense'), 'hunter2', { mode: 0o600 });
    const nonsense = join(at, 'nonsense');
    for (const [settings, expected] of [
      [{ caFile, ca }, /^mqtt\.tls: has ca and caFile; keep one$/],
      [{ ...pair(client), key }, /^mqtt\.tls: has key and keyFile; keep one$/],
      [{ certFile }, /^mqtt\.tls: has a certificate without its key; give keyFile as well$/],
      [{ keyFile }, /^mqtt\.tls: has a key without its certificate; give certFile as well$/],
      [{ caFile: nonsense }, /^mqtt\.tls\.caFile: .* is no certificate; it has to contain -----BEGIN CERTIFICATE-----/],
      [{ cert: 'hunter2', key }, /^mqtt\.tls\.cert: .* is no certificate; /],
      [
        { cert, key: 'hunter2' },
        /^mqtt\.tls\.key: .* is no private key; it has to contain -----BEGIN PRIVATE KEY-----/,
      ],
      [{ certFile, keyFile: nonsense }, /^mqtt\.tls\.keyFile: .* is no private key; /],
      [
        { certFile, keyFile: locked.keyFile },
        /^mqtt\.tls\.keyFile: .* is encrypted, and mqtt\.tls\.keyPassphrase does not/,
      ],
      [{ ...pair(locked), keyPassphrase: 'wrong' }, /^mqtt\.tls\.keyFile: .* is encrypted, .* correct it$/],
      [
        { certFile, keyFile: authority.issue({ name: 'x' }).keyFile },
        /^mqtt\.tls\.keyFile: .* does not belong to the certi/,
      ],
      [{ caFile: `${nonsense}-gone` }, /^mqtt\.tls\.caFile: cannot read .*: there is no such file; ls -l/],
      [{ caFile: at }, /^mqtt\.tls\.caFile: cannot read .*: it is not a file; ls -l/],
      [
        { serverName: 'broker:8883' },
        /^mqtt\.tls\.serverName: must be a host name or an address, without a port, but is "b/,
      ],
      [{ serverName: 'mqtts://broker' }, /^mqtt\.tls\.serverName: must be a host name/],
      [{ keyPassphrase: 5 }, /^mqtt\.tls\.keyPassphrase: must be text, but is a number; put it in quotes$/],
    ] as const)
      assertError(tls(settings), expected);
  });

  test('with several mistakes tells all of them at once', () => {
    const { certFile } = client;
    const errors = errorsOf(tls({ caFile: '/no/such/ca', certFile, serverName: 'a:1' }));
    assert.deepEqual(
      errors.map((line) => line.split(':', 1)[0]),
      ['mqtt.tls', 'mqtt.tls.serverName', 'mqtt.tls.caFile'],
    );
  });

  test('that does not protect as it should is warned of', () => {
    const { certFile, keyFile } = client;
    chmodSync(keyFile, 0o644);
    assertFine(tls({ certFile, keyFile }), /^mqtt\.tls\.keyFile: everybody on this system can read .*; run chmod o= /);
    chmodSync(keyFile, 0o640);
    assertFine(tls({ certFile, keyFile }));
    assertFine(tls({ verify: false }), /^mqtt\.tls\.verify: off, anybody on the way can pretend to be the broker/);
    assertFine(
      tls({ verify: true, caFile: authority.caFile }, 'mqtt://broker'),
      /^mqtt\.tls: has no effect: write mqtts:/,
    );
    assertFine(tls({ keyPassphrase: 'hunter2' }), /^mqtt\.tls\.keyPassphrase: has no effect without keyFile$/);
    const expired = authority.issue({ name: 'rpi1', when: 'expired' });
    assertFine(tls(pair(expired)), /^mqtt\.tls\.certFile: the certificate is of CN=rpi1, which expired on .* renew it/);
    const soon = authority.issue({ name: 'rpi1', when: 'soon' });
    assertFine(tls(pair(soon)), /^mqtt\.tls\.certFile: .* CN=rpi1, valid until .*; renew it before that day$/);
    const early = authority.issue({ name: 'rpi1', when: 'future' });
    assertFine(
      tls({ cert: early.cert, key: early.key }),
      /^mqtt\.tls\.cert: .* is not valid before .* check the clock$/,
    );
  });

  test('begins its relative file names at the folder of the configuration, and they come back absolute', () => {
    const at = authority.folder;
    const relative = (file: string): string => file.slice(at.length + 1);
    const [caFile, certFile, keyFile] = [authority.caFile, client.certFile, client.keyFile].map(relative);
    writeFileSync(join(at, 'password'), 'hunter2', { mode: 0o600 });
    const settings = { username: 'carp', passwordFile: 'password', tls: { caFile, certFile, keyFile } };
    const result = mqtt(settings, at);
    assertFine(result);
    assert.ok(result.ok);
    assert.equal(result.config.mqtt?.passwordFile, join(at, 'password'));
    assert.deepEqual(result.config.mqtt?.tls, {
      ...{ verify: true, caFile: authority.caFile },
      ...{ certFile: client.certFile, keyFile: client.keyFile },
    });
  });
});
