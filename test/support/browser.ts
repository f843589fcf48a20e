/** Debian's Chromium, in which pages are opened that must not complain and must not reach anybody but 127.0.0.1. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
  type ViewportSize,
} from 'playwright-core';
import { ROOT } from './built.ts';
import type { Scope } from './netns.ts';
import { toolPath } from './requirements.ts';

const OUTPUT_FOLDER = join(ROOT, 'dist', 'test-output');
const README_FOLDER = join(ROOT, '.github');
const MAKES_README = process.env['CARP_README_PICTURES'] === '1';
const PROGRAM = toolPath('chromium') ?? toolPath('chromium-browser') ?? toolPath('google-chrome');

/** The reason to skip a test that needs a browser, or `false` when it can run. */
export const missingBrowser = (): string | false =>
  PROGRAM === undefined ? 'needs chromium: apt-get install chromium' : false;

/** Bounds every wait for the page. Other tests may have both processors. */
export const WITHIN_MS = 30_000;

/** It ends with the test. */
export const startBrowser = async (scope: Scope): Promise<Browser> => {
  if (PROGRAM === undefined) throw new Error('there is no Chromium: apt-get install chromium');
  const browser = await chromium.launch({
    executablePath: PROGRAM,
    // Root has no sandbox, and containers seldom have one.
    chromiumSandbox: false,
    // What a page asks of another host is seen and refused; what the browser itself might ask is not even resolved.
    args: ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
    timeout: WITHIN_MS,
  });
  scope.after(() => browser.close());
  return browser;
};

export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
  /** What is in the local storage before the first page is loaded. */
  readonly storage?: Readonly<Record<string, string>>;
}

/** A page, and what went wrong on it so far: errors, complaints on the console, and requests to other hosts. */
export interface WatchedPage {
  readonly page: Page;
  readonly faults: readonly string[];
}

const isOurs = (url: string): boolean => {
  const { protocol, hostname } = new URL(url);
  return protocol === 'data:' || protocol === 'blob:' || hostname === '127.0.0.1';
};

const watch = async (context: BrowserContext): Promise<WatchedPage> => {
  const faults: string[] = [];
  await context.route('**/*', async (route) => {
    const url = route.request().url();
    if (isOurs(url)) return route.fallback();
    faults.push(`request to another host: ${url}`);
    return route.abort();
  });
  const page = await context.newPage();
  page.setDefaultTimeout(WITHIN_MS);
  page.on('websocket', (socket) => {
    if (!isOurs(socket.url())) faults.push(`web socket to another host: ${socket.url()}`);
  });
  page.on('pageerror', (error) => faults.push(`page error: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console error: ${message.text()} (${message.location().url})`);
  });
  page.on('response', (response) => {
    if (response.status() >= 500) faults.push(`${response.status()} from ${response.url()}`);
  });
  return { page, faults };
};

/** An empty page of a new user. It is closed with its browser. */
export const openPage = async (browser: Browser, options: PageOptions = {}): Promise<WatchedPage> => {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
    locale: 'en-US',
    deviceScaleFactor: MAKES_README ? 2 : 1,
    // Dialogs that fade in are clicked before they stand still.
    reducedMotion: 'reduce',
  });
  const script = `for (const [key, value] of Object.entries(${JSON.stringify(options.storage ?? {})}))
    if (localStorage.getItem(key) === null) localStorage.setItem(key, value);`;
  await context.addInitScript({ content: script });
  return watch(context);
};

/** Keeps a picture in dist/test-output. Returns its path. */
export const keepPicture = async (page: Page, name: string): Promise<string> => {
  mkdirSync(OUTPUT_FOLDER, { recursive: true });
  const path = join(OUTPUT_FOLDER, `${name}.png`);
  await page.screenshot({ path, animations: 'disabled' });
  return path;
};

/**
 * Makes a picture of the README anew, if the environment asks for that: CARP_README_PICTURES=1.
 * @param size - of the window meanwhile
 */
export const pictureForReadme = async (what: Page | Locator, name: string, size?: ViewportSize): Promise<void> => {
  if (!MAKES_README) return;
  const page = 'page' in what ? what.page() : what;
  const before = page.viewportSize();
  if (size !== undefined) await page.setViewportSize(size);
  await page.waitForFunction(() => document.querySelector('.red-ui-notification') === null);
  await what.screenshot({ path: join(README_FOLDER, `${name}.png`), animations: 'disabled' });
  if (before !== null) await page.setViewportSize(before);
};
