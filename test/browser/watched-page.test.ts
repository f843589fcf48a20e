/** The watch that all browser tests rely on: it notices what it is there for, and nothing else. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { missingBrowser, openPage, startBrowser } from '../support/browser.ts';
import { until } from '../support/wait.ts';

const options = { skip: missingBrowser(), timeout: 120_000 };
const WITHIN_MS = 30_000;

const faultsOf = async (t: TestContext, body: string, wanted: RegExp): Promise<readonly string[]> => {
  const { page, faults } = await openPage(await startBrowser(t));
  await page.setContent(body);
  await until(`a fault like ${wanted}`, WITHIN_MS, () => faults.some((fault) => wanted.test(fault)));
  return faults;
};

test('a request to another host is refused and noticed', options, async (t) => {
  const faults = await faultsOf(t, '<img src="http://192.0.2.1/picture.png">', /^request to another host/);
  assert.ok(faults.includes('request to another host: http://192.0.2.1/picture.png'));
});

test('a web socket to another host is noticed', options, async (t) => {
  await faultsOf(t, '<script>new WebSocket("ws://localhost.invalid/")</script>', /^web socket to another host/);
});

test('an error that nobody catches is noticed', options, async (t) => {
  await faultsOf(t, '<script>setTimeout(() => { throw new Error("oops") })</script>', /^page error: Error: oops/);
});

test('a complaint on the console is noticed, a remark is not', options, async (t) => {
  const faults = await faultsOf(t, '<script>console.log("fine"); console.error("bad")</script>', /^console error: bad/);
  assert.equal(faults.length, 1);
});
