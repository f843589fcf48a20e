/** The pages that the editor loads, as they are built: what tools read in them, and what they do in a browser. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (...path: readonly string[]): string => readFileSync(join(root, ...path), 'utf8');

interface Property {
  readonly value: unknown;
  readonly validate?: (this: object, value: unknown, options: object) => unknown;
}
interface Definition {
  readonly category: string;
  readonly icon: string;
  readonly color: string;
  readonly defaults: Readonly<Record<string, Property>>;
  readonly credentials?: Readonly<Record<string, Omit<Property, 'value'>>>;
  readonly inputs?: number;
  readonly outputs?: number;
  readonly label: (this: object) => string;
}

const scriptsOf = (page: string): readonly string[] =>
  [...page.matchAll(/<script type="text\/javascript">([\s\S]*?)<\/script>/g)].map(([, script = '']) => script);

/** Runs the scripts of a page as a browser does, with an editor that notes what is registered and which texts are asked for. */
const load = (type: string) => {
  const texts: string[] = [];
  const definitions = new Map<string, Definition>();
  const plugins: string[] = [];
  const RED = {
    nodes: {
      registerType: (name: string, definition: Definition) => void definitions.set(name, definition),
      eachConfig: () => undefined,
      node: () => null,
    },
    plugins: { registerPlugin: (id: string) => void plugins.push(id) },
    _: (key: string) => {
      texts.push(key);
      return key;
    },
  };
  for (const script of scriptsOf(read('dist', 'nodes', `${type}.html`)))
    new Function('RED', '$', script)(RED, undefined);
  return { definitions, plugins, texts };
};

const textAt = (key: string): unknown => {
  const [namespace = '', path = ''] = key.split(':');
  const catalog: unknown = JSON.parse(read('nodes', 'locales', 'en-US', `${namespace.split('/').at(-1)}.json`));
  return path
    .split('.')
    .reduce<unknown>((level, step) => (level as Readonly<Record<string, unknown>> | undefined)?.[step], catalog);
};

/** What no default could be right for. What is `required` has no check of ours. */
const TO_CHOOSE: Readonly<Record<string, string>> = { 'carp-mqtt': 'broker' };

const FORMS = readdirSync(join(root, 'nodes', 'editor'))
  .filter((file) => /^carp-(?!sidebar).*\.ts$/.test(file))
  .map((file) => file.replace(/\.ts$/, ''));

test('every node of package.json has a page with a script', () => {
  const { 'node-red': nodeRed } = JSON.parse(read('package.json'));
  assert.deepEqual(
    Object.keys(nodeRed.nodes).filter((type) => !FORMS.includes(type)),
    [],
  );
  assert.deepEqual(nodeRed.plugins, { 'carp-sidebar': 'dist/nodes/carp-sidebar.js' });
});

