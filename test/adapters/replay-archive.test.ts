/** What groups remember of adverts, on a real disk and in virtual time. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { VirtualAction, VirtualTimeScheduler } from 'rxjs';
import { createReplayArchive } from '../../src/adapters/node/replay-archive.ts';
import type { ReplayPlace, ReplayRecord } from '../../src/ports/replay.ts';
import { vhid } from '../../src/protocol/units.ts';

const ETH0: ReplayPlace = { interface: 'eth0', vhid: vhid(10) };
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const bytes = (words: string): Uint8Array => Buffer.from(words);

/** As a large memory is handed over. */
const inPieces = (whole: Uint8Array): readonly Uint8Array[] =>
  Array.from({ length: Math.ceil(whole.length / 100) }, (_, i) => whole.subarray(100 * i, 100 * (i + 1)));

interface Bench {
  readonly folder: string;
  readonly file: string;
  readonly lines: string[];
  /** A process that keeps words: `say` gives it one more. */
  readonly start: (place?: ReplayPlace) => {
    readonly found: readonly string[];
    readonly say: (word: string, urgent?: boolean) => void;
    readonly asked: () => number;
    readonly record: ReplayRecord;
  };
  /** Lets this much time pass, and the disk do its work. */
  readonly pass: (ms: number) => Promise<void>;
}

