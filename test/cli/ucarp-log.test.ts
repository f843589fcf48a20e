/** What scripts of `carp ucarp` print, and nobody reads. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { scriptOutput } from '../../src/cli/ucarp-log.ts';

test('what nobody reads of a script is dropped beyond half a megabyte, and counted when there is room again', async () => {
  const written: string[] = [];
  let take: () => void = () => undefined;
  const stdout = new Writable({
    decodeStrings: false,
    write: (text: string, _encoding, done) => {
      written.push(text);
      take = done;
    },
  });
  const output = scriptOutput({ stdout, stderr: stdout });
  const part = 'x'.repeat(60_000);
  for (let i = 0; i < 50; i += 1) output.stdout(part);
  const queued = stdout.writableLength;
  assert.ok(queued > 400_000 && queued <= 512 * 1024, `${queued} are queued of 3,000,000`);
  for (let i = 0; stdout.writableLength > 0 && i < 100; i += 1) {
    take();
    await new Promise((resolve) => setImmediate(resolve));
  }
  output.stdout('more\n');
  take();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(written.slice(-2), [
    `\n(${3_000_000 - queued} characters of a script were dropped because nobody read them)\n`,
    'more\n',
  ]);
});
