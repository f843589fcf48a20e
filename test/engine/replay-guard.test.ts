/** What the guard makes of real streams and of models of them: no genuine peer is refused, and no replay accepted. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createSigner } from '../../src/adapters/node/hmac.ts';
import { decodeAdvert } from '../../src/protocol/advert.ts';
import { authenticator, keyOf } from '../../src/protocol/authentication.ts';
import { vhid } from '../../src/protocol/units.ts';
import { address, type Capture, captures, packetsOf, utf8 } from '../protocol/vectors.ts';
import { INTERVAL, Listener, Model, type Sent, SILENCE, type System, seeds } from './replay-streams.ts';

/** Authentic adverts of a capture, with their times in ms. */
const adverts = async (capture: Capture): Promise<readonly (Sent & { readonly at: number })[]> => {
  const addresses = capture.addresses.map(address);
  const signed = authenticator({ vhid: vhid(capture.vhid), addresses }, createSigner(keyOf(utf8(capture.key))));
  const packets = await packetsOf(capture);
  return packets.map((packet, i) => {
    const decoded = decodeAdvert(packet.payload, packet);
    assert.ok(decoded.ok && signed.verify(decoded.advert) !== undefined);
    return { counter: decoded.advert.counter, source: packet.source.text, at: i * 500 };
  });
};

const isConstant = (sent: readonly Sent[]): boolean => new Set(sent.map(({ counter }) => counter)).size === 1;

describe('captures of real systems', () => {
  for (const capture of captures)
    test(`${capture.file} is accepted as it was sent, and refused when it is sent again`, async () => {
      const all = await adverts(capture);
      const constant = isConstant(all);
      assert.equal(constant, capture.file.startsWith('obsd'), 'constants are what OpenBSD sends');
      for (const mode of ['auto', 'strict'] as const) {
        const listener = new Listener(mode);
        for (const round of [0, 1, 2])
          for (const advert of all) {
            listener.now = round * 60_000 + advert.at;
            const fresh = constant ? mode === 'auto' || (round === 0 && advert === all[0]) : round === 0;
            assert.equal(listener.hear(advert), fresh, `${mode}, round ${round}, ${advert.at} ms`);
          }
      }
      const off = new Listener('off');
      for (const advert of [...all, ...all]) assert.equal(off.hear(advert), true);
    });
});

const V4 = ['192.0.2.11', '192.0.2.12', '192.0.2.13'] as const;
const addressesOf = (i: number, dual: boolean): readonly string[] =>
  dual ? [V4[i] ?? '', `fe80::1${i}`] : [V4[i] ?? ''];

/**
 * One of them after the other is MASTER; the others hear it, and a listener does. `worst`: for how many ticks in a row a
 * MASTER was not heard, beyond those of which it cannot know: a kernel that missed the last adverts of its predecessor
 * uses their counters again, and who hears that one as well.
 */
const reigns = (
  { models, listener }: { readonly models: readonly Model[]; readonly listener: Listener },
  order: readonly { readonly master: number; readonly ticks: number; readonly reboots?: boolean }[],
  loss: () => boolean = () => false,
): { readonly sent: readonly Sent[]; readonly worst: number; readonly refused: number } => {
  const sent: Sent[] = [];
  /** Adverts in a row that each has missed until now. */
  const missed = new Map<Model, number>();
  /** By how many ticks the counters that each has heard lag behind. */
  const behind = new Map<Model, number>();
  let [worst, refused] = [0, 0];
  for (const { master, ticks, reboots } of order) {
    const model = models[master];
    assert.ok(model);
    if (reboots === true) model.reboot();
    model.begin();
    // It waits for its master-down time, or is away for longer.
    listener.now += reboots === true ? 30_000 : 3000;
    const excused = Math.ceil((missed.get(model) ?? 0) / model.sources.length) + (behind.get(model) ?? 0);
    let unheard = 0;
    for (let i = 0; i < ticks; i += 1) {
      let heard = false;
      for (const each of model.tick()) {
        sent.push(each);
        for (const other of models.filter((one) => one !== model)) {
          const lost = loss();
          if (!lost) other.hear(each);
          missed.set(other, lost ? (missed.get(other) ?? 0) + 1 : 0);
        }
        if (loss() || listener.hear(each)) heard = true;
        else refused += 1;
      }
      unheard = heard ? 0 : unheard + 1;
      worst = Math.max(worst, unheard - excused);
      listener.now += INTERVAL;
    }
    for (const each of models) behind.set(each, Math.max(0, excused - ticks));
  }
  return { sent, worst, refused };
};

