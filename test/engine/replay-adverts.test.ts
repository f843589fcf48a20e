/** What a virtual host knows of adverts, over restarts of its group and of its process. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { KnownAdverts } from '../../src/engine/replay-adverts.ts';
import { ReplayBudget } from '../../src/engine/replay-budget.ts';
import { decodeReplay, encodeReplay, type ReplayContent } from '../../src/engine/replay-codec.ts';
import { REACH, type ReplaySpan } from '../../src/engine/replay-memory.ts';
import { OwnCounters, REIGNS_MAX } from '../../src/engine/replay-own.ts';
import { tableOf } from '../../src/engine/replay-table.ts';
import type { ReplayArchive, ReplaySource } from '../../src/ports/replay.ts';
import { millis, vhid } from '../../src/protocol/units.ts';
import { randomFrom } from '../support/random.ts';
import { INTERVAL, Model, random64, type Sent, SILENCE, seeds } from './replay-streams.ts';

const PLAIN = { noNullPrototype: true } as const;
/** Of all who are heard here. */
const interval = millis(INTERVAL);
const words = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

/** A disk whose content survives, and a process that may be killed between two writes. */
const disk = () => {
  let kept: Uint8Array[] = [];
  let source: ReplaySource | undefined;
  let urgent = 0;
  const archive: ReplayArchive = {
    open: (_place, from) => {
      source = from;
      return {
        found: kept,
        touch: (isUrgent) => {
          if (isUrgent === true) urgent += 1;
        },
        close: () => {},
      };
    },
  };
  return {
    archive,
    urgent: () => urgent,
    write: (whole = false) => {
      const pieces = [...((whole ? source?.whole() : source?.news()) ?? [])];
      if (pieces.length > 0) kept = [...(whole ? [] : kept), Buffer.concat(pieces)];
    },
    size: () => kept.reduce((sum, { length }) => sum + length, 0),
  };
};

const lines: string[] = [];
const start = (archive?: ReplayArchive, draw: () => bigint = () => 7n): KnownAdverts => {
  const known = new KnownAdverts({
    budget: new ReplayBudget(),
    random64: draw,
    place: { interface: 'eth0', vhid: vhid(10) },
    log: (level, message) => lines.push(`${level} ${message}`),
  });
  known.keepIn(archive);
  return known;
};

describe('what a host knows of its own adverts', () => {
  test('is known of former reigns as well, and of those of a former process from the first advert of the reign on', () => {
    seeds(20, (random) => {
      const { archive, write, urgent } = disk();
      const draw = random64(random);
      const sent: bigint[] = [];
      let known = start(archive, draw);
      for (let reign = 1; reign <= 30; reign += 1) {
        const before = urgent();
        known.beginReign();
        assert.equal(urgent(), before + 1, 'a new reign is written at once');
        write(random.chance(0.1));
        for (let i = random.whole(1, 50); i > 0; i -= 1) sent.push(known.nextCounter());
        if (random.chance(0.3)) known = start(archive, draw);
        for (const counter of sent) assert.equal(known.isOwn(counter), true);
        for (const counter of sent) assert.equal(known.isOwn(counter + 1n), false, 'a kernel counts on from it');
      }
    });
  });

  test('reaches back 1024 reigns, and finds one among them quickly', () => {
    let seed = 0n;
    const own = new OwnCounters(() => {
      seed += 1n;
      return BigInt.asUintN(64, seed * 0x9e37_79b9_7f4a_7c15n);
    });
    const reigns: bigint[][] = [];
    for (let reign = 0; reign < REIGNS_MAX + 10; reign += 1) {
      own.begin();
      reigns.push(Array.from({ length: 5 }, () => own.draw()));
    }
    for (const [i, counters] of reigns.entries())
      for (const counter of counters) assert.equal(own.isOwn(counter), i >= 9, `reign ${i}`);
    const begun = performance.now();
    const rounds = 20_000;
    for (let i = 0; i < rounds; i += 1) own.isOwn(BigInt(i) * 0x1234_5678_9abc_def1n);
    const each = ((performance.now() - begun) * 1000) / rounds;
    assert.ok(each < 100, `${each} µs`);
  });
});

