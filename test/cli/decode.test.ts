import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createSigner } from '../../src/adapters/node/hmac.ts';
import { type Advert, encodeAdvert } from '../../src/protocol/advert.ts';
import { authenticator, keyOf } from '../../src/protocol/authentication.ts';
import type { Path } from '../../src/protocol/checksum.ts';
import { advBase, advSkew, vhid } from '../../src/protocol/units.ts';
import { address, captures, utf8 } from '../protocol/vectors.ts';
import { ethernet, hopByHop, ipv4, ipv6, ipv6Fragment, pcap, START_S, sll, sll2, tagged } from './capture-file.ts';
import { carp, lines, type Result } from './carp.ts';
import { describe as describeInterface, enhanced, section } from './pcapng-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'carp-decode-'));
after(() => rmSync(folder, { recursive: true, force: true }));

type Item = Readonly<Partial<Record<keyof typeof GENUINE | 'problem', unknown>>>;
const itemsOf = ({ stdout }: Result): readonly Item[] => lines(stdout).map((line) => JSON.parse(line) as Item);

const addressArgs = (addresses: readonly string[]): readonly string[] =>
  addresses.flatMap((text) => ['--address', text]);

for (const { file, path, vhid: id, key, addresses, adverts } of captures) {
  test(`every advert of ${file} is decoded and found genuine`, async () => {
    const result = await carp(['decode', '--json', '--pass', key, ...addressArgs(addresses), path]);
    assert.equal(result.code, 0, result.stderr);
    const items = itemsOf(result);
    assert.ok(items.length > 0);
    if (adverts !== undefined) assert.equal(items.length, adverts);
    for (const item of items) {
      assert.equal(item.vhid, id);
      assert.equal(item.version, 2);
      assert.equal(item.ttl, 255);
      assert.equal(item.checksum, 'ok');
      assert.equal(item.digest, 'ok');
      assert.equal(item.problem, undefined);
      assert.match(String(item.counter), /^[0-9a-f]{16}$/);
    }
  });
}

/** One of each system is enough to see the verdict; test/protocol tries wrong parameters with all of them. */
const ONE_OF_EACH = ['fbsd14-v4-v6.pcap', 'obsd80-v4-v6.pcap', 'netbsd-v4-v6.pcap', 'ucarp-base.pcap'];

for (const { file, path, addresses } of captures.filter((capture) => ONE_OF_EACH.includes(capture.file))) {
  test(`with another password, every advert of ${file} is bad`, async () => {
    const result = await carp(['decode', '--json', '--pass', 'wrong', ...addressArgs(addresses), path]);
    assert.equal(result.code, 0);
    assert.ok(itemsOf(result).length > 0);
    assert.ok(itemsOf(result).every(({ digest, problem }) => digest === 'bad' && problem === 'badauth'));
  });
}

const ADVERT: Omit<Advert, 'digest'> = {
  vhid: vhid(7),
  advbase: advBase(1),
  advskew: advSkew(100),
  demotion: 3,
  counter: 0xabcdefn,
};
const SHARED = ['192.0.2.100', '2001:db8::100'];
const { digest } = authenticator(
  { vhid: ADVERT.vhid, addresses: SHARED.map(address) },
  createSigner(keyOf(utf8('secret'))),
);
const genuine: Advert = { ...ADVERT, digest: digest(ADVERT.counter, 'with-link-local') };
const ADVERT_BYTES = encodeAdvert(genuine);
const IPV6_PATH: Path = { source: address('fe80::11'), destination: address('ff02::12') };

const GENUINE = {
  at: new Date(START_S * 1000).toISOString(),
  source: '192.0.2.11',
  destination: '224.0.0.18',
  ttl: 255,
  version: 2,
  vhid: 7,
  advbase: 1,
  advskew: 100,
  demotion: 3,
  counter: '0000000000abcdef',
  checksum: 'ok',
  digest: 'ok',
};
const GENUINE_IPV6 = { ...GENUINE, source: 'fe80::11', destination: 'ff02::12' };
const KNOWN = ['--pass', 'secret', ...addressArgs(SHARED)];