describe('models of real systems', () => {
  const SYSTEMS = ['freebsd', 'openbsd', 'ours'] as const satisfies readonly System[];
  const pairs = SYSTEMS.flatMap((first) => SYSTEMS.map((second) => [first, second] as const));

  for (const [first, second] of pairs)
    test(`${first} and ${second} that take turns, reboot and lose adverts are heard, in one family and in two`, () => {
      seeds(60, (random) => {
        const dual = random.chance(0.5);
        const models = [first, second].map((system, i) => new Model(system, addressesOf(i, dual), random));
        const order = Array.from({ length: 30 }, () => ({
          master: random.whole(0, 1),
          ticks: random.whole(1, 12),
          reboots: random.chance(0.2),
        }));
        const loss = random.pick([0, 0, 0.2]);
        const { worst, refused } = reigns({ models, listener: new Listener() }, order, () => random.chance(loss));
        assert.ok(worst <= 0, `not heard for ${worst} ticks`);
        if (loss === 0) assert.equal(refused, 0, `${refused} refused`);
      });
    });

  test('three hosts of any systems are heard within one interval', () => {
    seeds(200, (random) => {
      const dual = random.chance(0.5);
      const models = [0, 1, 2].map((i) => new Model(random.pick(SYSTEMS), addressesOf(i, dual), random));
      const order = Array.from({ length: 40 }, () => ({
        master: random.whole(0, 2),
        ticks: random.whole(1, 8),
        reboots: random.chance(0.1),
      }));
      const { worst } = reigns({ models, listener: new Listener() }, order, () => random.chance(0.1));
      assert.ok(worst <= 1, `not heard for ${worst} ticks`);
    });
  });

  test('whatever systems but OpenBSD have sent is refused when it is sent again, by whoever and whenever', () => {
    seeds(100, (random) => {
      const dual = random.chance(0.5);
      const models = [0, 1, 2].map((i) => new Model(random.pick(['freebsd', 'ours']), addressesOf(i, dual), random));
      // At least two adverts for a reign: the limit is tested below.
      const order = Array.from({ length: 30 }, () => ({
        master: random.whole(0, 2),
        ticks: random.whole(2, 20),
        reboots: random.chance(0.2),
      }));
      const listener = new Listener();
      const { sent } = reigns({ models, listener }, order);
      const sources = [...V4, '192.0.2.99', 'fe80::99'] as const;
      for (let i = 0; i < 500; i += 1) {
        listener.now += random.between(0, 2000);
        const { counter } = random.pick(sent as [Sent, ...Sent[]]);
        assert.equal(listener.hear({ counter, source: random.pick(sources) }), false, `${counter} was accepted`);
      }
    });
  });

  test('replays of a MASTER that is alive are refused, also when they come right behind each of its adverts', () => {
    seeds(50, (random) => {
      const master = new Model('freebsd', addressesOf(0, false), random);
      const listener = new Listener();
      let accepted = 0;
      const sent: Sent[] = [];
      for (let tick = 0; tick < 50; tick += 1) {
        for (const each of master.tick()) {
          sent.push(each);
          assert.equal(listener.hear(each), true);
          listener.now += 400;
          if (listener.hear(each)) accepted += 1;
          listener.now += 600;
        }
      }
      assert.ok(accepted <= 1, 'the first advert of all may be that of an OpenBSD host, until the second comes');
      for (const each of sent) assert.equal(listener.hear(each), false);
    });
  });

  test('OpenBSD, then FreeBSD that counts on from its cookie, then both again: all are heard', () => {
    seeds(50, (random) => {
      const models = [
        new Model('openbsd', addressesOf(0, true), random),
        new Model('freebsd', addressesOf(1, true), random),
      ];
      const turns = Array.from({ length: 12 }, (_, i) => ({ master: i % 2, ticks: random.whole(1, 40) }));
      const listener = new Listener();
      const { refused } = reigns({ models, listener }, turns);
      assert.equal(refused, 0);
      assert.ok(listener.guard.memory.size <= 2, `${listener.guard.memory.size} spans`);
    });
  });

  test('an OpenBSD host that is made anew has another cookie, and is heard; so is one that was hardly heard before', () => {
    for (const ticks of [1, 2, 10])
      seeds(20, (random) => {
        const models = [new Model('openbsd', addressesOf(0, true), random)];
        const turns = Array.from({ length: 100 }, () => ({ master: 0, ticks, reboots: true }));
        assert.equal(reigns({ models, listener: new Listener() }, turns).refused, 0);
      });
  });

  test('a host whose BSD peers hear a replay and count on from it is heard again after its challenge', () => {
    seeds(50, (random) => {
      const peer = new Model('freebsd', addressesOf(0, true), random);
      const ours = new Model('ours', addressesOf(1, true), random);
      const listener = new Listener();
      const { sent } = reigns({ models: [ours, peer], listener }, [
        { master: 1, ticks: 40 },
        { master: 0, ticks: 5 },
        { master: 1, ticks: 40 },
      ]);
      // An attacker takes the peer back; its counters were all heard.
      const old = sent[100];
      assert.ok(old);
      peer.hear(old);
      assert.ok(peer.tick().every((each) => !listener.hear(each)));
      ours.begin();
      for (const claim of ours.tick()) peer.hear(claim);
      assert.ok(
        peer.tick().every((each) => listener.hear(each)),
        'the claim is fresh, so is what is counted on from it',
      );
    });
  });
});

