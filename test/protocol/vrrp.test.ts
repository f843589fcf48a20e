import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Path } from '../../src/protocol/checksum.ts';
import { readVrrp, type Vrrp } from '../../src/protocol/vrrp.ts';
import { address, bytes, captures, flipBit, packetsOf } from './vectors.ts';

const IPV4: Path = { source: address('192.0.2.11'), destination: address('224.0.0.18') };
const IPV6: Path = { source: address('fe80::11'), destination: address('ff02::12') };

/** As keepalived 2.2 sent them on a wire. */
const VERSION_2 = bytes('210a96020101f252c0000264c00002653132333435363738');
const VERSION_3 = bytes('310bc8010032a1bfc0000266');
const VERSION_3_IPV6 = bytes('310c640200643f4cfe80000000000000000000000000006420010db8000000000000000000000064');

const shown = (vrrp: Vrrp | undefined): unknown =>
  vrrp === undefined ? undefined : { ...vrrp, addresses: vrrp.addresses.map(({ text }) => text) };

test('adverts of keepalived are read: version 2, version 3, and version 3 over IPv6', () => {
  assert.deepEqual(shown(readVrrp(VERSION_2, IPV4)), {
    version: 2,
    vrid: 10,
    priority: 150,
    addresses: ['192.0.2.100', '192.0.2.101'],
    interval: 1000,
    checksum: 'ok',
  });
  assert.deepEqual(shown(readVrrp(VERSION_3, IPV4)), {
    version: 3,
    vrid: 11,
    priority: 200,
    addresses: ['192.0.2.102'],
    interval: 500,
    checksum: 'ok',
  });
  assert.deepEqual(shown(readVrrp(VERSION_3_IPV6, IPV6)), {
    version: 3,
    vrid: 12,
    priority: 100,
    addresses: ['fe80::64', '2001:db8::64'],
    interval: 1000,
    checksum: 'ok',
  });
});

test('a checksum without pseudo-header is as good in version 3, and a bit that turned over is told', () => {
  // 0x310b + 0xc801 + 0x0032 + 0xc000 + 0x0266 with carries, complemented.
  const plain = VERSION_3.slice();
  plain.set(bytes('445a'), 6);
  assert.equal(readVrrp(plain, IPV4)?.checksum, 'ok');
  for (const [packet, path] of [
    [VERSION_2, IPV4],
    [VERSION_3, IPV4],
    [VERSION_3_IPV6, IPV6],
  ] as const)
    assert.equal(readVrrp(flipBit(packet, 16), path)?.checksum, 'bad');
});

test('version 2 is read without its authentication data too, and not over IPv6', () => {
  assert.equal(readVrrp(VERSION_2.subarray(0, 16), IPV4)?.addresses.length, 2);
  assert.equal(readVrrp(VERSION_2, IPV6), undefined);
});

test('what a router has to ignore is no VRRP: other types and versions, id 0, no addresses, lengths that do not fit', () => {
  const changed = (offset: number, value: number): Uint8Array =>
    VERSION_3.map((octet, i) => (i === offset ? value : octet));
  assert.notEqual(readVrrp(changed(0, 0x31), IPV4), undefined);
  for (const packet of [
    changed(0, 0x32),
    changed(0, 0x41),
    changed(1, 0),
    changed(3, 0),
    changed(3, 2),
    VERSION_3.subarray(0, 7),
    VERSION_3.subarray(0, 11),
    new Uint8Array([...VERSION_3, 0]),
    new Uint8Array(),
  ])
    assert.equal(readVrrp(packet, IPV4), undefined);
});

test('a packet that is a slice of something longer is read from its own first byte', () => {
  const pool = Buffer.concat([Buffer.from([1, 2, 3]), VERSION_3, Buffer.from([4, 5])]);
  assert.equal(readVrrp(pool.subarray(3, 15), IPV4)?.vrid, 11);
});

for (const capture of captures)
  test(`no CARP advert of ${capture.file} is taken for VRRP`, async () => {
    for (const packet of await packetsOf(capture)) assert.equal(readVrrp(packet.payload, packet), undefined);
  });

test('whatever comes, reading it does not throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (payload, isIpv6) => {
      const vrrp = readVrrp(payload, isIpv6 ? IPV6 : IPV4);
      return vrrp === undefined || vrrp.addresses.length === payload[3];
    }),
  );
});
