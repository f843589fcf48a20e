/** Hosts that do not understand each other, on a LAN in memory and in virtual time: who finds out what, and how often. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigner } from '../../src/adapters/node/hmac.ts';
import type { Finding, MismatchEvent } from '../../src/engine/mismatch.ts';
import { MismatchRate } from '../../src/engine/mismatch-rate.ts';
import { type Advert, encodeAdvert } from '../../src/protocol/advert.ts';
import { authenticator, keyOf } from '../../src/protocol/authentication.ts';
import { advBase, advSkew, vhid } from '../../src/protocol/units.ts';
import { address, bytes, utf8 } from '../protocol/vectors.ts';
import { cidr, type VirtualHost, type VirtualLan, virtualLan } from '../support/virtual-lan.ts';

const findingsOf = ({ host }: VirtualHost): Finding[] => {
  const findings: Finding[] = [];
  host.findings$.subscribe((finding) => findings.push(finding));
  return findings;
};
const mismatches = (findings: readonly Finding[]): readonly MismatchEvent[] =>
  findings.filter((finding) => finding.event === 'auth-mismatch');

const THREE = ['192.0.2.100/24', '192.0.2.101/24', '192.0.2.102/24'].map(cidr);

interface Forged {
  readonly password?: string;
  readonly addresses?: readonly string[];
  readonly source?: string;
  readonly counter?: bigint;
  readonly skew?: number;
  readonly demotion?: number;
}

let counter = 1n;
const advert = ({ password = 'secret', addresses = ['192.0.2.100'], skew = 200, demotion = 0, ...more }: Forged) => {
  counter += 977n;
  const list = { vhid: vhid(10), addresses: addresses.map(address) };
  const count = more.counter ?? counter;
  const digest = authenticator(list, createSigner(keyOf(utf8(password)))).digest(count, 'with-link-local');
  const said: Advert = {
    vhid: vhid(10),
    advbase: advBase(1),
    advskew: advSkew(skew),
    demotion,
    counter: count,
    digest,
  };
  return encodeAdvert(said);
};

/** Somebody on the LAN who sends whatever he likes. */
const stranger = (lan: VirtualLan) => {
  const channel = lan.lan.host('stranger').transport.open({
    interface: 'eth0',
    family: 4,
    vhid: vhid(10),
    peers: [],
    tos: 0x10,
    checksTtl: true,
    broadcast: false,
  });
  return (payload: Uint8Array, source = '192.0.2.66'): void => channel.send(payload, address(source));
};

test('two hosts whose addresses differ both become MASTER, and each says once what the other signs', async () => {
  const lan = virtualLan();
  const one = lan.start('one', { addresses: THREE });
  const two = lan.start('two', { addresses: THREE.slice(0, 2) });
  const [found, mirrored] = [findingsOf(one), findingsOf(two)];
  await lan.pass(200_000);
  assert.deepEqual(
    [one, two].map(({ host }) => host.status().groups[0]?.role),
    ['MASTER', 'MASTER'],
  );
  assert.equal(found.length, 1);
  assert.equal(mirrored.length, 1);
  const [ours] = mismatches(found);
  const [theirs] = mismatches(mirrored);
  assert.equal(ours?.kind, 'missing-address');
  assert.deepEqual(ours?.addresses, ['192.0.2.102']);
  assert.match(ours?.detail ?? '', /signs without 192\.0\.2\.102$/);
  assert.equal(theirs?.kind, 'extra-address');
  assert.deepEqual(theirs?.addresses, ['192.0.2.102']);
  const { detail: _detail, remedy, addresses: _addresses, ...envelope } = ours ?? assert.fail();
  assert.deepEqual(envelope, {
    event: 'auth-mismatch',
    group: 'plant',
    interface: 'eth0',
    vhid: 10,
    node: 'one',
    at: ours?.at,
    source: theirs === undefined ? '' : one.host.status().groups[0]?.mismatches?.[0]?.source,
    kind: 'missing-address',
  });
  assert.match(remedy, /^add 192\.0\.2\.102 to vhid 10 on /);
  assert.deepEqual(one.host.status().groups[0]?.mismatches, [ours]);
  assert.ok(one.lines.includes(`warn ${ours?.detail}`));
});

