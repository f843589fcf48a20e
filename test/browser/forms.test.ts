/** The forms, labels and help of all nodes in a real editor: every language, and what is said of wrong input. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Locator } from 'playwright-core';
import { missingBrowser, startBrowser } from '../support/browser.ts';
import { Editor } from '../support/browser-editor.ts';
import { LocalNodeRed } from '../support/local-node-red.ts';
import { LANGUAGES, SETS, TYPES, textsOf } from '../support/locales.ts';
import { until } from '../support/wait.ts';

const WITHIN_MS = 30_000;

const group = (id: string, host: string) => ({
  id,
  type: 'carp-group',
  group: 'plant',
  host,
  mode: 'simulate',
  interface: 'eth0',
  vhid: 10,
  addresses: ['192.0.2.100/24'],
  advbase: 1,
  advskew: '0',
  deadratio: 3,
  addressing: 'interface',
});

/** One node of each type, with as few settings as an old flow may have. */
const FLOW = [
  { id: 'tab', type: 'tab', label: 'forms' },
  group('one', 'rpi1'),
  group('two', 'rpi2'),
  { id: 'broker', type: 'carp-mqtt', name: '', url: '', base: 'carp' },
  ...['role', 'gate', 'health', 'control', 'watch'].map((word, i) => ({
    id: word,
    type: `carp-${word}`,
    z: 'tab',
    name: '',
    ...(word === 'watch' ? { mode: 'simulate', interface: 'eth0' } : { group: 'one' }),
    ...(word === 'gate' ? { roles: ['MASTER'], mode: 'drop', limit: '100' } : {}),
    x: 200,
    y: 80 + 60 * i,
    wires: [],
  })),
];

/** Keys that nobody has translated are shown as they are. */
const RAW_KEY = /\bcarp(?:-[a-z]+)?\.[a-z]+(?:\.[a-zA-Z-]+)*\b/;

/** The last heading of each help. */
const HEADINGS: Readonly<Record<string, string>> = { 'en-US': 'References', de: 'Verweise', 'zh-CN': '参考' };