const decode = (file: Uint8Array, ...args: readonly string[]): Promise<Result> =>
  carp(['decode', '--json', ...args, '-'], { stdin: file });

for (const [name, file, expected] of [
  ['Ethernet', pcap([ethernet(ipv4(ADVERT_BYTES))]), GENUINE],
  ['big-endian', pcap([ethernet(ipv4(ADVERT_BYTES))], { bigEndian: true }), GENUINE],
  ['nanosecond', pcap([ethernet(ipv4(ADVERT_BYTES))], { nanoseconds: true }), GENUINE],
  ['big-endian nanosecond', pcap([ethernet(ipv4(ADVERT_BYTES))], { bigEndian: true, nanoseconds: true }), GENUINE],
  ['802.1Q', pcap([tagged(ipv4(ADVERT_BYTES))]), GENUINE],
  ['802.1ad', pcap([tagged(ipv6(ADVERT_BYTES), 0x88a8)]), GENUINE_IPV6],
  ['Linux cooked', pcap([sll(ipv4(ADVERT_BYTES))], { link: 113 }), GENUINE],
  ['Linux cooked v2', pcap([sll2(ipv6(ADVERT_BYTES))], { link: 276 }), GENUINE_IPV6],
  ['raw IP', pcap([ipv4(ADVERT_BYTES)], { link: 101 }), GENUINE],
  ['raw IPv6', pcap([ipv6(ADVERT_BYTES)], { link: 229 }), GENUINE_IPV6],
  ['IPv4 options', pcap([ethernet(ipv4(ADVERT_BYTES, { extra: new Uint8Array(8).fill(1) }))]), GENUINE],
  ['Ethernet padding', pcap([Buffer.concat([ethernet(ipv4(ADVERT_BYTES)), Buffer.alloc(9, 0xee)])]), GENUINE],
  ['IPv6', pcap([ethernet(ipv6(ADVERT_BYTES))]), GENUINE_IPV6],
  ['NetBSD checksum', pcap([ethernet(ipv6(encodeAdvert(genuine, IPV6_PATH)))]), GENUINE_IPV6],
  ['hop-by-hop', pcap([ethernet(ipv6(ADVERT_BYTES, { next: 0, extra: hopByHop(112) }))]), GENUINE_IPV6],
  [
    'two extension headers and an atomic fragment',
    pcap([ethernet(ipv6(ADVERT_BYTES, { next: 0, extra: Buffer.concat([hopByHop(44), ipv6Fragment(112, 0)]) }))]),
    GENUINE_IPV6,
  ],
] as const)
  test(`an advert is found in a capture with ${name}`, async () => {
    const result = await decode(file, ...KNOWN);
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(itemsOf(result), [expected]);
    assert.equal(result.stderr, '');
  });

test('a pcapng capture is decoded as a pcap one is', async () => {
  const packets = [ethernet(ipv4(ADVERT_BYTES)), tagged(ipv6(ADVERT_BYTES))];
  const times = [BigInt(START_S) * 1000n, BigInt(START_S) * 1000n + 1250n];
  const file = Buffer.concat([
    ...[section(), describeInterface({ resolution: 3 })],
    ...packets.map((packet, i) => enhanced(packet, times[i] ?? 0n)),
  ]);
  const result = await decode(file, ...KNOWN);
  assert.deepEqual(result, await decode(pcap(packets), ...KNOWN));
  assert.equal(itemsOf(result).length, 2);
});

test('keys are in the order of the documentation', async () => {
  const [item] = itemsOf(await decode(pcap([ethernet(ipv4(ADVERT_BYTES))])));
  assert.deepEqual(Object.keys(item ?? {}), Object.keys(GENUINE));
});

test('without password or addresses the digest is unchecked', async () => {
  const file = pcap([ethernet(ipv4(ADVERT_BYTES))]);
  for (const args of [[], ['--pass', 'secret'], addressArgs(SHARED)])
    assert.deepEqual(itemsOf(await decode(file, ...args)), [{ ...GENUINE, digest: 'unchecked' }]);
});

