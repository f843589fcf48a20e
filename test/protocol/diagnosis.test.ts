/** Each mistake is made with the code that signs, and has to be found by looking at the advert alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigner } from '../../src/adapters/node/hmac.ts';
import { type AddressForm, authenticator, keyOf } from '../../src/protocol/authentication.ts';
import { diagnose, diagnosing, HMACS_MAX, type Known } from '../../src/protocol/diagnosis.ts';
import { type Diagnosis, diagnosisOf } from '../../src/protocol/diagnosis-text.ts';
import { parseMac } from '../../src/protocol/mac.ts';
import { vhid } from '../../src/protocol/units.ts';
import { address, utf8 } from './vectors.ts';

const PASSWORD = 'Correct-horse-99';
const VIPS = ['192.0.2.100', '192.0.2.101', '192.0.2.102', '2001:db8::100', '2001:db8::101'];
const SOURCE = '192.0.2.11';
const COUNTER = 0x0123_4567_89ab_cdefn;

interface Signer {
  readonly vhid?: number;
  readonly password?: string | Uint8Array;
  readonly addresses?: readonly string[];
  readonly form?: AddressForm;
  readonly mac?: string;
}

const keyFor = (password: string | Uint8Array): Uint8Array =>
  keyOf(typeof password === 'string' ? utf8(password) : password);

const macOf = (text: string): Uint8Array => {
  const mac = parseMac(text);
  assert.ok(mac);
  return mac;
};

/** What a peer that is set up like this sends. */
const signedBy = ({ vhid: id = 10, password = PASSWORD, addresses = VIPS, form = 'with-link-local', mac }: Signer) => {
  const list = { vhid: vhid(id), addresses: addresses.map(address) };
  const signed = authenticator(mac === undefined ? list : { ...list, mac: macOf(mac) }, createSigner(keyFor(password)));
  return { counter: COUNTER, digest: signed.digest(COUNTER, form) };
};

const knownBy = ({ vhid: id = 10, password = PASSWORD, addresses = VIPS, mac }: Signer): Known => ({
  vhid: vhid(id),
  key: keyFor(password),
  addresses: addresses.map(address),
  ...(mac === undefined ? {} : { mac: macOf(mac) }),
  others: [
    { group: 'office', key: keyFor('Staple-battery-7'), addresses: ['198.51.100.7', '198.51.100.8'].map(address) },
  ],
  guesses: [SOURCE, '192.0.2.12', 'fe80::12', '198.51.100.7'].map(address),
  macs: [macOf('02:00:5e:10:20:30'), macOf('00:00:5e:00:01:0a')],
});

const findingOf = (theirs: Signer, ours: Signer = {}): Diagnosis => {
  const match = diagnose(signedBy(theirs), knownBy(ours), createSigner);
  if (match !== undefined) assert.ok(match.fits(signedBy(theirs)));
  return diagnosisOf(match?.mistakes ?? [], { source: SOURCE, group: 'plant', vhid: 10 });
};

interface Row {
  readonly title: string;
  readonly theirs: Signer;
  readonly ours?: Signer;
  readonly kind: Diagnosis['kind'];
  readonly also?: Diagnosis['kind'];
  readonly says: RegExp;
}

const without = (...missing: readonly string[]): readonly string[] => VIPS.filter((vip) => !missing.includes(vip));
const NINETEEN = 'abcdefghij123456789';