describe('what a host knows of others', () => {
  test('is the same after a restart, whenever it was written and whoever had spoken', () => {
    seeds(60, (random) => {
      const { archive, write } = disk();
      let known = start(archive);
      let at = 0;
      const models = [0, 1, 2].map(
        (i) => new Model(random.pick(['freebsd', 'openbsd', 'ours']), [`192.0.2.1${i}`], random),
      );
      const sent: (Sent & { readonly model: Model })[] = [];
      for (let reign = 0; reign < 15; reign += 1) {
        const model = random.pick(models as [Model, ...Model[]]);
        model.begin();
        at += 3500;
        for (let i = random.whole(2, 10); i > 0; i -= 1) {
          for (const each of model.tick()) {
            for (const other of models) if (other !== model) other.hear(each);
            assert.equal(known.isFresh({ ...each, at: millis(at), interval }, 'auto', SILENCE), true, `reign ${reign}`);
            sent.push({ ...each, model });
          }
          at += 1000;
          write(random.chance(0.05));
          if (random.chance(0.1)) known = start(archive);
        }
      }
      // What OpenBSD sends, and what is counted on from it, is accepted again: tested elsewhere.
      if (models.some(({ system }) => system === 'openbsd')) return;
      known = start(archive);
      for (const { counter, source } of sent)
        assert.equal(known.isFresh({ counter, source, at: millis(at), interval }, 'auto', SILENCE), false);
    });
  });

  test('is lost as far as it was not written: an advert of the last seconds is accepted once more', () => {
    const { archive, write } = disk();
    const known = start(archive);
    const hear = (to: KnownAdverts, counter: bigint): boolean =>
      to.isFresh({ counter, source: '192.0.2.11', at: millis(Number(counter)), interval }, 'strict', SILENCE);
    for (const counter of [1n, 2n, 3n]) hear(known, counter);
    write();
    for (const counter of [4n, 5n]) hear(known, counter);
    const later = start(archive);
    assert.deepEqual(
      [1n, 2n, 3n, 4n, 5n, 4n, 5n].map((counter) => hear(later, counter)),
      [false, false, false, true, true, false, false],
    );
  });

  test('takes 8 bytes an advert to keep, and nothing is written when nothing was heard', () => {
    const { archive, write, size } = disk();
    const known = start(archive);
    write(true);
    const draw = random64({ whole: (low: number) => low } as never);
    assert.equal(draw(), 0n);
    let counter = 1n;
    const hear = (): void => {
      counter = BigInt.asUintN(64, counter * 0x9e37_79b9_7f4a_7c15n);
      known.isFresh({ counter, source: '192.0.2.11', at: millis(0), interval }, 'auto', SILENCE);
    };
    for (let i = 0; i < 10; i += 1) hear();
    write();
    const before = size();
    for (let i = 0; i < 5; i += 1) hear();
    write();
    assert.equal(size() - before, 5 + 5 * 8);
    write();
    assert.equal(size() - before, 45);
  });

  test('is written as a whole when more was heard than news may hold', () => {
    const { archive, write } = disk();
    const known = start(archive);
    const hear = (to: KnownAdverts, i: number): boolean =>
      to.isFresh(
        { counter: BigInt.asUintN(64, BigInt(i) * 0x9e37_79b9_7f4a_7c15n), source: 'x', at: millis(i), interval },
        'auto',
        SILENCE,
      );
    for (let i = 1; i <= 10_000; i += 1) hear(known, i);
    write();
    const later = start(archive);
    for (let i = 1; i <= 10_000; i += 1) assert.equal(hear(later, i), false);
  });

  test('is kept as well if many adverts were lost between the first two that were heard of a reign', () => {
    for (const lost of [0n, 1n, 62n]) {
      const { archive, write } = disk();
      const known = start(archive);
      const stride = 2n ** 20n;
      const sent = [0n, 1n + lost, 2n + lost].map((i) => 2n ** 60n + i * stride);
      const hear = (to: KnownAdverts, counter: bigint): boolean =>
        to.isFresh({ counter, source: '192.0.2.11', at: millis(0), interval }, 'auto', SILENCE);
      for (const counter of sent) assert.equal(hear(known, counter), true);
      write(true);
      lines.length = 0;
      const later = start(archive);
      for (const counter of sent) assert.equal(hear(later, counter), false, `${lost} lost`);
      assert.deepEqual(lines, []);
    }
  });

  test('is written as it was when it was asked for, in pieces, and what is heard between two of them is news', () => {
    let source: ReplaySource | undefined;
    const archive: ReplayArchive = {
      open: (_place, from) => {
        source = from;
        return { found: [], touch: () => {}, close: () => {} };
      },
    };
    const known = start(archive);
    const draw = random64(randomFrom(1));
    const hear = (to: KnownAdverts, counter: bigint): boolean =>
      to.isFresh({ counter, source: 'x', at: millis(0), interval }, 'strict', SILENCE);
    const before = Array.from({ length: 10_000 }, draw);
    for (const counter of before) hear(known, counter);
    const meanwhile: bigint[] = [];
    const pieces: Uint8Array[] = [];
    for (const piece of source?.whole() ?? []) {
      pieces.push(piece);
      for (let i = 0; i < 500; i += 1) {
        meanwhile.push(draw());
        hear(known, meanwhile.at(-1) ?? 0n);
      }
    }
    assert.ok(pieces.length >= 3, `${pieces.length} pieces`);
    assert.ok(pieces.every(({ length }) => length <= 40_000));
    const news = [...(source?.news() ?? [])];
    const found = [Buffer.concat(pieces), Buffer.concat(news)];
    const later = start({ open: () => ({ found, touch: () => {}, close: () => {} }) });
    for (const counter of [...before, ...meanwhile]) assert.equal(hear(later, counter), false);
  });

  test('is begun anew, and that is said, when what was kept cannot be understood', () => {
    const archive: ReplayArchive = {
      open: () => ({ found: [Uint8Array.of(9, 0, 0, 0, 1, 2)], touch: () => {}, close: () => {} }),
    };
    lines.length = 0;
    assert.equal(start(archive).isFresh({ counter: 1n, source: 'x', at: millis(0), interval }, 'auto', SILENCE), true);
    assert.match(lines.join(), /^warn .*eth0, vhid 10, is of no use/);
  });

  test('is nothing in mode off', () => {
    const known = start();
    for (let i = 0; i < 3; i += 1)
      assert.equal(known.isFresh({ counter: 1n, source: 'x', at: millis(0), interval }, 'off', SILENCE), true);
    assert.equal(known.isFresh({ counter: 1n, source: 'x', at: millis(0), interval }, 'strict', SILENCE), true);
    assert.equal(known.isFresh({ counter: 1n, source: 'x', at: millis(0), interval }, 'strict', SILENCE), false);
  });
});

