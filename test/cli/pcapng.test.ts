import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe as group, test } from 'node:test';
import fc from 'fast-check';
import { readCapture } from '../../src/adapters/node/capture.ts';
import { carpPacket } from '../../src/engine/segment-packet.ts';
import { CarpError } from '../../src/ports/error.ts';
import type { CapturedFrame } from '../../src/ports/sniffer.ts';
import { captures } from '../protocol/vectors.ts';
import { toolPath } from '../support/requirements.ts';
import { ethernet, ipv4, pcap, START_S } from './capture-file.ts';
import { Block, block, describe, enhanced, old, option, section, simple } from './pcapng-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'carp-pcapng-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const chunksOf = async function* (file: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < file.length; from += size) yield file.subarray(from, from + size);
};

const framesOf = async (file: Uint8Array, size?: number): Promise<readonly CapturedFrame[]> => {
  const frames: CapturedFrame[] = [];
  for await (const frame of readCapture('file', chunksOf(file, size))) frames.push(frame);
  return frames;
};

const START_US = BigInt(START_S) * 1_000_000n;
const START_MS = START_S * 1000;
const frame = ethernet(ipv4(new Uint8Array(36).fill(7)));
const file = (...blocks: readonly Uint8Array[]): Buffer => Buffer.concat(blocks);

for (const order of [{ bigEndian: false }, { bigEndian: true }]) {
  const name = order.bigEndian ? 'big-endian' : 'little-endian';

  test(`a ${name} section gives its packets with time and link layer, however the file is cut`, async () => {
    const whole = file(section(order), describe(order), enhanced(frame, START_US + 1_250_000n, order));
    for (const size of [1, 3, 7, 65_536]) {
      const [only, ...more] = await framesOf(whole, size);
      assert.deepEqual(more, []);
      assert.deepEqual(
        { ...only, data: Buffer.from(only?.data ?? []) },
        { at: START_MS + 1250, link: 'ethernet', data: frame },
      );
    }
  });

  test(`the obsolete and the simple packet block of a ${name} section are read`, async () => {
    const packets = [old(frame, START_US, order), simple(frame, frame.length, order)];
    const frames = await framesOf(file(section(order), describe(order), ...packets));
    assert.deepEqual(
      frames.map(({ at, data }) => [at, Buffer.from(data)]),
      [
        [START_MS, frame],
        // A simple packet has no time: it came after the one before.
        [START_MS, frame],
      ],
    );
  });
}

for (const [name, options, ticks] of [
  ['microseconds, as nothing is said', {}, START_US + 500_000n],
  ['milliseconds', { resolution: 3 }, BigInt(START_MS) + 500n],
  ['nanoseconds', { resolution: 9 }, START_US * 1000n + 500_000_000n],
  ['whole seconds with an offset', { resolution: 0, offset: BigInt(START_S) - 10n }, 10n],
  ['2^-10 s', { resolution: 0x8a }, BigInt(START_S) * 1024n + 512n],
  ['2^-20 s', { resolution: 0x94 }, BigInt(START_S) * 1_048_576n + 524_288n],
  ['a negative offset', { offset: -5n }, START_US + 5_500_000n],
  ['an option before it', { resolution: 3, extra: option(2, Buffer.from('eth0')) }, BigInt(START_MS) + 500n],
  ['an if_tsresol of a wrong length', { extra: option(9, Buffer.from('eth0')) }, START_US + 500_000n],
] as const)
  test(`time is read in ${name}`, async () => {
    const [only] = await framesOf(file(section(), describe(options), enhanced(frame, ticks)));
    assert.equal(only?.at, name.startsWith('whole') ? START_MS : START_MS + 500);
  });

test('times that no clock tells are cut to what a Date can hold', async () => {
  for (const options of [{ offset: 2n ** 62n }, { offset: -(2n ** 62n) }, { resolution: 0x7f }, { resolution: 0xff }]) {
    const [only] = await framesOf(file(section(), describe(options), enhanced(frame, 2n ** 64n - 1n)));
    assert.doesNotThrow(() => new Date(only?.at ?? Number.NaN).toISOString());
  }
});

