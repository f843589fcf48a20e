/** What leaves in each profile, down to the bytes, against adverts computed by the rules of each kernel. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NEVER } from 'rxjs';
import { createSigner } from '../../src/adapters/node/hmac.ts';
import { dialectOf, machineSettings } from '../../src/engine/machine-settings.ts';
import type { GroupSettings } from '../../src/engine/settings.ts';
import { Speaker } from '../../src/engine/speaker.ts';
import { openWire } from '../../src/engine/wire.ts';
import type { ChannelOptions, Transport } from '../../src/ports/transport.ts';
import { type Family, type IpAddress, parseAddress } from '../../src/protocol/address.ts';
import { type Advert, decodeAdvert } from '../../src/protocol/advert.ts';
import { type AddressForm, authenticator, signedMessage } from '../../src/protocol/authentication.ts';
import type { Compatibility } from '../../src/protocol/dialect.ts';
import { advBase, advSkew } from '../../src/protocol/units.ts';
import { cidr, groupSettings } from '../support/virtual-lan.ts';

const address = (text: string): IpAddress => {
  const parsed = parseAddress(text);
  assert.ok(parsed, text);
  return parsed;
};

const SOURCES = { 4: address('192.0.2.11'), 6: address('fe80::11') };
const DESTINATIONS = { 4: address('224.0.0.18'), 6: address('ff02::12') };
const ADDRESSES = ['192.0.2.100/24', '2001:db8::100/64', 'fe80::7/64'].map(cidr);

interface Sent {
  readonly options: ChannelOptions;
  readonly payload: Uint8Array;
}

/** One advert in each family as this group sends it. */
const speak = (changes: Partial<GroupSettings>, demotion = 0): { readonly [family in Family]: Sent } => {
  const settings = groupSettings({ addresses: ADDRESSES, ...changes });
  const { vhid, lladdr: mac } = settings;
  const list = { vhid, addresses: settings.addresses.map((one) => one.address) };
  const signed = authenticator({ ...list, ...(mac === undefined ? {} : { mac }) }, createSigner(settings.key));
  const known = { sent: 0, nextCounter: () => 7n, beginReign: () => {} };
  const speaker = new Speaker({ vhid, authenticator: signed, dialect: dialectOf(settings), known });
  const sent = new Map<Family, Sent>();
  const transport: Transport = {
    name: 'memory',
    open: (options) => ({
      packets$: NEVER,
      dropped: () => 0,
      drain: () => {},
      close: () => {},
      send: (payload) => sent.set(options.family, { options, payload }),
    }),
  };
  openWire(settings, transport).subscribe((wire) => {
    const rank = { advbase: advBase(1), advskew: advSkew(20), demotion };
    assert.deepEqual(speaker.speak({ type: 'sendAdvert', kind: 'regular', ...rank }, wire, SOURCES).failures, []);
  });
  const [ipv4, ipv6] = [sent.get(4), sent.get(6)];
  assert.ok(ipv4 !== undefined && ipv6 !== undefined);
  return { 4: ipv4, 6: ipv6 };
};

const decoded = ({ payload }: Sent, path?: Parameters<typeof decodeAdvert>[1]): Advert => {
  const result = decodeAdvert(payload, path);
  assert.ok(result.ok, 'the advert cannot be read');
  return result.advert;
};

const KEY = groupSettings().key;

/** Whether this list, in this form, is what has been signed. */
const isSignedAs = (advert: Advert, addresses: readonly string[], form: AddressForm, mac?: Uint8Array): boolean => {
  const list = { vhid: advert.vhid, addresses: addresses.map(address), form, ...(mac === undefined ? {} : { mac }) };
  const message = signedMessage(list);
  new DataView(message.buffer).setBigUint64(message.length - 8, advert.counter);
  return Buffer.from(createSigner(KEY)(message)).equals(advert.digest);
};

const GLOBAL = ['192.0.2.100', '2001:db8::100'];
const LISTED = [...GLOBAL, 'fe80::7'];