describe('memory in bytes', () => {
  const runs = fc
    .tuple(words, fc.integer({ min: 1, max: Number(REACH) }), fc.bigInt({ min: 1n, max: 1000n }), fc.nat(2 ** 31 - 1))
    .map(([low, step, steps, recent]): ReplaySpan => {
      return { low, high: BigInt.asUintN(64, low + BigInt(step) * steps), step, recent: recent | 1 };
    });
  const contents: fc.Arbitrary<ReplayContent> = fc.record(
    {
      spans: fc
        .tuple(fc.array(words.map((low): ReplaySpan => ({ low, high: low, step: 0, recent: 1 }))), fc.array(runs))
        .map(([lone, more]) => tableOf([...lone, ...more])),
      heard: fc.array(words),
      reigns: fc.array(fc.record({ start: words, stride: fc.bigInt({ min: 1n, max: 2n ** 20n }) }, PLAIN)),
      peers: fc.option(
        fc.record(
          {
            constants: fc.array(words),
            addresses: fc.array(fc.record({ source: fc.ipV6(), counts: fc.boolean(), counter: words }, PLAIN)),
          },
          PLAIN,
        ),
        { nil: undefined },
      ),
    },
    PLAIN,
  );

  test('comes back as it was', () => {
    fc.assert(
      fc.property(contents, (content) => {
        assert.deepEqual(decodeReplay(encodeReplay(content)), content);
      }),
    );
  });

  test('that are cut off, altered or random are refused or understood, and never anything else', () => {
    fc.assert(
      fc.property(contents, fc.nat(), fc.integer({ min: 1, max: 255 }), (content, where, change) => {
        const whole = encodeReplay(content);
        if (whole.length === 0) return;
        const at = where % whole.length;
        for (const text of [whole.subarray(0, at), whole.map((octet, i) => (i === at ? octet ^ change : octet))])
          try {
            decodeReplay(text);
          } catch (error) {
            assert.ok(error instanceof RangeError, String(error));
          }
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (text) => {
        try {
          decodeReplay(text);
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error));
        }
      }),
    );
  });
});
