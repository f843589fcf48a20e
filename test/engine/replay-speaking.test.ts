/** OpenBSD hosts that come back with another cookie, or where another system was; and what others can make of that. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeReplay, encodeReplay } from '../../src/engine/replay-codec.ts';
import { ReplayGuard } from '../../src/engine/replay-guard.ts';
import { ReplayMemory } from '../../src/engine/replay-memory.ts';
import { emptyTable } from '../../src/engine/replay-table.ts';
import { INTERVAL, Listener, random64, SILENCE, seeds } from './replay-streams.ts';

const X = '192.0.2.11';
const MINUTES = 60_000;
/** Far from each other, as random numbers are. */
const [A, B, C, D] = [0x1111n << 48n, 0x3333n << 48n, 0x5555n << 48n, 0x7777n << 48n];

/** Tells for each advert, at so many ms after the start, whether it is accepted. */
const accepted = (listener: Listener, adverts: readonly (readonly [at: number, counter: bigint])[]): string => {
  const from = listener.now;
  return adverts
    .map(([at, counter]) => {
      listener.now = from + at;
      return listener.hear({ counter, source: X }) ? 'yes' : 'no';
    })
    .join(' ');
};

/** A kernel that has been MASTER for a while, its last counter being 9 above A. */
const afterKernel = (): Listener => {
  const listener = new Listener();
  accepted(
    listener,
    Array.from({ length: 10 }, (_, i) => [i * INTERVAL, A + BigInt(i)] as const),
  );
  return listener;
};

describe('an OpenBSD host whose interface was made anew', () => {
  test('is heard in all its adverts, even if it says farewell and comes back with another cookie two seconds later', () => {
    const first = [0, 1000, 2000, 2500].map((at) => [at, A] as const);
    const second = [4500, 5500, 6500, 7500].map((at) => [at, B] as const);
    assert.equal(accepted(new Listener(), [...first, ...second]), 'yes yes yes yes yes yes yes yes');
  });

  test('is heard if it was MASTER for a moment only, and a farewell was all that it said twice', () => {
    for (const back of [300, 1000, 2000, 5000])
      assert.equal(
        accepted(new Listener(), [
          [0, A],
          [200, A],
          [200 + back, B],
          [1200 + back, B],
          [2200 + back, B],
        ]),
        'yes yes yes yes yes',
        `back after ${back} ms`,
      );
  });

  test('is heard again and again', () => {
    const listener = new Listener();
    seeds(1, (random) => {
      const draw = random64(random);
      for (let life = 0; life < 50; life += 1) {
        const cookie = draw();
        assert.equal(
          accepted(
            listener,
            [100, 1100, 2100, 3100].map((at) => [at, cookie] as const),
          ),
          'yes yes yes yes',
        );
      }
    });
  });
});

describe('somebody who repeats the adverts of a host that counts from its first advert on', () => {
  test('is heard until the second advert at most, and neither that nor any later one can be repeated', () => {
    const listener = new Listener();
    assert.equal(
      accepted(listener, [
        [0, A],
        [500, A],
        [1000, B],
        [1001, A],
        [1500, B],
        [2000, C],
        [2001, B],
        [2950, C],
        [3000, D],
        [3001, C],
        [3950, D],
        [600_000, D],
      ]),
      'yes yes yes no no yes no no yes no no no',
    );
  });

  test('is refused as well if he waits until right before the next advert, from the third one on', () => {
    const listener = new Listener();
    accepted(listener, [
      [0, A],
      [990, A],
      [1000, B],
      [1990, B],
      [2000, C],
    ]);
    for (const counter of [A, B, C]) assert.equal(accepted(listener, [[990, counter]]), 'no', `${counter}`);
  });

  test('cannot use an advert that continues what was heard, though nothing else ever came from its address', () => {
    const listener = afterKernel();
    const other = '192.0.2.99';
    assert.equal(listener.hear({ counter: A + 10n, source: other }), true);
    for (const wait of [500, INTERVAL, 20 * MINUTES]) {
      listener.now += wait;
      assert.equal(listener.hear({ counter: A + 10n, source: other }), false);
    }
  });
});