describe('an attacker with one captured advert', () => {
  /** Far from all others, as random numbers are. */
  const COOKIE = 0x5eed_c0de_0b5d_0001n;
  const lone = (counter: bigint, source: string = V4[0]): Sent => ({ counter, source });

  test('can play on a peer of which one advert alone was ever heard, in auto, but not in strict', () => {
    for (const mode of ['auto', 'strict'] as const) {
      const listener = new Listener(mode);
      assert.equal(listener.hear(lone(7n)), true);
      listener.now += INTERVAL;
      assert.equal(listener.hear(lone(7n)), mode === 'auto');
    }
  });

  test('cannot play on a peer whose second advert was heard, under any address, not even after a long silence', () => {
    const listener = new Listener();
    for (const counter of [7n, 1_000_007n]) {
      assert.equal(listener.hear(lone(counter)), true);
      listener.now += INTERVAL;
    }
    for (const wait of [100, INTERVAL, 2 * SILENCE, 1e9]) {
      listener.now += wait;
      for (const counter of [7n, 1_000_007n])
        for (const source of [V4[0], V4[1]]) assert.equal(listener.hear(lone(counter, source)), false);
    }
  });

  test('cannot play on a claim that was lost by a host that has counted before', () => {
    const listener = new Listener();
    for (const counter of [1n, 2n, 3n]) assert.equal(listener.hear(lone(counter)), true);
    listener.now += 1e6;
    assert.equal(listener.hear(lone(2n ** 50n)), true, 'a claim of a later day');
    listener.now += 1e6;
    assert.equal(listener.hear(lone(2n ** 50n)), false);
  });

  test('does not get a constant refused: it stays one whatever else its address seems to say', () => {
    const listener = new Listener();
    for (let i = 0; i < 5; i += 1) {
      assert.equal(listener.hear(lone(99n)), true);
      listener.now += INTERVAL;
    }
    for (const forged of [2n ** 40n, 2n ** 41n]) assert.equal(listener.hear(lone(forged)), true, 'never heard before');
    for (let i = 0; i < 5; i += 1) {
      assert.equal(listener.hear(lone(99n)), true);
      listener.now += INTERVAL;
    }
  });

  test('does not fill the memory: refused adverts leave nothing behind, invented addresses neither', () => {
    const listener = new Listener();
    for (const counter of [1n, 2n, 3n]) listener.hear(lone(counter));
    for (let i = 0; i < 3; i += 1) listener.hear(lone(COOKIE, V4[1]));
    const before = listener.guard.memory.table;
    const known = listener.guard.peers.addresses.length;
    for (let i = 0; i < 1000; i += 1) {
      assert.equal(listener.hear({ counter: 2n, source: `203.0.113.${i % 250}` }), false);
      assert.equal(listener.hear({ counter: COOKIE, source: `203.0.113.${i % 250}` }), true, 'a constant');
    }
    assert.deepEqual(listener.guard.memory.table, before);
    assert.equal(listener.guard.peers.addresses.length, known);
  });
});
