/** What carp decode says of adverts of real kernels and of ucarp when we are the ones who are set up differently. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigner } from '../../src/adapters/node/hmac.ts';
import { statusLines } from '../../src/cli/status-text.ts';
import type { HintEvent, MismatchEvent } from '../../src/engine/mismatch.ts';
import { encodeAdvert } from '../../src/protocol/advert.ts';
import { authenticator, keyOf } from '../../src/protocol/authentication.ts';
import type { Diagnosis } from '../../src/protocol/diagnosis-text.ts';
import { advBase, advSkew, vhid } from '../../src/protocol/units.ts';
import { statusOf } from '../agent/fakes.ts';
import { address, captures, utf8 } from '../protocol/vectors.ts';
import { ethernet, ipv4, pcap } from './capture-file.ts';
import { carp, lines } from './carp.ts';

const pathOf = (file: string): string => captures.find((capture) => capture.file === file)?.path ?? assert.fail(file);

interface Item {
  readonly digest: string;
  readonly diagnosis?: Diagnosis;
}

interface Row {
  readonly title: string;
  readonly file: string;
  readonly pass: string;
  readonly addresses: readonly string[];
  readonly kind: string;
  readonly says: RegExp;
}

const ROWS: readonly Row[] = [
  ...['fbsd14', 'obsd80', 'netbsd'].flatMap((system): readonly Row[] => [
    {
      title: `${system} without an address that we have`,
      file: `${system}-v4-single.pcap`,
      pass: 'secret',
      addresses: ['192.0.2.10', '192.0.2.77'],
      kind: 'missing-address',
      says: /signs without 192\.0\.2\.77$/,
    },
    {
      title: `${system} whose password is longer than ours by a character`,
      file: `${system}-v4-single.pcap`,
      pass: 'secrets',
      addresses: ['192.0.2.10'],
      kind: 'password-cut',
      says: /without its last character$/,
    },
  ]),
  ...['fbsd14', 'obsd80'].flatMap((system): readonly Row[] => [
    {
      title: `${system} with one of three addresses that we forgot`,
      file: `${system}-v4-three.pcap`,
      pass: 'secret',
      addresses: ['192.0.2.10', '192.0.2.30'],
      kind: 'extra-address',
      says: /signs 192\.0\.2\.200 as well$/,
    },
    {
      title: `${system} with one of two IPv6 addresses that we forgot`,
      file: `${system}-v6-only.pcap`,
      pass: 'secret',
      addresses: ['2001:db8::10'],
      kind: 'extra-address',
      says: /signs 2001:db8::20 as well$/,
    },
    {
      title: `${system} without a password`,
      file: `${system}-nopass.pcap`,
      pass: 'secret',
      addresses: ['192.0.2.10'],
      kind: 'empty-password',
      says: /with an empty password$/,
    },
  ]),
  ...['obsd80', 'netbsd'].map(
    (system): Row => ({
      title: `${system} with a key of 20 bytes`,
      file: `${system}-key20.pcap`,
      pass: 'abcdefghijklmnopqrs',
      addresses: ['192.0.2.10'],
      kind: 'password-longer',
      says: /a key of 20 bytes, of which the password here is the first 19$/,
    }),
  ),
  ...['fbsd14', 'netbsd'].map(
    (system): Row => ({
      title: `${system} that kept 19 characters of 20`,
      file: `${system}-longpass.pcap`,
      pass: 'abcdefghijklmnopqrst',
      addresses: ['192.0.2.10'],
      kind: 'password-cut',
      says: /cut after 19 characters$/,
    }),
  ),
  {
    title: 'ucarp with another address',
    file: 'ucarp-base.pcap',
    pass: 'lab-secret',
    addresses: ['192.0.2.101'],
    kind: 'other-address',
    says: /signs 192\.0\.2\.100 instead of 192\.0\.2\.101$/,
  },
  {
    title: 'ucarp in a group of three',
    file: 'ucarp-base.pcap',
    pass: 'lab-secret',
    addresses: ['192.0.2.100', '192.0.2.101', '192.0.2.102'],
    kind: 'one-address',
    says: /signs 192\.0\.2\.100 alone$/,
  },
  {
    title: 'ucarp with nothing in common with us',
    file: 'ucarp-base.pcap',
    pass: 'quite different',
    addresses: ['203.0.113.1'],
    kind: 'unknown',
    says: /with another password, or more than one other address/,
  },
];

for (const { title, file, pass, addresses, kind, says } of ROWS)
  test(`${title}: ${kind}`, async () => {
    const options = ['--pass', pass, ...addresses.flatMap((text) => ['--address', text]), pathOf(file)];
    const { code, stdout } = await carp(['decode', '--json', ...options]);
    assert.equal(code, 0);
    const items = lines(stdout).map((line) => JSON.parse(line) as Item);
    assert.ok(items.length > 0);
    for (const { digest, diagnosis } of items) {
      assert.equal(digest, 'bad');
      assert.equal(diagnosis?.kind, kind, diagnosis?.detail);
      assert.match(diagnosis?.detail ?? '', says);
    }
    assert.ok(!stdout.includes(pass), 'the password is not told');
  });

test('a family that we forgot is found by the adverts of that family: they come from the same subnet', async () => {
  const options = ['--pass', 'secret', '--address', '192.0.2.10', pathOf('fbsd14-v4-v6.pcap')];
  const { stdout } = await carp(['decode', '--json', ...options]);
  const found = lines(stdout).map((line) => (JSON.parse(line) as Item).diagnosis);
  assert.ok(
    found.some((diagnosis) => diagnosis?.addresses?.join() === '2001:db8::10'),
    stdout,
  );
});

test('an OpenBSD that signs the MAC address of its interface is found by the source of its frames', async () => {
  const mac = Uint8Array.of(0x02, 0, 0x5e, 0x10, 0x20, 0x30);
  const list = { vhid: vhid(7), addresses: [address('192.0.2.100')], mac };
  const signed = authenticator(list, createSigner(keyOf(utf8('secret'))));
  const digest = signed.digest(1n, 'without-link-local');
  const said = { vhid: vhid(7), advbase: advBase(1), advskew: advSkew(0), demotion: 0, counter: 1n, digest };
  const frame = ethernet(ipv4(encodeAdvert(said)));
  frame.set(mac, 6);
  const options = ['--json', '--pass', 'secret', '--address', '192.0.2.100', '-'];
  const { stdout } = await carp(['decode', ...options], { stdin: pcap([frame]) });
  const { diagnosis } = JSON.parse(stdout) as Item;
  assert.equal(diagnosis?.kind, 'lladdr-extra');
  assert.match(diagnosis?.remedy ?? '', /^set `lladdr: "02:00:5e:10:20:30"` for the group here/);
});

test('for people, each line says what is wrong, and the end what to do about it, once', async () => {
  const options = ['--pass', 'secret', '--address', '192.0.2.10', '--address', '192.0.2.77'];
  const { stdout } = await carp(['decode', ...options, pathOf('fbsd14-v4-single.pcap')]);
  assert.match(lines(stdout)[0] ?? '', /digest bad: badauth \(192\.0\.2\.\d+ signs without 192\.0\.2\.77\)$/);
  const remedies = lines(stdout).filter((line) => line.startsWith('  try: '));
  assert.equal(remedies.length, 1);
  assert.match(remedies[0] ?? '', /add 192\.0\.2\.77 to vhid \d+ on 192\.0\.2\.\d+, or remove it from the group here$/);
});

test('a genuine advert has no diagnosis, and neither has one that could not be checked', async () => {
  for (const options of [['--pass', 'secret', '--address', '192.0.2.10'], []]) {
    const { stdout } = await carp(['decode', '--json', ...options, pathOf('fbsd14-v4-single.pcap')]);
    for (const line of lines(stdout)) assert.equal((JSON.parse(line) as Item).diagnosis, undefined);
  }
});

test('carp watch tells the same of the same capture', async () => {
  const options = ['--pass', 'secret', '--address', '192.0.2.10', '--address', '192.0.2.77'];
  const { code, stdout } = await carp(['watch', '--read', pathOf('fbsd14-v4-single.pcap'), ...options]);
  assert.equal(code, 0);
  assert.match(stdout, /bad digest: 192\.0\.2\.\d+ signs without 192\.0\.2\.77/);
});

test('the status shows peers that are not understood, and those that another profile would fit, with what to do', () => {
  const found = { group: 'plant', interface: 'lan', vhid: 10, node: 'rpi1', at: '2026-11-22T12:00:00.123Z' };
  const mismatch: MismatchEvent = {
    ...found,
    event: 'auth-mismatch',
    source: '192.0.2.11',
    kind: 'missing-address',
    addresses: ['192.0.2.101'],
    detail: '192.0.2.11 signs without 192.0.2.101',
    remedy: 'add 192.0.2.101 to vhid 10 on 192.0.2.11, or remove it from plant here',
  };
  const hint: HintEvent = {
    ...found,
    event: 'profile-hint',
    source: '192.0.2.13',
    compatibility: 'openbsd',
    detail: '192.0.2.13 tells its demotion in byte 4',
    remedy: 'set `compatibility: openbsd`',
  };
  const groups = [statusOf('rpi1', 'plant', { mismatches: [mismatch], hints: [hint] })];
  const status = { version: '1.0.0', pid: 7, nodes: ['rpi1'], hosts: [{ node: 'rpi1', groups }] };
  const shown = statusLines(status, { now: new Date('2026-11-22T12:05:00.123Z') });
  assert.ok(shown.includes('  peer          192.0.2.11 signs without 192.0.2.101'));
  assert.ok(shown.includes('  peer          192.0.2.13 tells its demotion in byte 4'));
  assert.ok(shown.includes('  try           set `compatibility: openbsd`'));
  for (const line of shown) assert.ok(line.length <= 80, line);
});