describe('an OpenBSD host at the address of one that counted', () => {
  test('is heard once nothing new has come from there for ten minutes', () => {
    const listener = afterKernel();
    listener.now += 10 * MINUTES;
    assert.equal(
      accepted(
        listener,
        [0, 1, 1000, 2000, 3000, 30 * MINUTES].map((at) => [at, B] as const),
      ),
      'yes yes yes yes yes yes',
    );
  });

  test('is refused before that: it could be the last advert of a host that went on counting', () => {
    const listener = afterKernel();
    listener.now += 9 * MINUTES;
    assert.equal(
      accepted(
        listener,
        [0, 1000, 2000].map((at) => [at, B] as const),
      ),
      'yes no no',
    );
  });

  test('is told from a host that counts and says one advert: repetitions that begin later are refused for ever', () => {
    const listener = afterKernel();
    listener.now += 10 * MINUTES;
    assert.equal(accepted(listener, [[0, B]]), 'yes');
    listener.now += SILENCE + 1;
    for (const wait of [0, INTERVAL, INTERVAL, 20 * MINUTES, INTERVAL]) {
      listener.now += wait;
      assert.equal(listener.hear({ counter: B, source: X }), false);
    }
  });

  test('is told from a host that counts on, which still counts after ten minutes', () => {
    const listener = afterKernel();
    listener.now += 10 * MINUTES;
    assert.equal(
      accepted(listener, [
        [0, A + 10n],
        [500, A + 10n],
        [1000, A + 11n],
        [1500, A + 11n],
      ]),
      'yes no yes no',
    );
  });

  test('gives nobody a use for the last advert of a dead MASTER, or for any other, however long he waits', () => {
    for (const wait of [1, 9, 11, 60, 100_000]) {
      const listener = afterKernel();
      for (let round = 0; round < 3; round += 1) {
        listener.now += wait * MINUTES;
        for (const counter of [A + 9n, A, A + 5n])
          for (const source of [X, '192.0.2.12']) assert.equal(listener.hear({ counter, source }), false);
      }
      // Nor once another system is there.
      listener.now += 10 * MINUTES;
      accepted(
        listener,
        [0, 1000, 2000].map((at) => [at, B] as const),
      );
      assert.equal(listener.hear({ counter: A + 9n, source: X }), false);
    }
  });

  test('waits for ten minutes after a restart of this host, which cannot know how long it was silent', () => {
    const before = afterKernel();
    const bytes = encodeReplay({ spans: before.guard.memory.table, heard: [], reigns: [], peers: before.guard.peers });
    const again = (): Listener => {
      const listener = new Listener();
      const { spans, peers } = decodeReplay(bytes);
      listener.guard = new ReplayGuard(new ReplayMemory());
      listener.guard.memory.restore(spans);
      if (peers !== undefined) listener.guard.restore(peers);
      // Anything at all.
      listener.hear({ counter: D, source: '192.0.2.77' });
      return listener;
    };
    for (const [minutes, expected] of [
      [1, 'yes no'],
      [10, 'yes yes'],
    ] as const) {
      const listener = again();
      listener.now += minutes * MINUTES;
      assert.equal(
        accepted(listener, [
          [0, B],
          [1000, B],
        ]),
        expected,
      );
    }
  });

  test('is not believed by a process that starts while its first advert waits to be repeated', () => {
    const listener = afterKernel();
    listener.now += 10 * MINUTES;
    accepted(listener, [[0, B]]);
    const { peers } = listener.guard;
    assert.deepEqual(
      peers.addresses.map(({ counts }) => counts),
      [true],
    );
    assert.equal(encodeReplay({ spans: emptyTable(0, 0), heard: [], reigns: [], peers }).length > 0, true);
  });
});