test('a finding is over when the peer signs as we do, and is found again when it does not any more', async () => {
  const lan = virtualLan();
  const one = lan.start('one', { advskew: advSkew(100) });
  const found = findingsOf(one);
  const two = lan.start('two', { key: keyOf(utf8('secre')) });
  await lan.pass(10_000);
  assert.deepEqual(
    mismatches(found).map(({ kind, cleared }) => [kind, cleared]),
    [['password-cut', undefined]],
  );
  two.apply({ preempt: true });
  // The former group says farewell before the new one starts.
  await lan.pass(2000);
  await lan.pass(10_000);
  assert.deepEqual(
    mismatches(found).map(({ kind, cleared }) => [kind, cleared]),
    [
      ['password-cut', undefined],
      ['password-cut', true],
    ],
  );
  assert.equal(one.host.status().groups[0]?.mismatches, undefined);
  two.apply({ key: keyOf(utf8('')) });
  await lan.pass(2000);
  await lan.pass(70_000);
  assert.equal(mismatches(found).at(-1)?.kind, 'empty-password');
  assert.equal(one.host.status().groups[0]?.mismatches?.length, 1);
});

test('who took the password of another group of this host is told its name, and nothing of the password', async () => {
  const lan = virtualLan();
  const office = {
    name: 'office',
    vhid: vhid(11),
    key: keyOf(utf8('office-secret')),
    addresses: [cidr('192.0.2.110/24')],
  };
  const one = lan.start('one', [{}, office]);
  const found = findingsOf(one);
  const send = stranger(lan);
  await lan.pass(1000);
  send(advert({ password: 'office-secret' }));
  await lan.pass(3000);
  send(advert({ password: 'office-secret', addresses: ['192.0.2.110'] }), '192.0.2.67');
  await lan.pass(3000);
  assert.deepEqual(
    mismatches(found).map(({ kind, source, mixedUpWith }) => [kind, source, mixedUpWith]),
    [
      ['password-of-group', '192.0.2.66', 'office'],
      ['swapped-groups', '192.0.2.67', 'office'],
    ],
  );
  assert.doesNotMatch(JSON.stringify([found, one.lines, one.host.status()]), /office-secret/);
});

test('VRRP with our number is named, in both versions; with another number it is nothing to us', async () => {
  const lan = virtualLan();
  const one = lan.start('one');
  const found = findingsOf(one);
  const send = stranger(lan);
  await lan.pass(1000);
  // As keepalived sent it: version 2, id 10, priority 150, two addresses.
  send(bytes('210a96020101f252c0000264c00002653132333435363738'));
  await lan.pass(2000);
  // Version 3 with id 11 from keepalived, and the same with id 10, whose checksum is one higher.
  send(bytes('310bc8010032a1bfc0000266'), '192.0.2.67');
  send(bytes('310ac8010032445bc0000266'), '192.0.2.68');
  await lan.pass(2000);
  assert.deepEqual(
    mismatches(found).map(({ kind, source }) => [kind, source]),
    [
      ['vrrp', '192.0.2.66'],
      ['vrrp', '192.0.2.68'],
    ],
  );
  assert.match(
    mismatches(found)[0]?.detail ?? '',
    /speaks VRRP version 2 with id 10 \(priority 150, 192\.0\.2\.100, 192\.0\.2\.101\)/,
  );
  assert.match(mismatches(found)[1]?.detail ?? '', /version 3/);
});

test('a flood of forged sources is eight findings and then one more each ten seconds at most; all are bounded', async () => {
  const lan = virtualLan();
  const one = lan.start('one');
  const found = findingsOf(one);
  const send = stranger(lan);
  await lan.pass(1000);
  for (let second = 0; second < 120; second += 1) {
    for (let i = 0; i < 20; i += 1) send(advert({ password: 'guess' }), `192.0.2.${1 + ((second * 20 + i) % 90)}`);
    await lan.pass(1000);
  }
  const told = mismatches(found).filter(({ cleared }) => cleared === undefined);
  assert.ok(told.length >= 8 && told.length <= 8 + 12, `${told.length} findings in two minutes`);
  assert.ok((one.host.status().groups[0]?.mismatches?.length ?? 0) <= 8);
  assert.equal(one.host.status().groups[0]?.role, 'MASTER');
});

