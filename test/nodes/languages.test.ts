/** What a real Node-RED delivers to an editor in each language: texts, forms with their help, and palette. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { manifest } from '../support/built.ts';
import { LocalNodeRed } from '../support/local-node-red.ts';
import { helpOf, SETS, textsOf } from '../support/locales.ts';
import { PACKAGE } from '../support/packed.ts';

const registered = Object.keys(manifest['node-red'].nodes);
const plugins = Object.keys(manifest['node-red'].plugins ?? {});

/**
 * What a browser asks for, and whose texts it gets. Of a language that is not there it gets the English help; texts, the
 * editor asks for in English besides.
 */
const ASKED = [
  { asked: 'en-US', given: 'en-US' },
  { asked: 'de', given: 'de' },
  { asked: 'de-AT', given: 'de' },
  { asked: 'zh-CN', given: 'zh-CN' },
];

const valueAt = (texts: unknown, key: string): unknown =>
  key
    .split('.')
    .reduce<unknown>((level, step) => (level as Readonly<Record<string, unknown>> | undefined)?.[step], texts);

describe('a Node-RED', { timeout: 180_000 }, () => {
  const undo: (() => void | Promise<void>)[] = [];
  let nodeRed: LocalNodeRed;
  before(async () => {
    nodeRed = await LocalNodeRed.start({ after: (step) => void undo.push(step) });
  });
  after(async () => {
    for (const step of undo.reverse()) await step();
  });

  /** All node types, as an editor loads them. */
  const nodesIn = async (language: string): Promise<string> => {
    const headers = { accept: 'text/html', 'accept-language': language };
    return (await fetch(`${nodeRed.url}/nodes`, { headers })).text();
  };

  for (const { asked, given } of ASKED) {
    test(`gives an editor that asks for ${asked} the texts of ${given}`, async () => {
      for (const set of [...registered, ...plugins]) {
        const texts = await nodeRed.get(`locales/${PACKAGE}/${set}?lng=${asked}`);
        for (const [key, text] of textsOf(given, set)) assert.equal(valueAt(texts, key), text, `${set} ${key}`);
      }
    });

    test(`gives an editor that asks for ${asked} the help of ${given}`, async () => {
      const html = await nodesIn(asked);
      for (const type of registered) {
        assert.equal(html.split(`data-help-name="${type}"`).length, 2, `${type} has its help once`);
        assert.ok(html.includes(helpOf(given, type)), type);
      }
    });
  }

  test('gives an editor of another language the English help', async () => {
    const html = await nodesIn('fr');
    for (const type of registered) assert.ok(html.includes(helpOf('en-US', type)), type);
  });

  test('has all sets of texts that there are', () => {
    assert.deepEqual([...registered, ...plugins].sort(), SETS);
  });
});
