/**
 * Runs the test files, each in a process of its own:
 *
 *     node dist/test/runner/main.js [--concurrency=N] [FILE OR PART OF ITS NAME …]
 *
 * `node --test` starts them in alphabetical order, so that what computes meets what computes, and it knows nothing of the
 * machine. Here a file that failed while the machine itself stood still is run once more when the rest is over, alone;
 * what fails on a machine that was well has failed.
 */
import { readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runAll } from './run-all.ts';
import { runFile } from './run-file.ts';
import { Witness } from './witness.ts';

const CONCURRENCY = 4;
const QUIET_MS = 4000;
const QUIET_WITHIN_MS = 120_000;

const tests = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const option = args.find((arg) => arg.startsWith('--concurrency='));
const wanted = args.filter((arg) => arg !== option);
const nameOf = (file: string): string => relative(tests, file).replace(/\.test\.js$/, '');

const matches = (file: string, part: string): boolean => resolve(part) === file || nameOf(file).includes(part);

const files = readdirSync(tests, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) => readdirSync(join(tests, name)).map((file) => join(tests, name, file)))
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => matches(file, part)))
  .toSorted();
const unknown = wanted.filter((part) => !files.some((file) => matches(file, part)));

const witness = new Witness();
const print = (text: string): void => witness.apart(() => process.stdout.write(text));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort());
// Whoever read has gone, as in `| head`.
process.stdout.on('error', () => stop.abort());

const begun = performance.now();
const { results, repeated } = await runAll(files, {
  concurrency: Math.max(1, Math.trunc(Number(option?.split('=')[1])) || CONCURRENCY),
  run: (file) => runFile(file, { stopped: stop.signal }),
  disturbances: (from, to) => witness.between(from, to),
  untilQuiet: () => witness.untilQuiet(QUIET_MS, QUIET_WITHIN_MS, stop.signal),
  stopped: stop.signal,
  nameOf,
  print,
});
witness.stop();

const sum = (part: 'passed' | 'failed' | 'skipped'): number => results.reduce((total, each) => total + each[part], 0);
const bad = results.filter(({ ok }) => !ok).map(({ file }) => nameOf(file));
const took = ((performance.now() - begun) / 1000).toFixed(1);
print(`
${results.length} of ${files.length} files in ${took} s: ${sum('passed')} tests passed, ${sum('failed')} failed, ${sum('skipped')} skipped
${witness.summary()}
`);
if (repeated.length > 0) print(`run once more because of that: ${repeated.join(', ')}\n`);
if (unknown.length > 0) print(`no test file is called ${unknown.join(' or ')}\n`);
if (bad.length > 0) print(`not ok: ${bad.join(', ')}\n`);
const isComplete = files.length > 0 && unknown.length === 0 && results.length === files.length;
process.exitCode = bad.length === 0 && isComplete ? 0 : 1;
