import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, after as finally_, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { monotonicMs } from '../support/wait.ts';
import type { FileResult } from './file-report.ts';
import { type RunAllOptions, runAll } from './run-all.ts';
import { runFile } from './run-file.ts';
import { Witness } from './witness.ts';

const never = new AbortController().signal;

describe('a test file', { concurrency: 2 }, () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'carp-runner-'));
  });
  finally_(() => rmSync(folder, { recursive: true, force: true }));

  const run = (name: string, code: string, limitMs?: number): Promise<FileResult> => {
    const file = join(folder, `${name}.mjs`);
    writeFileSync(
      file,
      `import { describe, test } from 'node:test';\nimport assert from 'node:assert/strict';\n${code}`,
    );
    return runFile(file, { stopped: never, ...(limitMs === undefined ? {} : { limitMs }) });
  };

  test('that passes says what it measured and what it skipped, and why', async () => {
    const result = await run(
      'passes',
      `describe('outer', () => {
         test('measures', (t) => t.diagnostic('it took 3 ms'));
         test('is left out', { skip: 'needs root' }, () => {});
       });
       test('says nothing', () => {});`,
    );
    assert.deepEqual([result.ok, result.passed, result.failed, result.skipped], [true, 2, 0, 1], result.output);
    assert.equal(result.output, '  # outer > measures: it took 3 ms\n  ok - outer > is left out # SKIP needs root\n');
  });

  test('says of a suite that is left out that it is, and why', async () => {
    const result = await run('suite', `describe('outer', { skip: 'needs root' }, () => { test('inner', () => {}); });`);
    assert.deepEqual([result.ok, result.passed, result.skipped], [true, 0, 1], result.output);
    assert.equal(result.output, '  ok - outer # SKIP needs root\n');
  });

  test('may leave its last line open', async () => {
    const result = await run(
      'open-line',
      `test('prints', () => { process.stdout.write('out'); process.stderr.write('err'); });`,
    );
    assert.deepEqual([result.ok, result.passed], [true, 1], result.output);
  });

  test('that leaves a program behind is not waited for when that holds its output', async () => {
    const code = `import { spawn } from 'node:child_process';
      test('starts', () => {
        const options = { stdio: ['ignore', 'inherit', 'ignore'], detached: true };
        spawn(process.execPath, ['-e', 'setTimeout(() => {}, 25_000)'], options).unref();
      });`;
    const result = await run('leaves', code);
    assert.equal(result.ok, false);
    assert.match(result.output, /left a program behind/);
    assert.ok(result.to - result.from < 24_000, `it took ${result.to - result.from} ms`);
  });

  test('that is begun after everything was stopped is ended at once', async () => {
    const file = join(folder, 'stopped.mjs');
    writeFileSync(file, `setInterval(() => {}, 1000);`);
    const result = await runFile(file, { stopped: AbortSignal.abort(), limitMs: 60_000 });
    assert.equal(result.ok, false);
    assert.match(result.output, /it was stopped/);
  });

  test('that fails names each failed test once, with its error, and not the suites around it', async () => {
    const result = await run(
      'fails',
      `describe('outer', () => {
         test('holds', () => {});
         test('does not hold', () => assert.equal(1, 2, 'one is not two'));
       });
       test('with a subtest', async (t) => {
         await t.test('that does not hold', () => { throw new Error('no'); });
       });`,
    );
    assert.deepEqual([result.ok, result.passed], [false, 1], result.output);
    assert.deepEqual(
      result.output.split('\n').filter((line) => line.includes('not ok')),
      [
        '  not ok - outer > does not hold',
        '  not ok - with a subtest > that does not hold',
        '  not ok - with a subtest',
      ],
    );
    assert.match(result.output, /one is not two/);
    assert.equal(result.failed, 3);
  });

  for (const [how, code, expected] of [
    [
      'that ends in the middle',
      `test('first', () => {}); setTimeout(() => process.exit(3), 50); test('never', () => new Promise(() => setInterval(() => {}, 1000)));`,
      /exit code 3/,
    ],
    ['that cannot be loaded', `import './absent.mjs';`, /absent\.mjs/],
    ['whose process is killed', `process.kill(process.pid, 'SIGKILL');`, /SIGKILL/],
    [
      'whose hook fails',
      `import { after } from 'node:test'; test('holds', () => {}); after(() => { throw new Error('not taken down'); });`,
      /not taken down/,
    ],
  ] as const)
    test(`${how} is not ok`, async () => {
      const result = await run(how.replaceAll(' ', '-'), code);
      assert.equal(result.ok, false, result.output);
      assert.ok(result.failed >= 1);
      assert.match(result.output, expected);
    });

  test('that hangs is ended', async () => {
    const result = await run('hangs', `test('waits', () => new Promise(() => setInterval(() => {}, 1000)));`, 2000);
    assert.equal(result.ok, false);
    assert.match(result.output, /it ran for 2 s/);
  });
});

