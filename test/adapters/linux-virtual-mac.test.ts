import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advertFrame, CARP_GROUPS, readAdvert } from '../../src/adapters/linux/advert-frame.ts';
import { aliasOf, formerIn } from '../../src/adapters/linux/arp-duty.ts';
import { macvlanName, virtualMacOf } from '../../src/adapters/linux/macvlan.ts';
import { type IpAddress, parseAddress } from '../../src/protocol/address.ts';
import { internetChecksum } from '../../src/protocol/checksum.ts';
import { vhid } from '../../src/protocol/units.ts';

const address = (text: string): IpAddress => {
  const found = parseAddress(text);
  assert.ok(found);
  return found;
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const payload = Uint8Array.from({ length: 36 }, (_, i) => i + 1);
const mac = virtualMacOf(vhid(10));
const ETHERNET = 14;
const frame4 = advertFrame({ mac, source: address('192.0.2.11'), tos: 0x10, payload });
const frame6 = advertFrame({ mac, source: address('fe80::11'), tos: 0x10, payload });

test('an IPv4 advert goes to the group from the virtual MAC, with TTL 255 and DF', () => {
  assert.equal(
    hex(frame4.subarray(0, ETHERNET + 20)),
    // Ethernet; version, TOS, length; id, DF; TTL, protocol, checksum; source; group.
    `01005e00001200005e00010a0800${'45100038'}${'00004000'}${'ff70d927'}${'c000020b'}${'e0000012'}`,
  );
  assert.equal(internetChecksum(frame4.subarray(ETHERNET, ETHERNET + 20)), 0);
  assert.deepEqual(frame4.subarray(ETHERNET + 20), payload);
});

test('an IPv6 advert goes to the group from the virtual MAC, with hop limit 255 and no flow label', () => {
  assert.equal(
    hex(frame6.subarray(0, ETHERNET + 40)),
    `33330000001200005e00010a86dd${'61000000'}${'002470ff'}${hex(address('fe80::11').bytes)}${hex(address('ff02::12').bytes)}`,
  );
  assert.deepEqual(frame6.subarray(ETHERNET + 40), payload);
});

for (const [family, frame, source] of [
  [4, frame4, '192.0.2.11'],
  [6, frame6, 'fe80::11'],
] as const) {
  const packet = frame.subarray(ETHERNET);

  test(`an IPv${family} advert is read as it was written, without the padding of Ethernet`, () => {
    const found = readAdvert(family, Uint8Array.from([...packet, 0, 0, 0, 0, 0, 0]));
    assert.ok(found);
    assert.deepEqual([found.source.text, found.destination.text, found.ttl], [source, CARP_GROUPS[family].text, 255]);
    assert.deepEqual(found.payload, payload);
    assert.notEqual(found.payload.buffer, packet.buffer, 'a copy');
  });

  test(`an IPv${family} packet cut short at any place is refused`, () => {
    for (let length = 0; length < packet.length; length++)
      assert.equal(readAdvert(family, packet.subarray(0, length)), undefined, `${length} bytes`);
  });

  test(`an IPv${family} packet of the other version, or of another protocol, is refused`, () => {
    const other = packet.slice();
    other[0] = family === 4 ? 0x65 : 0x40;
    assert.equal(readAdvert(family, other), undefined);
    const udp = packet.slice();
    udp[family === 4 ? 9 : 6] = 17;
    assert.equal(readAdvert(family, udp), undefined);
  });
}

test('an IPv4 packet with a wrong header checksum is refused', () => {
  const wrong = frame4.slice(ETHERNET);
  wrong[8] = 254;
  assert.equal(readAdvert(4, wrong), undefined);
});

test('a fragment is refused', () => {
  const fragment = frame4.slice(ETHERNET);
  fragment.set([0x20, 0, 0xff, 112, 0, 0], 6);
  const sum = internetChecksum(fragment.subarray(0, 20));
  fragment.set([sum >> 8, sum & 0xff], 10);
  assert.equal(internetChecksum(fragment.subarray(0, 20)), 0, 'the header is right otherwise');
  assert.equal(readAdvert(4, fragment), undefined);
});

test('IPv4 options before the advert are skipped', () => {
  const header = [...frame4.subarray(ETHERNET, ETHERNET + 20), 1, 1, 1, 0];
  header[0] = 0x46;
  header[3] = 24 + payload.length;
  header.splice(10, 2, 0, 0);
  const sum = internetChecksum(Uint8Array.from(header));
  header.splice(10, 2, sum >> 8, sum & 0xff);
  assert.deepEqual(readAdvert(4, Uint8Array.from([...header, ...payload]))?.payload, payload);
});

test('the MAC address of a virtual host ends in its vhid', () => {
  assert.equal(hex(virtualMacOf(vhid(1))), '00005e000101');
  assert.equal(hex(virtualMacOf(vhid(255))), '00005e0001ff');
});

test('names of macvlans differ by parent and vhid, and are never too long for an interface', () => {
  assert.equal(macvlanName(2, vhid(10)), 'carp2-10');
  assert.equal(macvlanName(2 ** 31 - 1, vhid(255)), 'carpzik0zj_255');
  const names = [2, 21, 210, 9_999_999, 10_000_000, 2 ** 31 - 1].flatMap((index) =>
    [1, 10, 101, 255].map((id) => macvlanName(index, vhid(id))),
  );
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.ok(name.length <= 15, name);
});

test('the alias of a macvlan remembers what its parent had', () => {
  const former = { arp_ignore: 0, arp_filter: 1, arp_announce: 2 };
  const alias = aliasOf(10, 'eth0.5', former);
  assert.equal(alias, 'CARP vhid 10 on eth0.5; before: arp_ignore=0 arp_filter=1 arp_announce=2');
  assert.deepEqual(formerIn(alias), former);
});

for (const alias of [
  undefined,
  '',
  'uplink',
  'CARP vhid 10 on eth0; before:',
  'CARP vhid 10 on eth0; before: arp_ignore=0 arp_filter=0',
  'CARP vhid 10 on eth0; before: arp_ignore=x arp_filter=0 arp_announce=0',
])
  test(`the alias ${JSON.stringify(alias)} remembers nothing`, () => {
    assert.equal(formerIn(alias), undefined);
  });
