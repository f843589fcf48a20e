/**
 * Each example as a new user meets it: imported from the menu, deployed, and looked at; then its first button is
 * pressed. The texts are those that its comment promises.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startAedes, type TestBroker } from '../adapters/mqtt-brokers.ts';
import { missingBrowser, startBrowser } from '../support/browser.ts';
import { Editor } from '../support/browser-editor.ts';
import { ROOT } from '../support/built.ts';
import { LocalNodeRed } from '../support/local-node-red.ts';

/** A takeover is 3.4 s away, and other tests may have both processors. */
const WITHIN_MS = 60_000;

/** Type and name (without one: host) of a node, and what is to be read below it. */
type Sight = readonly [type: string, name: string, status: string | RegExp];

interface Story {
  readonly tab: string;
  readonly deployed: readonly Sight[];
  readonly button?: string;
  readonly pressed?: readonly Sight[];
}

const STORIES: Readonly<Record<string, Story>> = {
  'first-failover': {
    tab: 'First failover',
    deployed: [
      ['carp-role', 'rpi1', 'MASTER'],
      ['carp-role', 'rpi2', /^BACKUP of /],
    ],
    button: 'Pull the plug of rpi1',
    pressed: [
      ['carp-control', 'rpi1', 'plug pulled'],
      ['carp-role', 'rpi2', 'MASTER'],
    ],
  },
  'run-jobs-only-on-the-master': {
    tab: 'Run jobs only on the MASTER',
    deployed: [
      ['carp-gate', 'plc1', /^pass \d+$/],
      ['carp-gate', 'plc2', /^blocked \d+$/],
    ],
    button: 'Pull the plug of plc1',
    pressed: [['carp-gate', 'plc2', /^pass \d+$/]],
  },
  'role-to-mqtt-and-home-assistant': {
    tab: 'Role to MQTT and Home Assistant',
    deployed: [
      ['carp-role', 'ha1', 'MASTER'],
      ['mqtt out', 'role', 'connected'],
    ],
  },
  'takeover-playbook': {
    tab: 'Takeover playbook',
    deployed: [['carp-role', 'nas1', 'MASTER']],
    button: 'Hand over',
    pressed: [
      ['carp-role', 'nas1', /^BACKUP/],
      ['carp-control', 'nas1', 'handed over'],
    ],
  },
  'health-check-drives-failover': {
    tab: 'Health check drives failover',
    deployed: [
      ['carp-role', 'web1', 'MASTER'],
      ['carp-role', 'web2', /^BACKUP of /],
      ['carp-health', 'web server', 'healthy'],
    ],
    button: 'Break it',
    pressed: [
      ['carp-health', 'web server', 'unhealthy'],
      ['carp-role', 'web1', 'BACKUP, demoted 240'],
      ['carp-role', 'web2', 'MASTER'],
    ],
  },
  'watch-my-opnsense-pair': {
    tab: 'Watch my OPNsense pair',
    deployed: [['carp-watch', '', '1 speaker']],
    button: 'Pull the plug of fw1',
    pressed: [['carp-control', 'fw1', 'plug pulled']],
  },
  'maintenance-button': {
    tab: 'Maintenance button',
    deployed: [['carp-role', 'role of edge1', 'MASTER']],
    button: 'Maintenance on',
    pressed: [
      ['carp-role', 'role of edge1', 'BACKUP, demoted 240'],
      ['carp-control', 'edge1', 'in maintenance'],
    ],
  },
  'two-groups-two-masters': {
    tab: 'Two groups, two masters',
    deployed: [
      ['carp-role', 'blue on web-a', 'MASTER'],
      ['carp-role', 'blue on web-b', /^BACKUP of /],
      ['carp-role', 'green on web-a', /^BACKUP of /],
      ['carp-role', 'green on web-b', 'MASTER'],
    ],
    button: 'Pull the plug of web-a',
    pressed: [
      ['carp-role', 'blue on web-b', 'MASTER'],
      ['carp-role', 'green on web-b', 'MASTER'],
    ],
  },
};

const examples = readdirSync(join(ROOT, 'examples'))
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length));

describe('the examples in the editor', { skip: missingBrowser(), timeout: 300_000 }, () => {
  const undo: (() => void | Promise<void>)[] = [];
  let broker: TestBroker;
  let editor: Editor;

  before(async () => {
    const scope = { after: (step: () => void | Promise<void>) => void undo.push(step) };
    broker = await startAedes();
    undo.push(() => broker.stop());
    const env = { CARP_DEMO_MQTT_PORT: String(broker.port) };
    const nodeRed = await LocalNodeRed.start(scope, { env });
    editor = await Editor.open(await startBrowser(scope), nodeRed);
  });
  after(async () => {
    for (const step of undo.reverse()) await step();
  });

  const untilSeen = async (tab: string, sights: readonly Sight[]): Promise<void> => {
    for (const [type, name, status] of sights)
      await editor.untilStatus(await editor.idOf(tab, type, name), status, WITHIN_MS);
  };

  for (const example of examples)
    test(`${example}: its statuses are those of its comment, before and after its button is pressed`, async () => {
      const story = STORIES[example];
      assert.ok(story, 'an example without a story in this test');
      const { tab, deployed, button, pressed = [] } = story;
      await editor.importExample(example);
      await editor.showTab(tab);
      const invalid = (await editor.nodes()).filter(({ valid }) => valid === false);
      assert.deepEqual(invalid, []);
      await editor.deploy();
      await untilSeen(tab, deployed);
      await editor.keepPicture(`example-${example}`);
      if (button !== undefined) {
        await editor.press(await editor.idOf(tab, 'inject', button));
        await untilSeen(tab, pressed);
      }
      assert.deepEqual(editor.faults, []);
    });
});