test('a part of a name that no file has is told, and not ok', () => {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const argv = [main, 'runner/nothing', '/absent.test.js'];
  const { status, stdout } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stdout, /no test file is called runner\/nothing or \/absent/);
});

describe('the witness', () => {
  const heldUp = (ms: number) => () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

  test('notices that the machine slept, though the monotonic clock stood still', () => {
    let slept = 5000;
    const witness = new Witness(() => slept);
    const from = monotonicMs();
    slept += 3000;
    const what = witness.between(from, monotonicMs()).map((each) => each.what);
    witness.stop();
    assert.ok(what.includes('slept for 3.0 s'), what.join());
  });

  test('takes a long write for no pause of the machine', () => {
    const witness = new Witness();
    const long = () => witness.between(0, monotonicMs()).filter(({ from, to }) => to - from >= 400);
    witness.apart(heldUp(500));
    assert.deepEqual(long(), []);
    heldUp(500)();
    assert.equal(long().length, 1);
    witness.stop();
  });
});

describe('all test files', () => {
  const ended = (file: string, ok: boolean, from = 0): FileResult => ({
    file,
    ok,
    passed: ok ? 1 : 0,
    failed: ok ? 0 : 1,
    skipped: 0,
    output: ok ? '' : '  not ok - a test\n',
    from,
    to: from + 10,
  });

  /** Runs files whose runs end as told here, one after the other; the machine is disturbed in the runs of that number. */
  const all = async (endings: Readonly<Record<string, readonly boolean[]>>, disturbed: readonly number[]) => {
    const said: string[] = [];
    const started: string[] = [];
    const left = new Map(Object.entries(endings).map(([file, each]) => [file, [...each]]));
    const options: RunAllOptions = {
      concurrency: 1,
      run: async (file) => {
        started.push(file);
        return ended(file, left.get(file)?.shift() ?? assert.fail(`${file} was run too often`), started.length * 100);
      },
      disturbances: (from, to) =>
        disturbed.includes(from / 100) ? [{ from, to, what: 'stood still for 900 ms' }] : [],
      untilQuiet: async () => void started.push('quiet'),
      stopped: never,
      nameOf: (file) => file,
      print: (text) => void said.push(text),
    };
    const outcome = await runAll(Object.keys(endings), options);
    return { ...outcome, started, said: said.join('') };
  };

  test('are run once each where nothing happens, and what fails has failed', async () => {
    const { results, repeated, started, said } = await all({ a: [true], b: [false] }, []);
    assert.deepEqual(started, ['a', 'b']);
    assert.deepEqual(
      results.map(({ ok }) => ok),
      [true, false],
    );
    assert.deepEqual(repeated, []);
    assert.match(
      said,
      /^ok - a: 1 passed \(0\.0 s\)\nnot ok - b: 0 passed, 1 failed \(0\.0 s\)\n {2}not ok - a test\n$/,
    );
  });

  test('that fail on a machine that stood still run once more, after the others, on a quiet machine, and it is said', async () => {
    const { results, repeated, started, said } = await all({ a: [false, true], b: [true] }, [1]);
    assert.deepEqual(started, ['a', 'b', 'quiet', 'a']);
    assert.deepEqual(
      results.map(({ file, ok }) => [file, ok]),
      [
        ['b', true],
        ['a', true],
      ],
    );
    assert.deepEqual(repeated, ['a']);
    assert.match(
      said,
      /again - a failed on a machine that stood still for 900 ms; it runs once more\n {2}\| {3}not ok - a test\n/,
    );
  });

  test('that pass on a machine that stood still have passed', async () => {
    assert.deepEqual((await all({ a: [true] }, [1])).started, ['a']);
  });

  test('that fail once more, undisturbed, have failed', async () => {
    const { results, started } = await all({ a: [false, false] }, [1]);
    assert.deepEqual(started, ['a', 'quiet', 'a']);
    assert.deepEqual(
      results.map(({ ok }) => ok),
      [false],
    );
  });

  test('that fail four times have failed, whatever the machine did', async () => {
    const { results, started } = await all({ a: [false, false, false, false] }, [1, 3, 5, 7]);
    assert.equal(started.filter((file) => file === 'a').length, 4);
    assert.deepEqual(
      results.map(({ ok }) => ok),
      [false],
    );
  });
});
