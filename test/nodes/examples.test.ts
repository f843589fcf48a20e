/** The example flows as files: what the Import menu of an empty Node-RED offers. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { manifest, ourDefinitions, ROOT } from '../support/built.ts';
import { definitionsIn, mistakesIn, type NodeDefinition } from '../support/editor-definitions.ts';

interface ExampleNode extends Readonly<Record<string, unknown>> {
  readonly id: string;
  readonly type: string;
  readonly z?: string;
  readonly wires?: readonly (readonly string[])[];
}

const folder = join(ROOT, 'examples');
const read = (file: string): readonly ExampleNode[] => JSON.parse(readFileSync(join(folder, file), 'utf8'));
const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
const NODES_MAX = 12;

/** Each node type that a Node-RED has without any other package. */
const coreDefinitions = (): ReadonlyMap<string, NodeDefinition> => {
  const core = join(dirname(createRequire(import.meta.url).resolve('@node-red/nodes/package.json')), 'core');
  const html = readdirSync(core, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'));
  return new Map(html.flatMap((file) => [...definitionsIn(join(core, file))]));
};

const core = coreDefinitions();
const ours = ourDefinitions();
/** Of the editor itself, not of a node type. */
const EVERYWHERE = ['id', 'type', 'z', 'x', 'y', 'wires', 'd', 'g', 'l', 'info'];
const TAB = ['id', 'type', 'label', 'disabled', 'info', 'env'];

test('there are eight, and each node of the palette is in one', () => {
  assert.equal(files.length, 8);
  const used = new Set(files.flatMap((file) => read(file).map(({ type }) => type)));
  const palette = [...ours].filter(([, { category }]) => category !== 'config').map(([type]) => type);
  assert.ok(palette.length >= 2);
  assert.deepEqual(
    palette.filter((type) => !used.has(type)),
    [],
  );
  assert.deepEqual([...ours.keys()].sort(), Object.keys(manifest['node-red'].nodes).sort());
});

test('no id is in two of them, so that all can be imported', () => {
  const ids = files.flatMap((file) => read(file).map(({ id }) => id));
  assert.equal(new Set(ids).size, ids.length);
  // The editor keeps the ids of an import when they are free: that is how links to a node of an example stay right.
  for (const id of ids) assert.match(id, /^c0a1f0a0e[0-9a-f]{7}$/);
});

test('a mistake in one would be found', () => {
  const nodes = read('first-failover.json');
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const wrong = (type: string, change: object): readonly string[] => {
    const node = nodes.find((one) => one.type === type);
    const definition = ours.get(type);
    assert.ok(node !== undefined && definition !== undefined);
    return mistakesIn({ ...node, ...change }, definition, byId).map((mistake) => mistake.replace(/:.*/, ''));
  };
  assert.deepEqual(wrong('carp-group', { vhid: 256, addresses: ['192.0.2.300/24'] }), ['vhid', 'addresses']);
  assert.deepEqual(wrong('carp-role', { group: 'gone' }), ['group']);
  assert.deepEqual(wrong('carp-role', { group: '' }), ['group']);
});

for (const file of files)
  describe(`the example ${file.replace('.json', '')}`, () => {
    const nodes = read(file);
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const onTab = nodes.filter((node) => 'x' in node);

    test('is one tab, small enough to be understood, and explains itself', () => {
      const tabs = nodes.filter(({ type }) => type === 'tab');
      assert.equal(tabs.length, 1);
      assert.ok(onTab.length <= NODES_MAX, `${onTab.length} nodes`);
      for (const { id, z, type } of nodes) if (type !== 'tab') assert.equal(z, tabs[0]?.id, `${id} is on no tab`);
      const comments = nodes.filter(({ type }) => type === 'comment');
      assert.ok(comments.some(({ info }) => String(info).length > 200));
    });

    test('has only nodes of Node-RED and of this package, with properties that they have', () => {
      for (const node of nodes) {
        const { type } = node;
        const definition = ours.get(type) ?? core.get(type);
        if (type === 'tab') {
          assert.deepEqual(
            Object.keys(node).filter((key) => !TAB.includes(key)),
            [],
          );
          continue;
        }
        assert.ok(definition !== undefined, `there is no node type ${type}`);
        const known = [...EVERYWHERE, ...Object.keys(definition.defaults)];
        const unknown = Object.keys(node).filter((key) => !known.includes(key));
        assert.deepEqual(unknown, [], `${type} ${node.id}`);
        if (!ours.has(type)) continue;
        // What is missing would be taken for a change by the editor, and a deploy would be asked for at once.
        const missing = Object.keys(definition.defaults).filter((key) => !(key in node));
        assert.deepEqual(missing, [], `${type} ${node.id}`);
        assert.deepEqual(mistakesIn(node, definition, byId), [], `${type} ${node.id}`);
      }
    });

    test('is wired to nodes that are there, and uses every one of them', () => {
      for (const { id, wires = [] } of nodes)
        for (const target of wires.flat()) assert.ok(byId.get(target)?.z === byId.get(id)?.z, `${id} to ${target}`);
      const fed = new Set(nodes.flatMap(({ wires = [] }) => wires.flat()));
      for (const { id, type, wires = [] } of onTab)
        assert.ok(type === 'comment' || fed.has(id) || wires.flat().length > 0, `${type} ${id} is alone`);
    });

    test('needs no privileges and has no secrets', () => {
      for (const node of nodes) {
        if (node.type === 'carp-group' || node.type === 'carp-watch') assert.equal(node['mode'], 'simulate');
        assert.ok(!('credentials' in node), node.id);
        for (const key of Object.keys(node)) assert.doesNotMatch(key, /pass(word|phrase)?$|secret|token/i);
      }
    });
  });