describe('the nodes in the editor', { skip: missingBrowser(), timeout: 300_000 }, () => {
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

  for (const language of LANGUAGES)
    describe(`in ${language}`, () => {
      let editor: Editor;
      const texts = new Map(SETS.flatMap((set) => [...textsOf(language, set)]));
      before(async () => {
        editor = await Editor.open(browser, nodeRed, { language, height: 1400 });
        await editor.showTab('forms');
      });
      after(() => editor.page.context().close());

      for (const type of TYPES)
        test(`${type}: every label, choice and placeholder is the text of that language`, async () => {
          const node = (await editor.nodes()).find((one) => one.type === type);
          assert.ok(node, `no ${type} in the flow`);
          assert.notEqual(node.valid, false, `${node.validationErrors}`);
          const form = await editor.edit(node);
          const marked = await form.locator('[data-i18n*="carp-"]').evaluateAll((elements) =>
            elements.map((element) => {
              // The editor has put the name of the set before the key: `[placeholder]@carp-ha/…/carp-role:carp-role.…`.
              const mark = element.getAttribute('data-i18n') ?? '';
              const [, attribute, key = ''] = /^(?:\[(.*)\])?(?:.*:)?(.*)$/.exec(mark) ?? [];
              const shown = attribute === undefined ? element.textContent : element.getAttribute(attribute);
              return { key, shown: shown ?? '' };
            }),
          );
          assert.ok(marked.length > 0);
          for (const { key, shown } of marked) assert.equal(shown, texts.get(key), key);
          assert.doesNotMatch((await form.textContent()) ?? '', RAW_KEY);
          if (language === 'en-US') await editor.keepPicture(`form-${type}`);
          await editor.cancel();
        });

      test('palette, node labels, help and sidebar are in that language as well', async () => {
        const { page } = editor;
        for (const type of TYPES) {
          const label = texts.get(`${type}.paletteLabel`);
          if (label !== undefined)
            await page.locator(`.red-ui-palette-node[data-palette-type="${type}"]`).getByText(String(label)).waitFor();
          const help = await editor.help(type);
          assert.ok(help.includes(`>${HEADINGS[language]}<`), `${type}: ${help}`);
        }
        const sidebar = await editor.sidebar();
        await sidebar.locator('.carp-card').first().waitFor({ timeout: WITHIN_MS });
        const said = (await sidebar.textContent()) ?? '';
        for (const key of ['fact.addresses', 'title.timeline', 'button.maintenance-on', 'runs.simulated'])
          assert.ok(said.includes(String(texts.get(`carp-sidebar.${key}`))), `${key}: ${said}`);
        assert.doesNotMatch(said, RAW_KEY);
        await editor.keepPicture(`sidebar-${language}`);
        assert.deepEqual(editor.faults, []);
      });
    });

  describe('wrong input', () => {
    let editor: Editor;
    let form: Locator;
    before(async () => {
      editor = await Editor.open(browser, nodeRed);
    });
    after(() => editor.page.context().close());

    const openGroup = async (): Promise<void> => {
      const node = (await editor.nodes()).find(({ id }) => id === 'two');
      assert.ok(node);
      form = await editor.edit(node);
    };
    const field = (name: string): Locator => form.locator(`#node-config-input-${name}`);
    const isRefused = (input: Locator): Promise<boolean> =>
      input.evaluate((element) => element.classList.contains('input-error'));
    const type = async (input: Locator, text: string): Promise<void> => {
      await input.fill(text);
      await input.dispatchEvent('change');
    };
    /** What is shown to somebody who points at a field that is marked as wrong. */
    const untilReason = async (input: Locator, words: RegExp): Promise<void> => {
      await until('the mark of wrong input', WITHIN_MS, () => isRefused(input));
      await editor.page.mouse.move(5, 5);
      await input.hover();
      await editor.page.locator('.red-ui-popover').filter({ hasText: words }).first().waitFor();
    };
    const untilAccepted = async (input: Locator): Promise<void> => {
      await until('no mark of wrong input', WITHIN_MS, async () => !(await isRefused(input)));
    };

    test('a VHID out of range is marked, with the range; one in range is not', async () => {
      await openGroup();
      await type(field('vhid'), '256');
      await untilReason(field('vhid'), /whole number from 1 to 255/);
      await type(field('vhid'), '255');
      await untilAccepted(field('vhid'));
      await editor.cancel();
    });

    test('a passphrase of 20 bytes is marked, with the reason; one of 19 is not', async () => {
      await openGroup();
      await type(field('passphrase'), 'x'.repeat(20));
      await untilReason(field('passphrase'), /at most 19 bytes.*This one has 20/);
      await type(field('passphrase'), 'x'.repeat(19));
      await untilAccepted(field('passphrase'));
      await editor.cancel();
    });

    test('an address without prefix, or that is none, is marked while it is typed', async () => {
      await openGroup();
      const line = form.locator('#node-config-input-carp-addresses input.carp-line').first();
      assert.equal(await line.inputValue(), '192.0.2.100/24');
      assert.equal(await isRefused(line), false);
      await line.fill('192.0.2.101');
      assert.equal(await isRefused(line), true);
      assert.match((await line.getAttribute('title')) ?? '', /needs its prefix.*192\.0\.2\.101/);
      await line.fill('192.0.2.300/24');
      assert.match((await line.getAttribute('title')) ?? '', /Not an address with prefix/);
      await line.fill('2001:db8::101/64');
      assert.equal(await isRefused(line), false);
      assert.equal(await line.getAttribute('title'), '');
      await editor.cancel();
    });

    test('a second group of one name on one host is warned of, and no longer when the host is another', async () => {
      await openGroup();
      const warning = form.locator('#carp-group-twin');
      await warning.waitFor({ state: 'hidden' });
      await type(field('host'), 'rpi1');
      await warning.getByText('already has this group name on this node').waitFor();
      await type(field('group'), 'other');
      await warning.getByText('already has VHID 10 on this interface and node').waitFor();
      await editor.keepPicture('form-duplicate');
      await type(field('vhid'), '11');
      await warning.waitFor({ state: 'hidden' });
      await editor.cancel();
    });

    test('settings of a system service are not asked for, and nothing is lost when the choice is taken back', async () => {
      await openGroup();
      await field('mode').selectOption('service');
      await field('socket').waitFor();
      await field('vhid').waitFor({ state: 'hidden' });
      await field('mode').selectOption('simulate');
      await field('vhid').waitFor();
      assert.equal(await field('vhid').inputValue(), '10');
      await field('socket').waitFor({ state: 'hidden' });
      await editor.cancel();
    });

    test('interfaces of this host are offered, with their addresses', async (t) => {
      const { interfaces } = await nodeRed.get<{ readonly interfaces: readonly { readonly name: string }[] }>(
        'carp/interfaces',
      );
      const [first] = interfaces;
      if (first === undefined) return t.skip('this host has no interface but the loopback');
      await openGroup();
      const input = field('interface');
      await until('the completions', WITHIN_MS, async () => {
        // They are shown when the answer of the host is there; until then there is nothing to choose.
        await input.fill('');
        await input.press('ArrowDown');
        return (await editor.page.locator('.carp-completion').count()) > 0;
      });
      await editor.page.locator('.carp-completion').getByText(first.name, { exact: true }).click();
      assert.equal(await input.inputValue(), first.name);
      await editor.cancel();
    });

    test('what is changed and confirmed is deployed, and a reload shows it', async () => {
      await openGroup();
      await type(field('advskew'), '100');
      await editor.confirm();
      await editor.deploy();
      await editor.reload();
      await openGroup();
      assert.equal(await field('advskew').inputValue(), '100');
      await editor.cancel();
      const deployed = await nodeRed.get<readonly { readonly id: string; readonly advskew?: string }[]>('flows');
      assert.equal(deployed.find(({ id }) => id === 'two')?.advskew, '100');
      assert.deepEqual(editor.faults, []);
    });
  });
});