test('a flood of forged sources does not hide a mistake that was found out', async () => {
  const lan = virtualLan();
  const one = lan.start('one', { addresses: THREE });
  const found = findingsOf(one);
  const send = stranger(lan);
  await lan.pass(1000);
  const peer = () => advert({ addresses: ['192.0.2.100', '192.0.2.101'] });
  for (let second = 0; second < 120; second += 1) {
    send(peer());
    for (let i = 0; i < 20 && second > 3; i += 1)
      send(advert({ password: 'guess' }), `192.0.2.${1 + ((second * 20 + i) % 60)}`);
    await lan.pass(1000);
  }
  assert.equal(one.host.status().groups[0]?.mismatches?.length, 8);
  assert.deepEqual(
    mismatches(found)
      .filter(({ source }) => source === '192.0.2.66')
      .map(({ kind, cleared }) => [kind, cleared]),
    [['missing-address', undefined]],
  );
});

test('a source that makes another mistake than before is looked at again within ten seconds, and not accused of the old one', async () => {
  const lan = virtualLan();
  const one = lan.start('one');
  const send = stranger(lan);
  const sendFor = async (seconds: number, forged: Forged) => {
    for (let second = 0; second < seconds; second += 1) {
      send(advert(forged));
      await lan.pass(1000);
    }
    return one.host.status().groups[0]?.mismatches?.map(({ kind }) => kind);
  };
  await lan.pass(1000);
  assert.deepEqual(await sendFor(5, { password: 'secre' }), ['password-cut']);
  assert.deepEqual(await sendFor(8, { password: '' }), ['empty-password']);
  assert.deepEqual(await sendFor(15, { password: 'quite another' }), ['unknown']);
  // As a BACKUP it was silent.
  await lan.pass(15_000);
  assert.deepEqual(await sendFor(3, { password: 'secre' }), ['password-cut']);
});

for (const [title, forgedEachSecond] of [
  ['now and then', 3],
  ['in a flood', 80],
] as const)
  test(`adverts that are forged ${title} under a peer's own address do not blot out what was found of it`, async () => {
    const lan = virtualLan();
    const one = lan.start('one', { addresses: THREE });
    const found = findingsOf(one);
    const send = stranger(lan);
    await lan.pass(1000);
    const peer = () => advert({ addresses: ['192.0.2.100', '192.0.2.101'] });
    for (let second = 0; second < 100; second += 1) {
      send(peer());
      await lan.pass(400);
      for (let i = 0; i < forgedEachSecond && second > 3; i += 1) send(advert({ password: 'guess' }));
      await lan.pass(600);
    }
    const kinds = () => mismatches(found).map(({ kind, cleared }) => [kind, cleared]);
    assert.deepEqual(kinds(), [['missing-address', undefined]]);
    // When the peer itself is not heard any more, what is forged is all there is to say of it.
    for (let second = 0; second < 70; second += 1) {
      send(advert({ password: 'guess' }));
      await lan.pass(1000);
    }
    assert.deepEqual(kinds(), [
      ['missing-address', undefined],
      ['unknown', undefined],
    ]);
  });

test('what has been silent for a minute and three intervals is over: a peer that understands us is a silent BACKUP', async () => {
  const lan = virtualLan();
  const one = lan.start('one');
  const found = findingsOf(one);
  const send = stranger(lan);
  await lan.pass(1000);
  send(advert({ password: '' }));
  await lan.pass(60_000);
  assert.equal(one.host.status().groups[0]?.mismatches?.length, 1);
  await lan.pass(15_000);
  assert.equal(one.host.status().groups[0]?.mismatches, undefined);
  assert.equal(mismatches(found).at(-1)?.cleared, true);
});

test('a host that has stopped does not go on with a diagnosis, and its stream ends', async () => {
  const lan = virtualLan();
  const one = lan.start('one');
  const found = findingsOf(one);
  let ended = false;
  one.host.findings$.subscribe({ complete: () => (ended = true) });
  const send = stranger(lan);
  await lan.pass(1000);
  send(advert({ password: '' }));
  one.host.crash();
  await lan.pass(10_000);
  assert.deepEqual(found, []);
  assert.equal(ended, true);
});

test('transitions are as if nobody looked: findings have a stream of their own', async () => {
  const lan = virtualLan();
  const one = lan.start('one');
  const send = stranger(lan);
  await lan.pass(5000);
  send(advert({ password: '' }));
  await lan.pass(5000);
  assert.ok(one.events.every(({ event }) => event === 'transition' || event === 'snapshot'));
  assert.ok(one.events.every((event) => !('kind' in event)));
});

