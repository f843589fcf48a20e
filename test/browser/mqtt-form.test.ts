/** The form of carp-mqtt in a real editor: whose settings are asked for, what is said of wrong ones, and what is stored. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Locator } from 'playwright-core';
import { missingBrowser, startBrowser } from '../support/browser.ts';
import { Editor } from '../support/browser-editor.ts';
import { LocalNodeRed } from '../support/local-node-red.ts';
import { until } from '../support/wait.ts';

const WITHIN_MS = 30_000;

interface Stored {
  readonly id: string;
  readonly type: string;
  readonly [name: string]: unknown;
}

const broker = (id: string, name: string, more: object = {}): Stored => ({
  id,
  type: 'mqtt-broker',
  name,
  broker: '192.0.2.9',
  port: '1883',
  protocolVersion: '5',
  keepalive: '60',
  cleansession: true,
  ...more,
});

const FLOW: readonly object[] = [
  { id: 'tab', type: 'tab', label: 'mqtt' },
  broker('site', 'site broker'),
  broker('off', 'disabled broker', { d: true }),
  { id: 'tls', type: 'tls-config', name: 'site CA', cert: '', key: '', ca: '', verifyservercert: true },
  // As version 0.1 has stored it.
  { id: 'old', type: 'carp-mqtt', name: '', url: 'mqtt://192.0.2.8', base: 'carp' },
  {
    id: 'new',
    type: 'carp-mqtt',
    name: 'on the site broker',
    connection: 'broker',
    broker: 'site',
    url: '',
    version: 'auto',
    tls: '',
    base: 'acme/carp',
    homeAssistant: true,
    homeAssistantPrefix: 'homeassistant',
    commands: ['hand-over'],
    alarms: true,
    sparkplug: '',
    keepalive: '5',
    refresh: '10',
    expiry: '30',
  },
];

describe('the form of carp-mqtt', { skip: missingBrowser(), timeout: 300_000 }, () => {
  const undo: (() => void | Promise<void>)[] = [];
  let browser: Browser;
  let nodeRed: LocalNodeRed;
  let editor: Editor;
  let form: Locator;

  before(async () => {
    const scope = { after: (step: () => void | Promise<void>) => void undo.push(step) };
    nodeRed = await LocalNodeRed.start(scope, { flow: FLOW });
    browser = await startBrowser(scope);
    editor = await Editor.open(browser, nodeRed, { height: 1400 });
  });
  after(async () => {
    for (const step of undo.reverse()) await step();
  });

  const open = async (id: string): Promise<void> => {
    form = await editor.edit({ id, type: 'carp-mqtt' });
  };
  const field = (name: string): Locator => form.locator(`#node-config-input-${name}`);
  const command = (name: string): Locator => form.locator(`input.carp-command[value="${name}"]`);
  const type = async (input: Locator, text: string): Promise<void> => {
    await input.fill(text);
    await input.dispatchEvent('change');
  };
  const isRefused = (input: Locator): Promise<boolean> =>
    input.evaluate((element) => element.classList.contains('input-error'));
  /** What is shown to somebody who points at a field that is marked as wrong: again, while it is still the last reason. */
  const untilReason = async (input: Locator, words: RegExp): Promise<void> => {
    await until('the mark of wrong input', WITHIN_MS, () => isRefused(input));
    const reason = editor.page.locator('.red-ui-popover').filter({ hasText: words }).first();
    await until(`the reason ${words}`, WITHIN_MS, async () => {
      await editor.page.mouse.move(5, 5);
      await input.hover();
      return reason.waitFor({ timeout: 1500 }).then(
        () => true,
        () => false,
      );
    });
  };
  const untilAccepted = (input: Locator): Promise<unknown> =>
    until('no mark of wrong input', WITHIN_MS, async () => !(await isRefused(input)));
  const stored = async (id: string): Promise<Readonly<Record<string, unknown>>> =>
    (await nodeRed.get<readonly Stored[]>('flows')).find((node) => node.id === id) ?? {};
  const isValid = async (id: string): Promise<boolean | undefined> =>
    (await editor.nodes()).find((node) => node.id === id)?.valid;

  test('of an older node shows its own settings, and what a new node has for the rest', async () => {
    assert.notEqual(await isValid('old'), false);
    await open('old');
    assert.equal(await field('connection').inputValue(), 'own');
    assert.equal(await field('url').inputValue(), 'mqtt://192.0.2.8');
    await field('username').waitFor();
    await field('broker').waitFor({ state: 'hidden' });
    assert.equal(await field('version').inputValue(), 'auto');
    assert.equal(await field('tls').locator('option:checked').textContent(), 'none');
    await form.locator('#carp-mqtt-advanced summary').click();
    assert.deepEqual(await Promise.all(['keepalive', 'refresh', 'expiry'].map((name) => field(name).inputValue())), [
      '5',
      '10',
      '30',
    ]);
    assert.equal(await field('alarms').isChecked(), true);
    await editor.keepPicture('form-carp-mqtt-own');
    await editor.cancel();
  });

  test('asks for a broker node where one is to be used, and says what is wrong with none and with a disabled one', async () => {
    await open('old');
    await field('connection').selectOption('broker');
    await field('url').waitFor({ state: 'hidden' });
    await field('broker').waitFor();
    await untilReason(field('broker'), /Choose an MQTT broker/);
    await field('broker').selectOption('off');
    await untilReason(field('broker'), /not there, or it is disabled/);
    await field('broker').selectOption('site');
    await untilAccepted(field('broker'));
    // The choice is taken back: nothing is asked for, and nothing is lost.
    await field('connection').selectOption('own');
    await field('broker').waitFor({ state: 'hidden' });
    assert.equal(await field('url').inputValue(), 'mqtt://192.0.2.8');
    await editor.cancel();
  });

  test('takes several brokers, one on each line, and no other addresses', async () => {
    await open('old');
    await type(field('url'), 'mqtt://192.0.2.8\nhttp://192.0.2.9');
    await untilReason(field('url'), /mqtt:\/\/host:port/);
    await type(field('url'), 'mqtt://192.0.2.8\nmqtts://192.0.2.9:8883');
    await untilAccepted(field('url'));
    await field('tls').selectOption('tls');
    await editor.confirm();
    await editor.deploy();
    const node = await stored('old');
    assert.deepEqual([node['connection'], node['tls']], ['own', 'tls']);
    assert.equal(node['url'], 'mqtt://192.0.2.8\nmqtts://192.0.2.9:8883');
    assert.deepEqual([node['commands'], node['alarms']], [[], true]);
  });

  test('shows what is stored, and stores what is ticked', async () => {
    await editor.reload();
    await open('new');
    assert.equal(await field('broker').inputValue(), 'site');
    assert.deepEqual([await command('hand-over').isChecked(), await command('mode').isChecked()], [true, false]);
    await field('homeAssistantPrefix').waitFor();
    await editor.keepPicture('form-carp-mqtt-broker');
    await command('mode').check();
    await command('hand-over').uncheck();
    await field('homeAssistant').uncheck();
    await field('homeAssistantPrefix').waitFor({ state: 'hidden' });
    await form.locator('#carp-mqtt-advanced summary').click();
    await field('alarms').uncheck();
    await type(field('keepalive'), '0');
    await untilReason(field('keepalive'), /1 to 3600/);
    await type(field('keepalive'), '7');
    await untilAccepted(field('keepalive'));
    await type(field('sparkplug'), 'a/b');
    await untilReason(field('sparkplug'), /without \+, #, \/ and control characters/);
    await type(field('sparkplug'), 'Plant 1');
    await untilAccepted(field('sparkplug'));
    await editor.confirm();
    await editor.deploy();
    const node = await stored('new');
    const names = ['connection', 'broker', 'commands', 'homeAssistant', 'alarms', 'keepalive', 'sparkplug'];
    assert.deepEqual(
      names.map((name) => node[name]),
      ['broker', 'site', ['mode'], false, false, '7', 'Plant 1'],
    );
    assert.equal(await isValid('new'), true);
    // What is folded away and not as usual is unfolded.
    await open('new');
    await field('sparkplug').waitFor();
    await editor.cancel();
    assert.deepEqual(editor.faults, []);
  });
});
