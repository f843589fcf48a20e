/**
 * What one test file says while it runs under `main.ts`: nothing of what passes except what it measured, each skipped test
 * with its reason, each failed one with its error, and a last line of numbers that `main.ts` reads.
 */
import { inspect } from 'node:util';
import { type FileReport, SUMMARY } from './file-report.ts';

/** What node:test tells a reporter, as far as it is looked at (Node.js 20 to 26). */
interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly nesting?: number;
    readonly message?: string;
    readonly skip?: string | boolean;
    readonly details?: { readonly type?: string; readonly error?: Error };
  };
}

/** node:test ends with its own numbers, as diagnostics of the file. */
const OWN_NUMBERS = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

const because = (reason: string | boolean | undefined): string => (typeof reason === 'string' ? ` ${reason}` : '');

/** The error as a person reads it, without the frames of node:test. */
const explained = (error: Error | undefined): string => {
  const cause = error?.cause ?? error;
  return inspect(cause)
    .split('\n')
    .filter((line) => !/\bnode:internal\//.test(line))
    .map((line) => `    ${line}\n`)
    .join('');
};

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const numbers: { -readonly [Key in keyof FileReport]: FileReport[Key] } = { passed: 0, failed: 0, skipped: 0 };
  /** Titles of the tests around the present one. */
  let titles: readonly string[] = [];
  for await (const { type, data } of source) {
    const { name = '', nesting = 0, message = '', details } = data;
    const title = [...titles.slice(0, nesting), name].join(' > ');
    if (type === 'test:start') titles = [...titles.slice(0, nesting), name];
    if (type === 'test:diagnostic' && !(nesting === 0 && OWN_NUMBERS.test(message)))
      yield `  # ${titles.slice(0, nesting + 1).join(' > ')}: ${message}\n`;
    if (type === 'test:pass') {
      const isSuite = details?.type === 'suite';
      if (data.skip === undefined || data.skip === false) numbers.passed += isSuite ? 0 : 1;
      else {
        // Tests of a suite that is left out are not known, not even how many there are.
        numbers.skipped += 1;
        yield `  ok - ${title} # SKIP${because(data.skip)}\n`;
      }
    }
    if (type === 'test:fail') {
      // A suite fails because a test in it did, or by itself when that test was told already.
      const isOwn = details?.type !== 'suite' || !/subtests? failed/.test(String(details.error?.message));
      if (!isOwn) continue;
      numbers.failed += 1;
      yield `  not ok - ${title}\n${explained(details?.error)}`;
    }
  }
  // A test may have left its last line open.
  yield `\n${SUMMARY}${JSON.stringify(numbers)}\n`;
}