const bench = (t: TestContext, name = 'state'): Bench => {
  const parent = mkdtempSync(join(tmpdir(), 'carp-replay-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const folder = join(parent, name);
  const scheduler = new VirtualTimeScheduler(VirtualAction, 0);
  const lines: string[] = [];
  const archive = createReplayArchive({
    folder,
    scheduler,
    log: (level, message) => lines.push(`${level} ${message}`),
  });
  return {
    folder,
    file: join(folder, 'replay-eth0-10.bin'),
    lines,
    start: (place = ETH0) => {
      const all: string[] = [];
      let [told, asked] = [0, 0];
      const record = archive.open(place, {
        news: () => {
          asked += 1;
          const news = all.slice(told);
          told = all.length;
          return news.length === 0 ? [] : [bytes(`+${news}`)];
        },
        whole: () => {
          asked += 1;
          told = all.length;
          return inPieces(bytes(`=${all}`));
        },
      });
      return {
        found: record.found.map(text),
        say: (word, urgent) => {
          all.push(word);
          record.touch(urgent);
        },
        asked: () => asked,
        record,
      };
    },
    pass: async (ms) => {
      for (const end = scheduler.frame + ms; scheduler.frame < end; ) {
        scheduler.maxFrames = Math.min(end, scheduler.frame + 1000);
        scheduler.flush();
        scheduler.frame = scheduler.maxFrames;
        await archive.settled();
      }
    },
  };
};

describe('an archive of adverts', () => {
  test('gives a later process what the one before has kept: the whole, and the news after it', async (t) => {
    const { start, pass, file, lines } = bench(t);
    const first = start();
    assert.deepEqual(first.found, []);
    first.say('a');
    await pass(6000);
    first.say('b');
    first.say('c');
    await pass(6000);
    first.say('d');
    await pass(6000);
    assert.deepEqual(start().found, ['=a', '+b,c', '+d']);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(lines, []);
  });

  test('writes every five seconds at most, urgent news at once, and nothing when there are none', async (t) => {
    const { start, pass, file } = bench(t);
    const process = start();
    process.say('claim', true);
    await pass(1);
    assert.equal(process.asked(), 1);
    for (let i = 0; i < 50; i += 1) {
      process.say(`${i}`);
      await pass(100);
    }
    assert.ok(process.asked() <= 2, `asked ${process.asked()} times in 5 s`);
    await pass(60_000);
    const asked = process.asked();
    const before = readFileSync(file);
    await pass(600_000);
    assert.equal(process.asked(), asked);
    assert.deepEqual(readFileSync(file), before);
  });

  test('does nothing while an advert is heard: neither the disk nor the memory is asked', (t) => {
    const { start, folder } = bench(t);
    const process = start();
    process.say('a', true);
    assert.equal(process.asked(), 0);
    assert.equal(existsSync(folder), false);
  });

  test('writes the last news when it is closed, and none after that', async (t) => {
    const { start, pass } = bench(t);
    const first = start();
    first.say('a');
    first.record.close();
    await pass(1);
    first.say('b', true);
    await pass(60_000);
    assert.deepEqual(start().found, ['=a']);
  });

  test('starts a new file when the news have become longer than the whole, and never loses one', async (t) => {
    const { start, pass, file } = bench(t);
    const process = start();
    const said: string[] = [];
    let longest = 0;
    for (let i = 0; i < 100; i += 1) {
      said.push(`${i}`.padStart(1000, '.'));
      process.say(said.at(-1) ?? '');
      await pass(5000);
      longest = Math.max(longest, statSync(file).size);
      const kept = start().found.map((each) => each.slice(1));
      assert.equal(kept.join(','), said.join(','));
    }
    assert.ok(longest < 170_000, `${longest} bytes for 100,000`);
  });

  test('keeps interfaces and virtual hosts apart, whatever an interface is called', async (t) => {
    const { start, pass, folder } = bench(t);
    const places = [
      ETH0,
      { ...ETH0, vhid: vhid(11) },
      { ...ETH0, interface: 'eth0.10' },
      { ...ETH0, interface: '../x' },
    ];
    for (const [i, place] of places.entries()) start(place).say(`${i}`);
    await pass(6000);
    for (const [i, place] of places.entries()) assert.deepEqual(start(place).found, [`=${i}`]);
    assert.equal(readdirSync(folder).length, 4);
  });

  test('uses what is there of a file that was cut off anywhere, and says so', async (t) => {
    const { start, pass, file, lines } = bench(t);
    const process = start();
    for (const word of ['a', 'b', 'c']) {
      process.say(word);
      await pass(6000);
    }
    const whole = ['=a', '+b', '+c'];
    const content = readFileSync(file);
    for (let length = content.length - 1; length >= 0; length -= 1) {
      writeFileSync(file, content);
      truncateSync(file, length);
      lines.length = 0;
      const later = start();
      assert.deepEqual(later.found, whole.slice(0, later.found.length));
      if (later.found.length === 0) {
        assert.match(lines.join(), /^warn .*was moved to .*\.corrupt/);
        assert.deepEqual(readFileSync(`${file}.corrupt`), content.subarray(0, length));
      }
      // At the end of a frame nothing can be seen to be missing.
      later.say('z');
      await pass(6000);
      const found = start().found;
      assert.ok(found.at(-1)?.endsWith('z'), `${length} bytes: ${found}`);
    }
  });

  test('does not believe a file in which a bit has turned over', async (t) => {
    const { start, pass, file } = bench(t);
    const process = start();
    for (const word of ['a', 'b', 'c']) {
      process.say(word);
      await pass(6000);
    }
    const content = readFileSync(file);
    for (let bit = 0; bit < content.length * 8; bit += 1) {
      writeFileSync(
        file,
        content.map((octet, i) => (i === bit >> 3 ? octet ^ (0x80 >> (bit & 7)) : octet)),
      );
      const { found } = start();
      assert.deepEqual(found, ['=a', '+b', '+c'].slice(0, found.length), `bit ${bit}`);
      assert.ok(found.length < 3);
    }
  });

  test('puts a file of somebody else aside, one that is too large as well, and one about another interface', async (t) => {
    const { start, pass, folder, file, lines } = bench(t);
    mkdirSync(folder);
    start({ ...ETH0, vhid: vhid(11) }).say('other');
    await pass(6000);
    const other = readFileSync(join(folder, 'replay-eth0-11.bin'));
    for (const content of [Buffer.from('{"leases":[]}'), Buffer.alloc(9 * 2 ** 20, 'CARPRPL1'), other]) {
      writeFileSync(file, content);
      lines.length = 0;
      const process = start();
      assert.deepEqual(process.found, []);
      assert.match(
        lines.join(),
        /^warn .*replay-eth0-10\.bin cannot be used and was moved to .*adverts are remembered anew/,
      );
      process.say('a');
      await pass(6000);
      assert.deepEqual(start().found, ['=a']);
    }
  });

  test('writes all anew when somebody has removed the file', async (t) => {
    const { start, pass, file } = bench(t);
    const process = start();
    process.say('a');
    await pass(6000);
    rmSync(file);
    process.say('b');
    await pass(70_000);
    assert.deepEqual(start().found, ['=a,b']);
  });

  test('says once that nothing can be written and what to do, and writes all when it can', async (t) => {
    const { start, pass, folder, lines } = bench(t);
    writeFileSync(folder, 'a file where the folder should be');
    const process = start();
    for (let i = 0; i < 30; i += 1) {
      process.say(`${i}`);
      await pass(10_000);
    }
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0] ?? '', /^warn .* cannot be written .*install -d -m 0700/);
    rmSync(folder);
    await pass(61_000);
    assert.equal(start().found[0], `=${Array.from({ length: 30 }, (_, i) => i)}`);
  });

  test('leaves no temporary files behind', async (t) => {
    const { start, pass, folder } = bench(t);
    const process = start();
    for (let i = 0; i < 20; i += 1) {
      process.say('x'.repeat(10_000));
      await pass(6000);
    }
    process.record.close();
    await pass(0);
    assert.deepEqual(readdirSync(folder), ['replay-eth0-10.bin']);
  });
});

for (const [what, make] of [
  ['a folder', (file: string) => mkdirSync(file)],
  ['a pipe, whose other end may never come,', (file: string) => execFileSync('mkfifo', [file])],
] as const)
  test(`${what} in place of the file is set aside, and the start does not wait`, async (t) => {
    const { folder, file, lines, start, pass } = bench(t);
    mkdirSync(folder);
    make(file);
    const first = start();
    assert.deepEqual(first.found, []);
    assert.match(lines.join(), /^warn .*was moved to .*\.corrupt: it is no file/);
    first.say('one');
    await pass(10_000);
    assert.ok(statSync(file).isFile());
    assert.deepEqual(start().found, ['=one'], 'the whole of what was said');
  });
