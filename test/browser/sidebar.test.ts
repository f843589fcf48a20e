/**
 * The sidebar CARP, from an empty Node-RED on: its offer of an example, a failover, a hand-over, maintenance, observing,
 * and the same sight after the page was loaded again. One story: each test goes on where the one before ended.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Locator } from 'playwright-core';
import { startAedes, type TestBroker } from '../adapters/mqtt-brokers.ts';
import { missingBrowser, pictureForReadme, startBrowser } from '../support/browser.ts';
import { Editor } from '../support/browser-editor.ts';
import { type Change, delaysOf, recordChanges, seenChanges } from '../support/browser-recorder.ts';
import { LocalNodeRed } from '../support/local-node-red.ts';

const WITHIN_MS = 60_000;
/** From the status below a node to the sidebar, in ms. Without news it would ask every five seconds. */
const LIVE_MS = 500;
const TAB = 'First failover';

describe('the sidebar CARP', { skip: missingBrowser(), timeout: 300_000 }, () => {
  const undo: (() => void | Promise<void>)[] = [];
  let stopBroker: () => Promise<void> = () => Promise.resolve();
  const changes: Change[] = [];
  let broker: TestBroker;
  let editor: Editor;
  let sidebar: Locator;

  before(async () => {
    const scope = { after: (step: () => void | Promise<void>) => void undo.push(step) };
    broker = await startAedes();
    let isThere = true;
    stopBroker = async () => {
      if (isThere) await broker.stop();
      isThere = false;
    };
    undo.push(() => stopBroker());
    const nodeRed = await LocalNodeRed.start(scope, { env: { CARP_DEMO_MQTT_PORT: String(broker.port) } });
    editor = await Editor.open(await startBrowser(scope), nodeRed);
  });
  after(async () => {
    for (const step of undo.reverse()) await step();
  });

  const card = (node: string): Locator => sidebar.locator(`.carp-card[data-node="${node}"]`);
  const chip = (node: string, role: string): Locator => card(node).locator(`.carp-chip-${role}`);
  const button = (node: string, name: string): Locator => card(node).getByRole('button', { name, exact: true });
  const press = async (name: string): Promise<void> => editor.press(await editor.idOf(TAB, 'inject', name));
  const textOf = async (part: Locator): Promise<string> => (await part.textContent()) ?? '';
  /** A notice of the editor with these words. */
  const notice = (words: string | RegExp): Locator =>
    editor.page.locator('.red-ui-notification').filter({ hasText: words });
  const untilStatus = async (node: string, status: string | RegExp): Promise<void> => {
    await editor.untilStatus(await editor.idOf(TAB, 'carp-role', node), status, WITHIN_MS);
  };
  /** What the sidebar says of both hosts, without what changes by itself. */
  const sight = async (): Promise<readonly string[]> =>
    Promise.all(
      ['rpi1', 'rpi2'].map(async (node) => {
        const chips = await card(node).locator('.carp-chip').textContent();
        const line = await card(node).locator('.carp-timeline').textContent();
        const ledger = await card(node).locator('.carp-ledger').allTextContents();
        return [node, chips, line, ...ledger].join('\n');
      }),
    );

  test('it is opened from the command palette, and offers an example as long as there is no group', async () => {
    const { page } = editor;
    await page.keyboard.press('Control+Shift+P');
    await page.locator('#red-ui-actionList input').fill('CARP');
    await page.getByText('Show the CARP sidebar').click();
    sidebar = page.locator('.carp-sidebar');
    await sidebar.locator('.carp-empty').waitFor();
    await editor.keepPicture('sidebar-empty');
    await sidebar.getByRole('button', { name: 'Import the first example' }).click();
    await notice('The example is there').waitFor();
    await editor.showTab(TAB);
    await editor.deploy();
  });

  test('both hosts have a card, and the first one becomes MASTER on it as below its node', async () => {
    await chip('rpi1', 'MASTER').waitFor({ timeout: WITHIN_MS });
    await chip('rpi2', 'BACKUP').waitFor();
    await untilStatus('rpi1', 'MASTER');
    await untilStatus('rpi2', /^BACKUP of /);
    assert.match(await textOf(card('rpi1')), /192\.0\.2\.100\/24/);
    assert.match(await textOf(card('rpi1').locator('.carp-place')), /VHID 10@eth0 · simulated/);
    assert.ok(await button('rpi2', 'Hand over').isDisabled());
  });

  test('a pulled plug moves the role on the cards as soon as below the nodes', async () => {
    await recordChanges(editor);
    await press('Pull the plug of rpi1');
    await untilStatus('rpi2', 'MASTER');
    await chip('rpi2', 'MASTER').waitFor();
    await editor.keepPicture('sidebar-failover');
    await pictureForReadme(editor.page, 'first-failover', { width: 1280, height: 660 });
    await press('Plug it in again');
    await untilStatus('rpi1', /^BACKUP of /);
    await chip('rpi1', 'BACKUP').waitFor();
    assert.match(await textOf(card('rpi2').locator('.carp-timeline li').first()), /MASTER silent/);
  });

  test('a hand-over asks first, does nothing when cancelled, and ends with a receipt', async () => {
    await button('rpi2', 'Hand over').click();
    const question = notice('Hand over plant on rpi2?');
    await question.getByRole('button', { name: 'Cancel' }).click();
    await question.waitFor({ state: 'detached' });
    assert.equal(await editor.status(await editor.idOf(TAB, 'carp-role', 'rpi2')), 'MASTER');

    await button('rpi2', 'Hand over').click();
    await notice('Hand over plant on rpi2?').getByRole('button', { name: 'Hand over' }).click();
    await notice(/plant: 192\.0\.2\.\d+ took over from rpi2 after \d+ ms\./).waitFor();
    await chip('rpi1', 'MASTER').waitFor();
    await chip('rpi2', 'BACKUP').waitFor();
    await untilStatus('rpi1', 'MASTER');
    await untilStatus('rpi2', /^BACKUP of /);
  });

  test('maintenance hands over, stands in the ledger, and can be ended', async () => {
    await button('rpi1', 'Maintenance on').click();
    await notice('Put plant on rpi1 into maintenance?').getByRole('button', { name: 'Maintenance on' }).click();
    await notice(/plant on rpi1 is in maintenance\. 192\.0\.2\.\d+ took over after \d+ ms\./).waitFor();
    await untilStatus('rpi1', 'BACKUP, demoted 240');
    await untilStatus('rpi2', 'MASTER');
    await chip('rpi1', 'BACKUP').waitFor();
    await chip('rpi2', 'MASTER').waitFor();
    assert.match(await textOf(card('rpi1').locator('.carp-ledger')), /Demotion 240[\s\S]*maintenance/);
    await editor.keepPicture('sidebar-maintenance');
  });

  test('the cards have followed the statuses within half a second', async (t) => {
    changes.push(...(await seenChanges(editor)));
    const delays = delaysOf(changes);
    t.diagnostic(`ms from status to sidebar: ${delays.map((ms) => ms.toFixed(0)).join(', ')}`);
    // Pulled plug, hand-over and maintenance move at least five roles that both show.
    assert.ok(delays.length >= 5, JSON.stringify(changes));
    const sorted = [...delays].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
    assert.ok(median <= LIVE_MS, `${delays}`);
  });

  test('the page that is loaded again shows the same, maintenance too', async () => {
    const before = await sight();
    await editor.reload();
    await editor.showTab(TAB);
    await editor.sidebar();
    await chip('rpi2', 'MASTER').waitFor();
    assert.deepEqual(await sight(), before);
    await untilStatus('rpi1', 'BACKUP, demoted 240');

    await button('rpi1', 'Maintenance off').click();
    await notice('End the maintenance of plant on rpi1?').getByRole('button', { name: 'Maintenance off' }).click();
    await notice('plant on rpi1 takes part again.').waitFor();
    await untilStatus('rpi1', /^BACKUP of /);
    await card('rpi1').locator('.carp-ledger').waitFor({ state: 'detached' });
    assert.ok(await button('rpi1', 'Maintenance on').isEnabled());
  });

  test('a host that is to observe hands over, and says so on its card and below its node', async () => {
    await button('rpi2', 'Observe on').focus();
    await editor.page.keyboard.press('Enter');
    await notice('Let plant on rpi2 only observe?').getByRole('button', { name: 'Observe on' }).click();
    await notice(/plant on rpi2 only observes now\. 192\.0\.2\.\d+ took over after \d+ ms\./).waitFor();
    await untilStatus('rpi2', 'BACKUP, observes');
    await untilStatus('rpi1', 'MASTER');
    await card('rpi2').getByText('observes: listens, and never becomes MASTER').waitFor();
    assert.match(await textOf(card('rpi2').locator('.carp-ledger')), /Demotion 240[\s\S]*observe/);
    assert.doesNotMatch(await textOf(card('rpi2').locator('.carp-facts')), /takes over after/);
    assert.ok(await button('rpi2', 'Maintenance on').isEnabled());
    await editor.keepPicture('sidebar-observe');
  });

  test('where all observe, nobody holds the addresses, and the receipt says that', async () => {
    await button('rpi1', 'Observe on').click();
    await notice('Let plant on rpi1 only observe?').getByRole('button', { name: 'Observe on' }).click();
    await notice('plant on rpi1 only observes now. Nobody took over: nobody holds its addresses.').waitFor();
    await chip('rpi1', 'BACKUP').waitFor();
    for (const node of ['rpi2', 'rpi1']) {
      await button(node, 'Observe off').click();
      await notice(`Let plant on ${node} take part again`).getByRole('button', { name: 'Observe off' }).click();
      await notice(`plant on ${node} no longer only observes: it may become MASTER.`).waitFor();
      await untilStatus('rpi2', 'MASTER');
    }
    await untilStatus('rpi1', /^BACKUP of /);
    await card('rpi1').locator('.carp-ledger').waitFor({ state: 'detached' });
  });

  test('a card names its broker, and says when that is gone; the host is as well as before', async () => {
    await card('rpi1').getByText(broker.url, { exact: true }).waitFor({ timeout: WITHIN_MS });
    const warning = card('rpi1').locator('[data-warning="mqtt"]');
    assert.equal(await warning.count(), 0);
    await stopBroker();
    await warning.getByText('Nothing is published over MQTT').waitFor({ timeout: WITHIN_MS });
    assert.match(await textOf(warning), new RegExp(`connection to ${broker.url}`));
    await card('rpi1').getByText(`${broker.url}, not connected`).waitFor();
    await editor.keepPicture('sidebar-without-broker');
    // A red card is for what somebody has to mend before the addresses are safe.
    assert.doesNotMatch((await card('rpi1').getAttribute('class')) ?? '', /carp-is-wrong/);
    assert.doesNotMatch((await warning.getAttribute('class')) ?? '', /carp-grave/);
    await untilStatus('rpi2', 'MASTER');
  });

  test('nothing was wrong on the page, and nobody else was asked for anything', () => {
    assert.deepEqual(editor.faults, []);
  });

  // The last one: a browser takes the refusal, which the sidebar asks about, for a fault.
  test('what stands for a whole host is ended for all its groups, after a question', async () => {
    await editor.page.evaluate(async () => {
      const { groups } = await (await fetch('carp/status')).json();
      const { id } = groups.find(({ node }: { readonly node: string }) => node === 'rpi1');
      const headers = { 'Content-Type': 'application/json' };
      await fetch('carp/observe', { method: 'POST', headers, body: JSON.stringify({ id, on: true, scope: 'host' }) });
    });
    await untilStatus('rpi1', 'BACKUP, observes');
    await button('rpi1', 'Observe off').click();
    await notice('Let plant on rpi1 take part again').getByRole('button', { name: 'Observe off' }).click();
    await notice('The whole host rpi1 only observes, not plant alone.')
      .getByRole('button', { name: 'Observe off' })
      .click();
    await untilStatus('rpi1', /^BACKUP of /);
    assert.deepEqual(
      editor.faults.filter((fault) => !fault.includes('/carp/observe')),
      [],
    );
  });
});
