/** What we put on the wire, judged by tcpdump and Wireshark, byte by byte where it matters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Capture, type WireAdvert } from '../support/capture.ts';
import { Carp, type GroupText } from '../support/carp.ts';
import { Lan, type Machine, run } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { until } from '../support/wait.ts';

const VIP = '192.0.2.100';
const VIP6 = '2001:db8::64';
const group = (advskew: number): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`, `${VIP6}/64`],
  advskew,
});

/** The fields that every advert of ours has, whatever its content. */
const header = ({ at: _at, vhid: _vhid, advskew: _skew, advbase: _base, payload, ...rest }: WireAdvert): unknown => ({
  ...rest,
  bytes: payload.length,
  versionAndType: payload[0],
  authLength: payload[3],
  byte4: payload[4],
});

const expected = (host: Machine, family: 4 | 6): unknown => ({
  sourceMac: host.mac,
  destinationMac: family === 4 ? '01:00:5e:00:00:12' : '33:33:00:00:00:12',
  family,
  source: family === 4 ? host.ipv4 : host.linkLocal,
  destination: family === 4 ? '224.0.0.18' : 'ff02::12',
  ttl: 255,
  tos: 0x10,
  dontFragment: true,
  bytes: 36,
  versionAndType: 0x21,
  authLength: 7,
  byte4: 0,
});

const wireshark = async (file: string, ...fields: readonly string[]): Promise<readonly (readonly string[])[]> => {
  const wanted = fields.flatMap((field) => ['-e', field]);
  const filter = 'ip.proto == 112 or ipv6.nxt == 112';
  const output = await run(
    'tshark',
    '-n',
    '-r',
    file,
    '-d',
    'ip.proto==112,carp',
    '-Y',
    filter,
    '-T',
    'fields',
    ...wanted,
  );
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
};

test('tcpdump and Wireshark find nothing wrong with our adverts, announcements and bow-outs', {
  skip: missingForAgent('tcpdump', 'tshark'),
  timeout: 90_000,
}, async (t) => {
  const lan = await Lan.create(t, 2);
  const [first, second] = [lan.host(1), lan.host(2)];
  const capture = await Capture.start(lan);
  const one = Carp.start(lan, first, [group(0)]);
  await one.untilRole('MASTER', 15_000);
  const two = Carp.start(lan, second, [group(100)]);
  await two.untilRole('BACKUP', 15_000);
  await capture.untilAdverts(first, 6, 15_000);
  await one.terminate();
  await two.untilRole('MASTER', 3000);
  await capture.untilAdverts(second, 6, 15_000);
  const told = (mac: string, address: string): number =>
    capture.announcements().filter((each) => each.mac === mac && each.address === address).length;
  for (const address of [VIP, VIP6])
    await until(`five announcements of ${address}`, 5000, () => told(second.mac, address) >= 5);
  await capture.stop();

  for (const host of [first, second])
    for (const family of [4, 6] as const) {
      const adverts = capture.advertsOf(host).filter((advert) => advert.family === family);
      assert.ok(adverts.length >= 3, `${adverts.length} IPv${family} adverts of ${host.name}`);
      for (const advert of adverts) assert.deepEqual(header(advert), expected(host, family));
      assert.deepEqual([...new Set(adverts.map(({ vhid }) => vhid))], [10]);
    }

  const lastWords = [4, 6].map((family) => capture.advertsOf(first).findLast((advert) => advert.family === family));
  assert.deepEqual(
    lastWords.map((advert) => [advert?.family, advert?.advbase, advert?.advskew]),
    [
      [4, 255, 255],
      [6, 255, 255],
    ],
    'the last advert of an orderly stop is a bow-out, in both families',
  );
  const others = capture.adverts().filter(({ advbase }) => advbase !== 255);
  assert.deepEqual(
    new Set(others.map(({ source, advbase, advskew }) => `${source} ${advbase}/${advskew}`)),
    new Set([`${first.ipv4} 1/0`, `${first.linkLocal} 1/0`, `${second.ipv4} 1/100`, `${second.linkLocal} 1/100`]),
  );
  const counters = capture.adverts().map(({ payload }) => payload.subarray(8, 16).toString('hex'));
  assert.equal(new Set(counters).size, counters.length, 'no two adverts have the same counter');

  const announced = capture.announcements().filter(({ address }) => address === VIP || address === VIP6);
  for (const { kind, address, sourceMac, destinationMac, mac } of announced) {
    assert.equal(kind, address === VIP ? 'arp-request' : 'neighbour-advertisement');
    assert.equal(destinationMac, address === VIP ? 'ff:ff:ff:ff:ff:ff' : '33:33:00:00:00:01');
    assert.equal(sourceMac, mac, 'an announcement tells the MAC address that it comes from');
  }
  const claim = capture.advertsOf(second)[0]?.at ?? Number.NaN;
  const firstAnnouncement = announced.find(({ mac }) => mac === second.mac)?.at ?? Number.NaN;
  t.diagnostic(`announced ${(firstAnnouncement - claim).toFixed(1)} ms after the first advert`);
  assert.ok(firstAnnouncement >= claim, 'it claims first and announces then');
  assert.ok(firstAnnouncement - claim < 250, `announced ${firstAnnouncement - claim} ms after the claim`);

  const total = capture.adverts().length;
  const dissected = await wireshark(
    capture.file,
    'carp.version',
    'carp.type',
    'carp.vhid',
    'carp.checksum.status',
    '_ws.malformed',
    '_ws.expert.message',
  );
  assert.equal(dissected.length, total);
  const [GOOD, NOTHING] = ['1', ''];
  for (const fields of dissected) assert.deepEqual(fields.slice(0, 6), ['2', '1', '10', GOOD, NOTHING, NOTHING]);

  const text = await run(
    'tcpdump',
    '-n',
    '-vv',
    '-T',
    'carp',
    '-r',
    capture.file,
    'ip proto 112 or (ip6 and ip6[6] == 112)',
  );
  const lines = text.split('\n').filter((line) => line.includes('CARPv2-advertise 36: vhid=10'));
  assert.equal(lines.length, total);
  assert.doesNotMatch(text, /bad|invalid|truncated|\[\|/);
});