test('a missing address makes the digest bad; prefix lengths, order and a password file do not matter', async () => {
  const file = pcap([ethernet(ipv4(ADVERT_BYTES))]);
  const [bad] = itemsOf(await decode(file, '--pass', 'secret', '--address', '192.0.2.100'));
  assert.equal(bad?.digest, 'bad');
  const passfile = join(folder, 'pass');
  writeFileSync(passfile, 'secret\r\n');
  const args = ['--passfile', passfile, '--address', '2001:db8::100/64', '--address', '192.0.2.100/24'];
  assert.deepEqual(itemsOf(await decode(file, ...args)), [GENUINE]);
});

test('a password of more than 20 bytes is refused, and not shown', async () => {
  const { code, stderr } = await decode(pcap([]), '--pass', 'hunter2-hunter2-hunter2');
  assert.equal(code, 2);
  assert.match(stderr, /23 bytes.*first 19/);
  assert.doesNotMatch(stderr, /hunter2/);
});

const VRRP_V2 = Buffer.from('21016401000109b5c00002640000000000000000', 'hex');
const VRRP_V3 = Buffer.from('310164010064c1d7c0000264', 'hex');
const altered = Buffer.from(ADVERT_BYTES);
altered.writeUInt8(99, 2);

for (const [name, frame, expected] of [
  ['VRRP version 2', ethernet(ipv4(VRRP_V2)), { version: 2, digest: 'unchecked', problem: 'badlen' }],
  ['VRRP version 3', ethernet(ipv4(VRRP_V3)), { version: 3, digest: 'unchecked', problem: 'badver' }],
  ['a short advert', ethernet(ipv4(ADVERT_BYTES.subarray(0, 35))), { version: 2, problem: 'badlen' }],
  ['an empty payload', ethernet(ipv4(new Uint8Array())), { version: undefined, problem: 'badlen' }],
  ['an altered advert', ethernet(ipv4(altered)), { advskew: 99, checksum: 'bad', digest: 'ok', problem: 'badsum' }],
  ['a forwarded advert', ethernet(ipv4(ADVERT_BYTES, { ttl: 254 })), { ttl: 254, digest: 'ok', problem: 'badttl' }],
  ['an IPv4 fragment', ethernet(ipv4(ADVERT_BYTES, { fragment: 0x2000 })), { vhid: undefined, problem: 'fragment' }],
  [
    'an IPv6 fragment',
    ethernet(ipv6(ADVERT_BYTES, { next: 44, extra: ipv6Fragment(112, 8) })),
    { vhid: undefined, problem: 'fragment' },
  ],
] as const)
  test(`${name} gets a verdict`, async () => {
    const result = await decode(pcap([frame]), ...KNOWN);
    assert.equal(result.code, 0, result.stderr);
    const [item, ...others] = itemsOf(result);
    assert.deepEqual(others, []);
    for (const [key, value] of Object.entries(expected)) assert.equal(item?.[key as keyof Item], value, key);
  });

test('a packet that the capture cut off is not called short', async () => {
  const result = await decode(pcap([ethernet(ipv4(ADVERT_BYTES))], { snapLength: 60 }));
  assert.equal(itemsOf(result)[0]?.problem, 'cut');
});

test('other protocols are passed over, whatever is in them', async () => {
  const others = [
    ethernet(ipv4(ADVERT_BYTES, { protocol: 17 })),
    ethernet(ipv6(ADVERT_BYTES, { protocol: 58 })),
    ethernet(Buffer.alloc(46)),
    Buffer.alloc(0),
    Buffer.alloc(13),
    tagged(Buffer.alloc(0)),
    ethernet(Buffer.from([0x45])),
    ethernet(Buffer.from([0x60, 0, 0])),
  ];
  const result = await carp(['decode', '-'], { stdin: pcap(others) });
  assert.deepEqual(result, { code: 0, stdout: 'no CARP adverts; 8 packets of other protocols\n', stderr: '' });
});