const ROWS: readonly Row[] = [
  {
    title: 'a peer that lacks an IPv4 address',
    theirs: { addresses: without('192.0.2.101') },
    kind: 'missing-address',
    says: /^192\.0\.2\.11 signs without 192\.0\.2\.101$/,
  },
  {
    title: 'a peer that lacks an IPv6 address',
    theirs: { addresses: without('2001:db8::101') },
    kind: 'missing-address',
    says: /without 2001:db8::101$/,
  },
  {
    title: 'a peer that lacks two addresses',
    theirs: { addresses: without('192.0.2.100', '2001:db8::101') },
    kind: 'missing-address',
    says: /without 192\.0\.2\.100, 2001:db8::101$/,
  },
  {
    title: 'a peer that signs its own address as well',
    theirs: { addresses: [...VIPS, SOURCE] },
    kind: 'extra-address',
    says: /signs 192\.0\.2\.11 as well$/,
  },
  {
    title: 'a peer that signs an address of another group as well',
    theirs: { addresses: [...VIPS, '198.51.100.7'] },
    kind: 'extra-address',
    says: /198\.51\.100\.7 as well$/,
  },
  {
    title: 'a peer with one address too many of the same subnet',
    theirs: { addresses: [...VIPS, '192.0.2.177'] },
    kind: 'extra-address',
    says: /192\.0\.2\.177 as well$/,
  },
  {
    title: 'a peer with a typing mistake in an address',
    theirs: { addresses: [...without('192.0.2.102'), '192.0.2.112'] },
    kind: 'other-address',
    says: /192\.0\.2\.112 instead of 192\.0\.2\.102$/,
  },
  {
    title: 'ucarp with another address in a group of one',
    theirs: { addresses: ['192.0.2.120'] },
    ours: { addresses: ['192.0.2.100'] },
    kind: 'other-address',
    says: /192\.0\.2\.120 instead of 192\.0\.2\.100$/,
  },
  {
    title: 'ucarp in a group of several',
    theirs: { addresses: ['192.0.2.101'] },
    kind: 'one-address',
    says: /signs 192\.0\.2\.101 alone$/,
  },
  {
    title: 'a peer without our IPv6 addresses',
    theirs: { addresses: VIPS.slice(0, 3) },
    kind: 'one-family',
    says: /the IPv4 addresses alone$/,
  },
  { title: 'a peer without addresses', theirs: { addresses: [] }, kind: 'no-addresses', says: /no address at all/ },
  {
    title: 'a peer with the automatic link-local address of a carp interface, signed as any other',
    theirs: { addresses: [...VIPS, 'fe80::200:5eff:fe00:10a', '192.0.2.12'] },
    kind: 'extra-address',
    says: /192\.0\.2\.12 as well$/,
  },
  {
    title: 'a peer with the addresses of another group',
    theirs: { addresses: ['198.51.100.7', '198.51.100.8'] },
    kind: 'addresses-of-group',
    says: /the addresses of office$/,
  },
  {
    title: 'two groups whose vhids are swapped',
    theirs: { addresses: ['198.51.100.8', '198.51.100.7'], password: 'Staple-battery-7' },
    kind: 'swapped-groups',
    says: /password and addresses of office as vhid 10$/,
  },
  {
    title: 'a vhid that was rewritten on its way',
    theirs: { vhid: 11 },
    kind: 'other-vhid',
    says: /for vhid 11 what it sends as vhid 10$/,
  },
  { title: 'an empty password', theirs: { password: '' }, kind: 'empty-password', says: /with an empty password$/ },
  {
    title: 'the password of another group',
    theirs: { password: 'Staple-battery-7' },
    kind: 'password-of-group',
    says: /with the password of office$/,
  },
  {
    title: 'the 19 characters that ifconfig keeps of 20',
    theirs: { password: NINETEEN },
    ours: { password: `${NINETEEN}0` },
    kind: 'password-cut',
    says: /cut after 19 characters$/,
  },
  {
    title: 'a password without its last character, as after ifconfig of NetBSD',
    theirs: { password: PASSWORD.slice(0, -1) },
    kind: 'password-cut',
    says: /without its last character$/,
  },
  ...['#', ' ', "'", '"', '$'].map(
    (end): Row => ({
      title: `a password that a file or a shell has cut at ${end}`,
      theirs: { password: 'hello' },
      ours: { password: `hello${end}world` },
      kind: 'password-cut',
      says: /cut after 5 characters$/,
    }),
  ),
  {
    title: 'a password that is cut after 8 characters',
    theirs: { password: PASSWORD.slice(0, 8) },
    kind: 'password-cut',
    says: /cut after 8 characters$/,
  },
  ...(
    [
      ['\r', 'a carriage return behind'],
      ['\n', 'a newline behind'],
      ['\r\n', 'a carriage return and a newline behind'],
      [' ', 'a space behind'],
      ['\t', 'a tab behind'],
    ] as const
  ).map(
    ([behind, words]): Row => ({
      title: `a password with ${words} it`,
      theirs: { password: `${PASSWORD}${behind}` },
      kind: 'password-with',
      says: new RegExp(`with ${words} the password$`),
    }),
  ),
  ...['"', "'"].map(
    (quote): Row => ({
      title: `a password with ${quote} around it`,
      theirs: { password: `${quote}${PASSWORD}${quote}` },
      kind: 'password-with',
      says: /with quotes around the password$/,
    }),
  ),
  {
    title: 'a password in quotes that do not all fit into the key',
    theirs: { password: '"abcdefghij12345678' },
    ours: { password: 'abcdefghij12345678' },
    kind: 'password-with',
    says: /with quotes around the password$/,
  },
  {
    title: 'our own password in quotes that the peer has not',
    theirs: {},
    ours: { password: `"${PASSWORD}"` },
    kind: 'password-without',
    says: /without quotes around the password, which is there on this host$/,
  },
  ...[PASSWORD.toLowerCase(), PASSWORD.toUpperCase(), 'cORRECT-HORSE-99', 'correct-horse-99'].map(
    (spelling, i): Row => ({
      title: `a password in other case (${i + 1})`,
      theirs: { password: spelling },
      kind: 'password-case',
      says: /with a password in other case$/,
    }),
  ),
  {
    title: 'a password in Latin-1 that is UTF-8 here',
    theirs: { password: new Uint8Array(Buffer.from('Schlüssel', 'latin1')) },
    ours: { password: 'Schlüssel' },
    kind: 'password-encoding',
    says: /in another encoding$/,
  },
  {
    title: 'a key of 20 bytes of which ours is the first 19',
    theirs: { password: `${NINETEEN}~` },
    ours: { password: NINETEEN },
    kind: 'password-longer',
    says: /a key of 20 bytes, of which the password here is the first 19$/,
  },
  {
    title: 'an OpenBSD with a link-level address of its own',
    theirs: { mac: '02:00:5e:10:20:30', form: 'without-link-local' },
    kind: 'lladdr-extra',
    says: /the link-level address 02:00:5e:10:20:30 as well/,
  },
  {
    title: 'a peer without the link-level address that this group is set to',
    theirs: {},
    ours: { mac: '02:00:5e:10:20:30' },
    kind: 'lladdr-missing',
    says: /without the link-level address 02:00:5e:10:20:30$/,
  },
  {
    title: 'a peer with another link-level address than this group',
    theirs: { mac: '02:00:5e:10:20:30' },
    ours: { mac: '02:00:5e:44:55:66' },
    kind: 'lladdr-extra',
    says: /02:00:5e:10:20:30 as well/,
  },
  {
    title: 'an address that is missing and an empty password at once',
    theirs: { addresses: without('192.0.2.101'), password: '' },
    kind: 'missing-address',
    also: 'empty-password',
    says: /signs without 192\.0\.2\.101 and with an empty password$/,
  },
  {
    title: 'one of two addresses, and a password with a carriage return, as ucarp reads it from a file of Windows',
    theirs: { addresses: ['192.0.2.100'], password: `${PASSWORD}\r` },
    ours: { addresses: ['192.0.2.100', '192.0.2.101'] },
    kind: 'missing-address',
    also: 'password-with',
    says: /without 192\.0\.2\.101 and with a carriage return behind the password$/,
  },
  {
    title: 'somebody who knows nothing of us',
    theirs: { addresses: ['203.0.113.9'], password: 'quite different' },
    kind: 'unknown',
    says: /^192\.0\.2\.11 signs vhid 10 with another password/,
  },
];