test('several sections in different byte orders, with interfaces of their own, are one capture', async () => {
  const big = { bigEndian: true };
  const frames = await framesOf(
    file(
      ...[section(), describe(), describe({ link: 101, resolution: 3 })],
      ...[enhanced(frame, START_US), enhanced(frame.subarray(14), BigInt(START_MS) + 5n, { port: 1 })],
      ...[section(big), describe({ ...big, link: 113 }), enhanced(frame, START_US + 10_000n, big)],
    ),
  );
  assert.deepEqual(
    frames.map(({ at, link, interface: port }) => [at - START_MS, link, port]),
    [
      [0, 'ethernet', undefined],
      [5, 'ip', 1],
      [10, 'sll', undefined],
    ],
  );
});

test('an interface of the section before is none of this one', async () => {
  await assert.rejects(
    framesOf(file(section(), describe(), section(), enhanced(frame, START_US))),
    /interface 0, which/,
  );
});

test('blocks of other types are passed over, and so are frames of other link layers', async () => {
  const names = block(Block.names, Buffer.alloc(400_000));
  const usb = describe({ link: 220 });
  const frames = await framesOf(
    file(
      section(),
      names,
      usb,
      describe(),
      enhanced(frame, 1n),
      block(0x0bad, Buffer.alloc(0)),
      enhanced(frame, START_US, { port: 1 }),
    ),
  );
  assert.equal(frames.length, 1);
  assert.equal(frames[0]?.interface, 1);
  await assert.rejects(framesOf(file(section(), usb, enhanced(frame, 1n))), /link type 220/);
});

test('a packet that was sent by the capturing host is marked', async () => {
  const flags = (bits: number) => option(2, Uint8Array.of(bits, 0, 0, 0));
  const frames = await framesOf(
    file(section(), describe(), ...[1, 2].map((bits) => enhanced(frame, START_US, { extra: flags(bits) }))),
  );
  assert.deepEqual(
    frames.map(({ outgoing }) => outgoing),
    [undefined, true],
  );
});

test('a simple packet is as long as was kept of it', async () => {
  const cut = frame.subarray(0, 33);
  const [only] = await framesOf(file(section(), describe({ snapLength: 33 }), simple(cut, frame.length)));
  assert.equal(only?.data.length, 33);
});