for (const type of FORMS)
  describe(type, () => {
    const page = read('dist', 'nodes', `${type}.html`);
    const definition = load(type).definitions.get(type);
    assert.ok(definition !== undefined);
    const properties = Object.entries(definition.defaults);

    test('is registered by a literal in one classic script, as the scorecard of Node-RED reads it', () => {
      const [script = '', ...more] = scriptsOf(page);
      assert.deepEqual(more, []);
      assert.match(script, new RegExp(`^ *RED\\.nodes\\.registerType\\("${type}", \\{$`, 'm'));
      assert.match(script, /^ *category: "(?:config|redundancy)",$/m);
      assert.match(script, /^ *defaults: \{$/m);
      assert.doesNotMatch(script, /^\s*(?:import|export) /m);
    });

    test('a new node is valid but for what its user must choose', () => {
      const node = Object.fromEntries(properties.map(([name, { value }]) => [name, value]));
      for (const [name, { value, validate }] of properties)
        if (validate !== undefined && TO_CHOOSE[type] !== name)
          assert.equal(validate.call(node, value, {}), true, name);
    });

    test('a node that is older than a setting is not called wrong for it', () => {
      const old = ['group', 'interface', 'vhid', 'advbase', 'advskew', 'deadratio'];
      for (const [name, { validate }] of properties)
        if (validate !== undefined && !(type === 'carp-group' && old.includes(name)))
          assert.equal(validate.call({ mode: 'run' }, undefined, {}), true, name);
    });

    test('a reason is taken for one: validators have two parameters, and their texts exist', () => {
      const { definitions, texts } = load(type);
      const { defaults = {}, credentials = {} } = definitions.get(type) ?? {};
      const node = Object.fromEntries(Object.entries(defaults).map(([name, { value }]) => [name, value]));
      for (const [name, { validate }] of [...Object.entries(defaults), ...Object.entries(credentials)]) {
        if (validate === undefined) continue;
        assert.equal(validate.length, 2, name);
        const nonsense = Array.isArray(node[name]) ? ['a / b'] : '/ + # a\u0001/'.repeat(9);
        const mode = name === 'socket' ? 'service' : 'run';
        const connection = name === 'broker' ? 'broker' : 'own';
        const answer = validate.call({ ...node, mode, connection }, nonsense, {});
        if (name !== 'socket') assert.equal(typeof answer, 'string', `${name} accepts nonsense`);
      }
      assert.deepEqual(
        texts.filter((key) => typeof textAt(key) !== 'string'),
        [],
      );
    });

    test('every text that its script and its form name is there', () => {
      const [script = ''] = scriptsOf(page);
      const calls = [...script.matchAll(/\bt\d*\("([^"]+)"/g), ...script.matchAll(/\bkey: "([^"]+)"/g)];
      const keys = [
        ...[...page.matchAll(/data-i18n="(?:\[\w+\])?([^"]+)"/g)].map(([, key = '']) => key),
        // The checks are shared: their keys are those of several forms, and are tried above.
        ...calls
          .map(([, key = '']) => key)
          .filter((key) => !key.startsWith('problem.'))
          .map((key) => `${type}.${key}`),
      ];
      assert.ok(keys.length > 3);
      assert.deepEqual(
        keys.filter((key) => typeof textAt(`x/${type}:${key}`) !== 'string'),
        [],
      );
    });

    test('every field of its form is a setting, and every choice that is offered has a text', () => {
      const ids = [...page.matchAll(/id="node-(?:config-)?input-([\w-]+)"/g)].map(([, id = '']) => id);
      const known = [...properties.map(([name]) => name), ...Object.keys(definition.credentials ?? {})];
      assert.deepEqual(
        ids.filter((id) => !known.includes(id) && !id.startsWith('carp-')),
        [],
      );
      assert.equal(new Set(ids).size, ids.length);
    });

    test('has an icon, and a colour that carries a white one', () => {
      assert.equal(definition.icon, `${type}.svg`);
      assert.ok(existsSync(join(root, 'icons', definition.icon)));
      const [red = 0, green = 0, blue = 0] = (definition.color.match(/\w\w/g) ?? []).map((part) =>
        Number.parseInt(part, 16),
      );
      const brightness = (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
      assert.ok(brightness > 0.35 && brightness < 0.65, `brightness ${brightness}`);
    });
  });

describe('the sidebar', () => {
  const page = read('dist', 'nodes', 'carp-sidebar.html');

  test('is a plugin in one classic script', () => {
    assert.equal(scriptsOf(page).length, 1);
    assert.deepEqual(load('carp-sidebar').plugins, ['carp-sidebar']);
  });

  test('has no colour of its own: those of the theme are variables', () => {
    const [, style = ''] = /<style>([\s\S]*?)<\/style>/.exec(page) ?? [];
    assert.ok(style.length > 500);
    assert.doesNotMatch(style, /#[0-9a-f]{3,8}\b|\brgba?\(|\bhsla?\(|:\s*(?:white|black|red|green|blue|gr[ae]y)\b/i);
  });

  test('writes no markup: what other hosts call themselves stays text', () => {
    const [script = ''] = scriptsOf(page);
    assert.doesNotMatch(script, /innerHTML|outerHTML|insertAdjacentHTML|\.html\(/);
  });

  test('every text that it names is there, and those of every role change and counter', () => {
    const [script = ''] = scriptsOf(page);
    const keys = [
      ...script.matchAll(/\bt\d*\("([^"$]+)"/g),
      ...script.matchAll(/\? "(\w+\.[\w-]+)" : "(\w+\.[\w-]+)"/g),
    ]
      .flatMap(([, one, other]) => [one, other])
      .filter((key) => key !== undefined);
    assert.ok(keys.length > 30);
    const dynamic = [
      ...['own', 'service', 'refused', 'simulated'].map((word) => `runs.${word}`),
      ...['addresses', 'since', 'master', 'interval', 'mqtt', 'peers'].map((word) => `fact.${word}`),
      ...['master', 'was-master', 'refused'].map((word) => `peer.${word}`),
      ...['mismatch', 'hint', 'silent', 'split-brain', 'mqtt', 'alarm'].map((word) => `warning.${word}`),
    ];
    assert.deepEqual(
      [...keys, ...dynamic].filter((key) => typeof textAt(`x/carp-sidebar:carp-sidebar.${key}`) !== 'string'),
      [],
    );
  });
});
