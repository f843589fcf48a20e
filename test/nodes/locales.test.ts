/** What the editor says, in every language: nothing missing, nothing left over, nothing too long for its place. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ACTIONS, SWITCHED_MODES } from '../../nodes/control-action.ts';
import type { HealthState } from '../../nodes/health.ts';
import { NO_GROUP, problemStatus, statusOf } from '../../nodes/status.ts';
import type { CarpErrorCode } from '../../src/ports/error.ts';
import { LANGUAGES, OTHER_LANGUAGES, page, SETS, SOURCE, setsOf, sources, TYPES, textsOf } from '../support/locales.ts';
import { eventOf } from './fakes.ts';

/** Node-RED's guideline for texts below a node. */
const STATUS_LENGTH_MAX = 20;
const editor = sources('editor');
const keysOf = (set: string): readonly string[] => [...textsOf(SOURCE, set).keys()];

interface Asked {
  readonly whole: readonly string[];
  /** Of keys whose end is known when the program runs: `action.` of `action.${name}`. */
  readonly beginnings: readonly string[];
}

const found = (source: string, pattern: RegExp): readonly string[] =>
  [...source.matchAll(pattern)].map(([, key = '']) => key);

/** The keys of a set that a source names. Other words with a dot in quotes are none of its groups. */
const keysIn = (source: string, set: string): Asked => {
  const groups = new Set(keysOf(set).map((key) => key.split('.')[1]));
  const ofSet = (keys: readonly string[]): readonly string[] =>
    keys.filter((key) => groups.has(key.split('.')[0])).map((key) => `${set}.${key}`);
  return {
    whole: [
      ...ofSet(found(source, /'([a-zA-Z][\w-]*(?:\.[\w-]+)+)'/g)),
      ...found(source, /\bt\('(\w+)'\)/g).map((key) => `${set}.${key}`),
      ...found(source, /:([\w-]+\.\w+)'/g).filter((key) => key.startsWith(`${set}.`)),
    ],
    beginnings: ofSet(found(source, /`([a-zA-Z][\w-]*\.[\w.-]*)\$\{/g)),
  };
};

/** The keys of a form's `data-i18n`. */
const keysInPage = (set: string): readonly string[] =>
  [...page(set).matchAll(/data-i18n="([^"]+)"/g)].flatMap(([, all = '']) =>
    all.split(';').map((one) => one.replace(/^\[\w+\]/, '')),
  );

/** Which sources of the editor belong to a set: its own, and those that are only about the sidebar. */
const editorOf = (set: string): readonly string[] =>
  [...editor].flatMap(([file, source]) =>
    file === set || (set === 'carp-sidebar' && file.startsWith('sidebar-')) ? [source] : [],
  );

test('there are three languages, and each has a file for everything that has texts', () => {
  assert.deepEqual([...LANGUAGES].sort(), ['de', 'en-US', 'zh-CN']);
  assert.ok(TYPES.length >= 7 && SETS.length > TYPES.length);
  for (const language of LANGUAGES) assert.deepEqual(setsOf(language), SETS);
});

for (const language of LANGUAGES)
  describe(`the texts of ${language}`, () => {
    test('none is empty', () => {
      for (const set of SETS)
        for (const [key, text] of textsOf(language, set))
          assert.ok(typeof text === 'string' && text.trim() === text && text !== '', `${set} ${key}`);
    });

    test('a status has at most 20 characters', () => {
      for (const set of SETS)
        for (const [key, text] of textsOf(language, set))
          if (key.includes('.status.')) assert.ok(String(text).length <= STATUS_LENGTH_MAX, `${set} ${key}: ${text}`);
    });

    test('a gate that counts keeps to that, too', () => {
      const texts = textsOf(language, 'carp-gate');
      const word = (name: string): string => String(texts.get(`carp-gate.status.${name}`));
      for (const status of [
        `${word('pass')} 1000000`,
        `${word('blocked')} 1000000`,
        `${word('blocked')} 10, ${word('kept')} 10`,
      ])
        assert.ok(status.length <= STATUS_LENGTH_MAX, status);
    });

    test('one status has one text, whichever node shows it', () => {
      const known = new Map<string, unknown>();
      for (const set of SETS)
        for (const [key, text] of textsOf(language, set))
          if (key.startsWith('carp.status.')) {
            assert.equal(text, known.get(key) ?? text, `${set} ${key}`);
            known.set(key, text);
          }
      assert.ok(known.size > 30);
    });
  });

for (const language of OTHER_LANGUAGES)
  describe(`${language} beside ${SOURCE}`, () => {
    for (const set of SETS) {
      const source = textsOf(SOURCE, set);
      const texts = textsOf(language, set);

      test(`${set} has the same keys, in the same order`, () =>
        assert.deepEqual([...texts.keys()], [...source.keys()]));

      test(`${set} puts the same values into its texts`, () => {
        const values = (text: unknown): readonly string[] => (String(text).match(/__\w+?__|\$\{\w+\}/g) ?? []).sort();
        for (const [key, text] of source) assert.deepEqual(values(texts.get(key)), values(text), key);
      });
    }
  });

for (const set of SETS)
  describe(`the keys of ${set}`, () => {
    const known = keysOf(set);
    const asked = keysInPage(set);
    const code = editorOf(set).map((source) => keysIn(source, set));

    test('what the form and its code ask for is there', () => {
      assert.ok(editorOf(set).length > 0);
      const all = [...asked, ...code.flatMap(({ whole }) => whole)];
      assert.ok(all.length >= 2);
      assert.deepEqual(
        all.filter((key) => !known.includes(key)),
        [],
      );
      for (const beginning of code.flatMap(({ beginnings }) => beginnings))
        assert.ok(
          known.some((key) => key.startsWith(beginning)),
          beginning,
        );
    });

    test('what is there is asked for', () => {
      const shared = [...editor].filter(([file]) => !SETS.includes(file)).map(([, source]) => keysIn(source, set));
      const runtime = [...sources('.').values()].join('\n');
      const used = (key: string): boolean =>
        asked.includes(key) ||
        [...code, ...shared].some(
          ({ whole, beginnings }) => whole.includes(key) || beginnings.some((beginning) => key.startsWith(beginning)),
        ) ||
        runtime.includes(`'${key}'`) ||
        /^carp\.status\.(?:doing|done)-/.test(key) ||
        (key.startsWith('carp.status.') && runtime.includes('`carp.status.${'));
      assert.deepEqual(
        known.filter((key) => !used(key)),
        [],
      );
    });
  });

test('a text that the parts shared by forms ask for is there in some form', () => {
  const everywhere = new Set(TYPES.flatMap(keysOf).map((key) => key.replace(/^[\w-]+\./, '')));
  const shared = [...editor].filter(([file]) => !SETS.includes(file) && !file.startsWith('sidebar-'));
  const asked = shared.flatMap(([, source]) =>
    [...source.matchAll(/'((?:problem|label)\.[\w-]+)'/g)].map(([, key = '']) => key),
  );
  assert.ok(asked.length >= 5);
  assert.deepEqual(
    asked.filter((key) => !everywhere.has(key)),
    [],
  );
});

describe('what a node may show', () => {
  const CODES = {
    CARP_CONFIG: true,
    CARP_NO_PERMISSION: true,
    CARP_NO_TRANSPORT: true,
    CARP_NO_INTERFACE: true,
    CARP_ADDRESS_IN_USE: true,
    CARP_ADDRESS: true,
    CARP_SEND: true,
    CARP_DUPLICATE: true,
    CARP_NO_GROUP: true,
    CARP_NOT_MASTER: true,
    CARP_NOBODY: true,
    CARP_NO_AGENT: true,
    CARP_FAILED: true,
  } as const satisfies Record<CarpErrorCode, true>;
  const STATES = { waiting: true, healthy: true, unhealthy: true, late: true } as const satisfies Record<
    HealthState,
    true
  >;
  const problems = (Object.keys(CODES) as CarpErrorCode[]).map((code) => problemStatus(code).text);
  const common = [...problems, NO_GROUP.text, statusOf({}).text];
  const observing = { ...eventOf({ node: 'rpi1', group: 'plant' }, 'BACKUP'), mode: 'observe' } as const;
  const shown: Readonly<Record<string, readonly (string | undefined)[]>> = {
    'carp-role': [...common, statusOf({ event: observing }).text],
    'carp-gate': common,
    'carp-health': [...common, ...Object.keys(STATES).map((state) => `carp.status.${state}`)],
    'carp-control': [
      ...common,
      ...ACTIONS.filter((action) => !SWITCHED_MODES.some((mode) => mode === action)).flatMap((action) =>
        ['doing', 'done'].map((part) => `carp.status.${part}-${action}`),
      ),
      'carp.status.bad-action',
      'carp.status.timeout',
    ],
    'carp-watch': common,
  };

  for (const [type, statuses] of Object.entries(shown))
    test(`of ${type} has a text`, () => {
      const texts = textsOf(SOURCE, type);
      for (const status of statuses) assert.ok(texts.has(String(status)), status);
    });
});

test('no form has words of its own: all are in the locale files', () => {
  for (const type of TYPES) {
    const form = page(type).replace(/<style>[\s\S]*?<\/style>/g, '');
    const words = form.replace(/<[^>]*>/g, ' ').match(/[\p{L}]{2,}/gu) ?? [];
    assert.deepEqual(
      words.filter((word) => !['MASTER', 'BACKUP'].includes(word)),
      [],
      type,
    );
    for (const [, text = ''] of form.matchAll(/\b(?:placeholder|title|aria-label)="([^"]*)"/g))
      assert.match(text, /^(?:mqtt:\/\/[\d.:]+|carp|[\d.]+)$/, type);
  }
});