group('a damaged file', () => {
  const good = file(section(), describe(), enhanced(frame, START_US));
  const packetStart = good.length - enhanced(frame, START_US).length;
  const inPacket = (offset: number, value: number): Buffer => {
    const copy = Buffer.from(good);
    copy.writeUInt32LE(value, packetStart + offset);
    return copy;
  };

  for (const [name, content, message] of [
    ['has a block of almost no length', file(section(), block(6, Buffer.alloc(0), {}, 8)), /a block of 8 bytes/],
    ['has a block of a crooked length', file(section(), block(9, Buffer.alloc(4), {}, 17)), /a block of 17 bytes/],
    ['has a packet of gigabytes', inPacket(4, 0xffff_fff0), /a block of 4294967280 bytes/],
    ['has two lengths', inPacket(good.length - packetStart - 4, 16), /two different lengths/],
    ['has a packet longer than its block', inPacket(20, 0xffff), /longer than its block/],
    ['has a packet of no interface', inPacket(8, 3), /interface 3, which is not described/],
    ['has a simple packet before any interface', file(section(), simple(frame)), /a packet of no interface/],
    ['has a section of another version', Buffer.from(good).fill(9, 12, 13), /version 9/],
    ['has no byte order', Buffer.from(good).fill(0xee, 8, 12), /no byte order/],
  ] as const)
    test(`that ${name} is told to be damaged`, async () => {
      await assert.rejects(framesOf(content), (error) => {
        assert.ok(error instanceof CarpError);
        assert.match(error.message, message);
        assert.match(error.remedy ?? '', /copy the file again/);
        return true;
      });
    });

  test('that ends early is told so, wherever it ends', async () => {
    for (let length = 4; length < good.length; length += 1) {
      const frames: CapturedFrame[] = [];
      const read = async (): Promise<void> => {
        for await (const each of readCapture('file', chunksOf(good.subarray(0, length)))) frames.push(each);
      };
      const isBetween = [section().length, section().length + describe().length].includes(length);
      if (isBetween) await read();
      else await assert.rejects(read(), /ends in the middle/);
      assert.deepEqual(frames, []);
    }
  });

  test('never makes a reader throw anything but a CarpError, or deliver more than there is', async () => {
    const starts = [
      good,
      pcap([frame, frame]),
      file(section({ bigEndian: true }), describe({ bigEndian: true, resolution: 9 })),
    ];
    const mutated = fc
      .tuple(
        fc.constantFrom(...starts),
        fc.array(fc.tuple(fc.nat(250), fc.nat(255)), { maxLength: 6 }),
        fc.uint8Array({ maxLength: 60 }),
      )
      .map(([start, changes, tail]) => {
        const copy = Buffer.concat([start, tail]);
        for (const [index, octet] of changes) if (index < copy.length) copy[index] = octet;
        return copy;
      });
    await fc.assert(
      fc.asyncProperty(mutated, fc.integer({ min: 1, max: 80 }), async (content, size) => {
        let bytes = 0;
        try {
          for await (const each of readCapture('file', chunksOf(content, size))) {
            bytes += each.data.length;
            carpPacket(each);
            new Date(each.at).toISOString();
          }
        } catch (error) {
          assert.ok(error instanceof CarpError, String(error));
        }
        assert.ok(bytes <= content.length);
      }),
      { numRuns: 1000 },
    );
  });

  test('that claims to be endless is skipped without being kept', async () => {
    const before = process.memoryUsage().arrayBuffers;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.concat([section(), Buffer.from('ad0b0000fcffff0f', 'hex')]);
      const zeros = Buffer.alloc(1024 * 1024);
      for (let i = 0; i < 128; i += 1) yield zeros;
    };
    const read = async (): Promise<void> => {
      for await (const each of readCapture('file', endless())) assert.fail(`${each.at}`);
    };
    await assert.rejects(read(), /ends in the middle/);
    assert.ok(process.memoryUsage().arrayBuffers - before < 32 * 1024 * 1024);
  });
});

const skip = toolPath('editcap') === undefined && 'needs editcap: apt-get install tshark';
const mergeSkip = toolPath('mergecap') === undefined && 'needs mergecap: apt-get install tshark';

test('what editcap makes of each capture is the same capture', { skip }, async () => {
  for (const { file: name, path } of captures) {
    const converted = join(folder, `${name}ng`);
    execFileSync('editcap', ['-F', 'pcapng', path, converted]);
    const [before, then] = await Promise.all(
      [path, converted].map(async (each) => {
        const frames: unknown[] = [];
        for await (const { at, link, data } of readCapture(each, createReadStream(each)))
          frames.push([at.toFixed(3), link, Buffer.from(data).toString('hex')]);
        return frames;
      }),
    );
    assert.ok((before?.length ?? 0) > 0);
    assert.deepEqual(then, before, name);
  }
});

test('what mergecap makes of two captures are the frames of both', { skip: mergeSkip }, async () => {
  const [one, two] = captures;
  assert.ok(one && two);
  const merged = join(folder, 'merged.pcapng');
  execFileSync('mergecap', ['-F', 'pcapng', '-w', merged, one.path, two.path]);
  const lengths = await Promise.all(
    [one.path, two.path, merged].map(async (path) => (await framesOf(readFileSync(path))).length),
  );
  assert.equal(lengths[2], (lengths[0] ?? 0) + (lengths[1] ?? 0));
});