for (const [compatibility, tos4, tos6, list] of [
  ['auto', 0x10, 0x10, LISTED],
  ['freebsd', 0xe0, 0xe0, LISTED],
  ['openbsd', 0x10, 0, GLOBAL],
  ['netbsd', 0x10, 0, [...LISTED, 'fe80::200:5eff:fe00:10a']],
  ['ucarp', 0x10, 0x10, LISTED],
] as const satisfies readonly (readonly [Compatibility, number, number, readonly string[]])[])
  describe(`profile ${compatibility}`, () => {
    test(`sends with TOS ${tos4} and traffic class ${tos6}, and a DSCP of one's own instead`, () => {
      const sent = speak({ compatibility });
      assert.deepEqual([sent[4].options.tos, sent[6].options.tos], [tos4, tos6]);
      const marked = speak({ compatibility, dscp: 46 });
      assert.deepEqual([marked[4].options.tos, marked[6].options.tos], [0xb8, 0xb8]);
    });

    test(`signs ${list.join(', ')}`, () => {
      const sent = speak({ compatibility });
      for (const family of [4, 6] as const) {
        const path = { source: SOURCES[family], destination: DESTINATIONS[family] };
        const advert = decoded(sent[family], path);
        assert.ok(isSignedAs(advert, list, 'with-link-local'));
        assert.deepEqual([advert.advbase, advert.advskew, advert.demotion], [1, 20, 0]);
      }
    });

    test(`${compatibility === 'netbsd' ? 'counts' : 'does not count'} the pseudo-header into the checksum of IPv6`, () => {
      const sent = speak({ compatibility });
      assert.equal(decodeAdvert(sent[6].payload).ok, compatibility !== 'netbsd');
      assert.equal(decodeAdvert(sent[4].payload).ok, true);
    });
  });

test('byte 4 is what the rules say', () => {
  assert.equal(decoded(speak({ compatibility: 'openbsd' }, 3)[4]).demotion, 3);
});

test('a MAC of the carp interface is signed between type and vhid, and changes nothing else', () => {
  const mac = Uint8Array.of(2, 0, 0x5e, 0x10, 0x20, 0x30);
  const advert = decoded(speak({ compatibility: 'openbsd', lladdr: mac })[4]);
  assert.ok(isSignedAs(advert, GLOBAL, 'with-link-local', mac));
  assert.ok(!isSignedAs(advert, GLOBAL, 'with-link-local'));
});

test('IPv6 peers get adverts without the pseudo-header, which only the group of NetBSD expects', () => {
  const sent = speak({ compatibility: 'netbsd', peers: [address('2001:db8::12')] });
  assert.equal(decodeAdvert(sent[6].payload).ok, true);
});

test('broadcast frames and the check of the TTL are asked for by family', () => {
  const options = (changes: Partial<GroupSettings>) => {
    const sent = speak(changes);
    return ([4, 6] as const).map((family) => [sent[family].options.broadcast, sent[family].options.checksTtl]);
  };
  const expected = [
    [true, true],
    [false, false],
  ];
  assert.deepEqual(options({ broadcast: true, checkTtl: 'ipv4' }), expected);
  assert.deepEqual(options({ checkTtl: 'never' }).flat(), [false, false, false, false]);
  assert.deepEqual(options({}).flat(), [false, true, false, true]);
});

test('the rules learn of a dialect what they decide by', () => {
  const of = (compatibility: Compatibility) => {
    const { demotes, clampsSkew, tieBreak } = machineSettings(groupSettings({ compatibility }));
    return [demotes, clampsSkew, tieBreak];
  };
  assert.deepEqual(of('auto'), ['advskew', false, 'numeric']);
  assert.deepEqual(of('freebsd'), ['advskew', true, 'numeric']);
  assert.deepEqual(of('openbsd'), ['byte-4', false, 'numeric']);
  assert.deepEqual(of('netbsd'), ['advskew', false, 'numeric']);
  assert.deepEqual(of('ucarp'), ['advskew', false, 'last-octet-first']);
});