test('people get a readable line for each advert, and a summary', async () => {
  const bowOut = encodeAdvert({ ...genuine, advbase: advBase(255), advskew: advSkew(255) });
  const file = pcap([ethernet(ipv4(ADVERT_BYTES)), ethernet(ipv4(bowOut)), ethernet(ipv4(VRRP_V3))]);
  const { code, stdout } = await carp(['decode', ...KNOWN, '-'], { stdin: file });
  assert.equal(code, 0);
  assert.deepEqual(lines(stdout), [
    `${GENUINE.at} 192.0.2.11 > 224.0.0.18 ttl 255 vhid 7 advbase 1 advskew 100 demotion 3 (every 1.391 s) counter 0000000000abcdef checksum ok digest ok`,
    `${new Date(START_S * 1000 + 1250).toISOString()} 192.0.2.11 > 224.0.0.18 ttl 255 vhid 7 advbase 255 advskew 255 demotion 3 (bow-out) counter 0000000000abcdef checksum ok digest ok`,
    `${new Date(START_S * 1000 + 2500).toISOString()} 192.0.2.11 > 224.0.0.18 ttl 255 version 3: badver (not CARP, whose version is 2)`,
    '3 packets of protocol 112 (vhid 7 from 192.0.2.11, VRRP or damaged from 192.0.2.11), 2 digests checked, 1 badver',
  ]);
});

const [whole] = captures;

for (const [name, cut, count] of [
  ['in a packet', 10, 1],
  ['in a record header', 56 + 14 + 6, 1],
] as const)
  test(`a file that ends ${name} is told so after what could be read, with exit code 1`, async () => {
    const file = pcap([ethernet(ipv4(ADVERT_BYTES)), ethernet(ipv4(ADVERT_BYTES))]);
    const result = await decode(file.subarray(0, -cut));
    assert.equal(result.code, 1);
    assert.equal(itemsOf(result).length, count);
    assert.match(result.stderr, /^carp: standard input ends in the middle of a packet.*\n.*tcpdump -U/);
  });

for (const [name, content, message] of [
  ['text', Buffer.from('this is no capture at all'), /is no pcap or pcapng file\n.*tcpdump/],
  ['an empty file', Buffer.alloc(0), /is empty.*\n.*tcpdump -U/],
  ['three bytes', Buffer.from('abc'), /is no pcap or pcapng file/],
  ['a compressed file', Buffer.from('1f8b08000000', 'hex'), /is compressed\n.*gunzip/],
  ['a file of another link layer', pcap([], { link: 105 }), /link type 105/],
  [
    'a damaged file',
    Buffer.concat([pcap([]), Buffer.from('0000000000000000ffffffffffffffff', 'hex')]),
    /is damaged: a packet of 4294967295 bytes/,
  ],
] as const)
  test(`${name} is refused with exit code 1 and what to do`, async () => {
    const file = join(folder, 'refused.pcap');
    writeFileSync(file, content);
    const result = await carp(['decode', '--json', file]);
    assert.equal(result.code, 1);
    assert.equal(result.stdout, '');
    assert.match(result.stderr, message);
    assert.doesNotMatch(result.stderr, /\n {4}at /);
  });

test('a file that is not there, or a folder, is a failure and not a defect', async () => {
  const missing = await carp(['decode', join(folder, 'none.pcap')]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /cannot read .*none\.pcap: there is no such file\n.*ls -l/);
  const isFolder = await carp(['decode', folder]);
  assert.equal(isFolder.code, 1);
  assert.match(isFolder.stderr, /it is a folder/);
});

test('a reader that has seen enough ends the command quietly', async () => {
  assert.ok(whole);
  const frame = ethernet(ipv4(ADVERT_BYTES));
  const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
  const child = spawn(process.execPath, [main, 'decode', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  child.stdin.on('error', () => undefined);
  // Far more than a pipe holds, so that the command is still writing when its reader leaves.
  child.stdin.end(pcap(Array(5000).fill(frame)));
  await once(child.stdout, 'data');
  child.stdout.destroy();
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
  assert.equal(Buffer.concat(errors).toString(), '');
});

test('a file is read as standard input is', async () => {
  assert.ok(whole);
  const fromFile = await carp(['decode', '--json', whole.path]);
  assert.deepEqual(await decode(readFileSync(whole.path)), fromFile);
});
