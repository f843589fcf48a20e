/** The sidebar and the form of a group on a light and on a dark editor: everything can be read, also what went wrong. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { missingBrowser, pictureForReadme, startBrowser } from '../support/browser.ts';
import { faintTexts } from '../support/browser-contrast.ts';
import { Editor } from '../support/browser-editor.ts';
import { LocalNodeRed } from '../support/local-node-red.ts';

const WITHIN_MS = 60_000;
/** What WCAG asks for large text and for signs. The grey that Node-RED has for hints is not much above it. */
const READABLE = 3;

const group = (id: string, host: string, more: object = {}) => ({
  id,
  type: 'carp-group',
  group: 'plant',
  host,
  mode: 'simulate',
  interface: 'eth0',
  vhid: 10,
  addresses: ['192.0.2.100/24', '2001:db8::100/64'],
  advbase: 1,
  advskew: host === 'rpi1' ? '0' : '100',
  deadratio: 3,
  addressing: 'interface',
  ...more,
});

const role = (id: string, y: number) => ({
  id: `role-${id}`,
  type: 'carp-role',
  z: 'tab',
  group: id,
  x: 160,
  y,
  wires: [],
});

/** Two hosts that are well, and a group that cannot run, whoever runs this: there is no such interface. */
const FLOW = [
  { id: 'tab', type: 'tab', label: 'themes' },
  group('one', 'rpi1'),
  group('two', 'rpi2'),
  group('none', 'rpi1', {
    group: 'broken',
    mode: 'run',
    interface: 'nosuch0',
    vhid: 11,
    addresses: ['192.0.2.111/24'],
  }),
  role('one', 80),
  role('two', 160),
  role('none', 240),
];

/** Node-RED 4.1 has no dark theme of its own; this is what packages that bring one do. */
const DARK = `:root {
  --red-ui-primary-background: #1e1e1e; --red-ui-secondary-background: #252526; --red-ui-tertiary-background: #2d2d30;
  --red-ui-primary-text-color: #d4d4d4; --red-ui-secondary-text-color: #9d9d9d; --red-ui-header-text-color: #d4d4d4;
  --red-ui-primary-border-color: #454545; --red-ui-secondary-border-color: #454545; --red-ui-tertiary-border-color: #454545;
  --red-ui-text-color-error: #f48771; --red-ui-form-text-color: #d4d4d4; --red-ui-form-input-background: #3c3c3c;
  --red-ui-form-input-border-color: #454545; --red-ui-form-placeholder-color: #8a8a8a; --red-ui-view-background: #1e1e1e;
  --red-ui-view-grid-color: #2a2a2a; --red-ui-view-lasso-fill: rgba(255, 255, 255, 0.1); --red-ui-tab-background: #2d2d30;
  --red-ui-workspace-button-background: #3c3c3c; --red-ui-workspace-button-color: #d4d4d4;
  --red-ui-workspace-button-background-hover: #4c4c4c; --red-ui-workspace-button-color-hover: #fff;
  --red-ui-workspace-button-color-disabled: #777; --red-ui-workspace-button-background-active: #4c4c4c;
}`;

describe('light and dark', { skip: missingBrowser(), timeout: 300_000 }, () => {
  const undo: (() => void | Promise<void>)[] = [];
  let browser: Browser;
  let nodeRed: LocalNodeRed;

  before(async () => {
    const scope = { after: (step: () => void | Promise<void>) => void undo.push(step) };
    nodeRed = await LocalNodeRed.start(scope, { flow: FLOW });
    browser = await startBrowser(scope);
  });
  after(async () => {
    for (const step of undo.reverse()) await step();
  });

  for (const theme of ['light', 'dark'] as const)
    test(`the cards and the form of a group can be read in the ${theme} theme`, async () => {
      const editor = await Editor.open(browser, nodeRed, { height: 1300 });
      if (theme === 'dark') await editor.darken(DARK);
      const sidebar = await editor.sidebar();
      const card = (group: string) => sidebar.locator(`.carp-card[data-group="${group}"]`);
      await card('plant').locator('.carp-chip-MASTER').waitFor({ timeout: WITHIN_MS });
      await card('broken').locator('.carp-grave .carp-remedy code').waitFor({ timeout: WITHIN_MS });
      await editor.showTab('themes');
      await editor.untilStatus('role-none', /^no (interface|permission|raw sockets)$/, WITHIN_MS);
      await pictureForReadme(sidebar.locator('.carp-cards'), `sidebar-${theme}`);
      for (const summary of await sidebar.locator('summary').all()) await summary.click();
      assert.deepEqual(await faintTexts(sidebar, READABLE), []);
      await editor.keepPicture(`sidebar-${theme}`);

      const node = (await editor.nodes()).find(({ id }) => id === 'one');
      assert.ok(node);
      const form = await editor.edit(node);
      assert.deepEqual(await faintTexts(form, READABLE), []);
      await editor.keepPicture(`form-${theme}`);
      if (theme === 'light')
        await pictureForReadme(editor.page.locator('.red-ui-tray').last(), 'group-form', { width: 1280, height: 920 });
      await editor.cancel();
      assert.deepEqual(editor.faults, []);
      await editor.page.context().close();
    });
});