for (const { title, theirs, ours, kind, also, says } of ROWS)
  test(`${title}: ${kind}${also === undefined ? '' : ` and ${also}`}`, () => {
    const finding = findingOf(theirs, ours);
    assert.equal(finding.kind, kind, finding.detail);
    assert.equal(finding.also, also);
    assert.match(finding.detail, says);
    assert.ok(finding.remedy.length > 10);
    for (const password of [theirs.password, ours?.password, PASSWORD, 'Staple-battery-7'])
      if (typeof password === 'string' && password.length > 4)
        assert.ok(!JSON.stringify(finding).includes(password), 'a finding never holds a password');
  });

/** As the early carp interfaces of FreeBSD do: in the order of the list, and nothing is dropped. */
const signedRaw = (addresses: readonly string[]) => {
  const message = Buffer.concat([
    Buffer.from([2, 1, 10]),
    ...addresses.map((text) => Buffer.from(address(text).bytes)),
    Buffer.from('0123456789abcdef', 'hex'),
  ]);
  return { counter: COUNTER, digest: createSigner(keyFor(PASSWORD))(message) };
};

test('addresses in the order of a configuration, and an address twice, are told as such', () => {
  const known = knownBy({});
  const unsorted = diagnose(signedRaw([VIPS[2], VIPS[0], VIPS[1], VIPS[4], VIPS[3]] as string[]), known, createSigner);
  assert.deepEqual(unsorted?.mistakes, [{ type: 'unsorted-addresses' }]);
  const twice = diagnose(signedRaw([VIPS[0], ...VIPS] as string[]), known, createSigner);
  assert.equal(twice?.mistakes[0]?.type, 'repeated-address');
});

test('what shortens a guess by characters is not told: neither a cut after few characters nor a length', () => {
  for (const short of ['C', 'Co', 'Cor', 'Corr', 'Correct'])
    assert.equal(findingOf({ password: short }).kind, 'unknown', `${short} of ${PASSWORD}`);
  const last = findingOf({ password: PASSWORD.slice(0, -1) });
  assert.doesNotMatch(JSON.stringify(last), /1[56]\b(?!:)/, 'no number that is the length');
});

test('a genuine advert of another mistake does not fit', () => {
  const match = diagnose(signedBy({ password: '' }), knownBy({}), createSigner);
  assert.equal(match?.fits(signedBy({ password: '', addresses: without('192.0.2.101') })), false);
});

test('a diagnosis ends after 3000 digests, also of a group of 200 addresses and a host of 100 groups', () => {
  const many = Array.from({ length: 200 }, (_, i) => `192.0.2.${i + 1}`);
  const others = Array.from({ length: 100 }, (_, i) => ({
    group: `group${i}`,
    key: keyFor(`password ${i}`),
    addresses: [address(`198.51.100.${i}`)],
  }));
  let hmacs = 0;
  const counting = (key: Uint8Array) => {
    const sign = createSigner(key);
    return (message: Uint8Array) => {
      hmacs += 1;
      return sign(message);
    };
  };
  const known = { ...knownBy({ addresses: many, password: NINETEEN }), others };
  const work = diagnosing(signedBy({ password: 'quite different' }), known, counting);
  let steps = 0;
  while (work.next().done !== true) steps += 1;
  assert.equal(hmacs, HMACS_MAX);
  assert.equal(steps, HMACS_MAX);
});
