/** What belongs to the nodes besides their code: forms, texts, icons and examples. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type GroupDef, wantedBy } from '../../nodes/group-settings.ts';
import { planFor } from '../../nodes/plan.ts';
import { NO_GROUP, problemStatus, statusOf } from '../../nodes/status.ts';
import type { CarpErrorCode } from '../../src/ports/error.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (...path: readonly string[]): string => readFileSync(join(root, ...path), 'utf8');

const TYPES = ['carp-group', 'carp-mqtt', 'carp-role', 'carp-gate', 'carp-health', 'carp-control'] as const;
const CODES: readonly CarpErrorCode[] = [
  'CARP_CONFIG',
  'CARP_NO_PERMISSION',
  'CARP_NO_TRANSPORT',
  'CARP_NO_INTERFACE',
  'CARP_ADDRESS_IN_USE',
  'CARP_ADDRESS',
  'CARP_SEND',
  'CARP_DUPLICATE',
  'CARP_NO_GROUP',
  'CARP_NOT_MASTER',
  'CARP_NOBODY',
  'CARP_NO_AGENT',
  'CARP_FAILED',
];

/** The text of a key such as `carp.status.failed`; undefined if there is none. */
const textOf = (type: string, key: string): unknown =>
  key
    .split('.')
    .reduce<unknown>(
      (level, step) => (level as Readonly<Record<string, unknown>> | undefined)?.[step],
      JSON.parse(read('nodes', 'locales', 'en-US', `${type}.json`)),
    );

for (const type of TYPES)
  describe(type, () => {
    const html = read('dist', 'nodes', `${type}.html`);

    test('has a form, help, and a definition that tools can read', () => {
      assert.match(html, new RegExp(`<script type="text/html" data-template-name="${type}">`));
      const help = read('nodes', 'locales', 'en-US', `${type}.html`);
      assert.match(help, new RegExp(`^<script type="text/markdown" data-help-name="${type}">`));
      assert.match(html, new RegExp(`<script type="text/javascript">[^]*RED\\.nodes\\.registerType\\("${type}", \\{`));
    });

    test('every text that the form asks for is there', () => {
      const fixed = [...html.matchAll(/data-i18n="(?:\[\w+\])?([^"]+)"|_\('([^']+?)'[),]/g)];
      const keys = fixed
        .map(([, attribute, call]) => (attribute ?? call ?? '').replace(/^.*:/, ''))
        .filter((key) => !key.endsWith('.'));
      assert.ok(keys.length > 5);
      assert.deepEqual(
        keys.filter((key) => typeof textOf(type, key) !== 'string'),
        [],
      );
    });

    test('has an icon of its own', () => {
      assert.ok(existsSync(join(root, 'icons', `${type}.svg`)));
      assert.ok(html.includes(`icon: "${type}.svg"`));
      assert.match(read('icons', `${type}.svg`), /viewBox="0 0 40 60"/);
    });

    test('is in package.json', () => {
      const { 'node-red': nodeRed } = JSON.parse(read('package.json'));
      assert.equal(nodeRed.nodes[type], `dist/nodes/${type}.js`);
    });
  });

test('every status has a text of at most 20 characters', () => {
  const statuses = [NO_GROUP, statusOf({}), ...CODES.map(problemStatus)];
  for (const type of ['carp-role', 'carp-control'])
    for (const { text = '' } of statuses) {
      const shown = textOf(type, text);
      assert.ok(typeof shown === 'string' && shown.length <= 20, `${type} ${text}: ${shown}`);
    }
  for (const action of ['hand-over', 'crash', 'revive'])
    for (const stage of ['doing', 'done'])
      assert.equal(typeof textOf('carp-control', `carp.status.${stage}-${action}`), 'string');
});

describe('the first example', () => {
  test('has groups that are right, and go together', () => {
    const first = JSON.parse(read('examples', 'first-failover.json')) as readonly ExampleNode[];
    const groups = first.filter((node): node is ExampleNode & GroupDef => node.type === 'carp-group');
    const wanted = groups.map((def) =>
      wantedBy({ def, passphrase: undefined, mqtt: undefined, state: '/nonexistent' }),
    );
    const { hosts, routes } = planFor(wanted);
    assert.deepEqual(
      hosts.map(({ node, groups: [group] }) => [node, group?.transport, group?.advskew]),
      [
        ['rpi1', 'memory', 0],
        ['rpi2', 'memory', 100],
      ],
    );
    assert.ok([...routes.values()].every(({ type }) => type === 'agent'));
  });
});

interface ExampleNode {
  readonly id: string;
  readonly type: string;
}