test('a peer that tells its demotion in byte 4 is a hint to the profile of OpenBSD, once, and none with that profile', async () => {
  for (const compatibility of ['auto', 'openbsd'] as const) {
    const lan = virtualLan();
    const one = lan.start('one', { compatibility });
    const found = findingsOf(one);
    const send = stranger(lan);
    await lan.pass(1000);
    for (let i = 0; i < 5; i += 1) {
      send(advert({ demotion: 3 }));
      await lan.pass(1000);
    }
    assert.deepEqual(
      found.map(({ event, source }) => [event, source]),
      compatibility === 'auto' ? [['profile-hint', '192.0.2.66']] : [],
    );
    assert.equal(
      one.host.status().groups[0]?.hints?.[0]?.compatibility,
      compatibility === 'auto' ? 'openbsd' : undefined,
    );
  }
});

const SYSTEMS = [
  {
    compatibility: 'netbsd',
    addresses: ['2001:db8::64/64'],
    says: /^fe80::c sums the IPv6 pseudo-header, as NetBSD does/,
  },
  {
    compatibility: 'netbsd',
    addresses: ['192.0.2.100/24', '2001:db8::64/64'],
    says: /^192\.0\.2\.12 signs the automatic link-local address of its carp interface, as NetBSD does/,
  },
  {
    compatibility: 'openbsd',
    addresses: ['2001:db8::64/64', 'fe80::64/64'],
    says: /^fe80::c signs without link-local addresses, as OpenBSD does/,
  },
] as const;

for (const { compatibility, addresses, says } of SYSTEMS)
  test(`a peer that sends as ${compatibility} (${addresses}) is understood, and its profile is a hint`, async () => {
    const lan = virtualLan();
    const shared = addresses.map(cidr);
    const one = lan.start('one', { addresses: shared, advskew: advSkew(100) });
    const found = findingsOf(one);
    lan.start('two', { addresses: shared, compatibility });
    await lan.pass(20_000);
    assert.equal(one.host.status().groups[0]?.role, 'BACKUP');
    const hints = found.filter(({ event }) => event === 'profile-hint');
    assert.deepEqual(found, hints);
    assert.ok(
      hints.some((hint) => says.test(hint.detail)),
      JSON.stringify(hints),
    );
    for (const hint of one.host.status().groups[0]?.hints ?? []) {
      assert.equal(hint.compatibility, compatibility);
      assert.match(hint.remedy, new RegExp(`^set \`compatibility: ${compatibility}\` for plant`));
    }
    assert.equal(new Set(hints.map(({ source }) => source)).size, hints.length, 'each source once');
  });

test('an equal rival that ucarp would rank otherwise than we do is a hint; one that both rank alike is none', async () => {
  // The host itself is 192.0.2.x: against 198.51.100.1 the first octet and the last disagree, against 198.51.100.250 not.
  for (const [source, hinted] of [
    ['198.51.100.1', true],
    ['198.51.100.250', false],
  ] as const) {
    const lan = virtualLan();
    const one = lan.start('one', { sources: [] });
    const found = findingsOf(one);
    const send = stranger(lan);
    await lan.pass(1000);
    send(advert({ skew: 0 }), source);
    await lan.pass(1000);
    assert.deepEqual(
      found.map(({ event }) => event),
      hinted ? ['profile-hint'] : [],
      source,
    );
  }
});

test('a source is looked at once a minute, a group once a second, and no more than eight times at once', () => {
  const rate = new MismatchRate();
  const looked: [string, number][] = [];
  const offer = (source: string, now: number): void => {
    if (!rate.allows(source, now)) return;
    rate.look(source, now);
    looked.push([source, now]);
  };
  offer('a', 0);
  offer('a', 1000);
  offer('b', 999);
  offer('b', 1000);
  offer('a', 59_999);
  offer('a', 60_000);
  assert.deepEqual(looked, [
    ['a', 0],
    ['b', 1000],
    ['a', 60_000],
  ]);
  looked.length = 0;
  for (let i = 0; i < 600; i += 1) offer(`source ${i}`, 100_000 + i * 100);
  assert.ok(looked.length >= 12 && looked.length <= 14, `${looked.length} in a minute`);
});
