/** The help of every node, in every language: complete, true to what the node has, and shown as it is meant. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ROOT } from '../support/built.ts';
import { definitionsIn, type NodeDefinition } from '../support/editor-definitions.ts';
import { helpOf, LANGUAGES, OTHER_LANGUAGES, page, SOURCE, sources, TYPES, textsOf } from '../support/locales.ts';

/** Headings, in the order of Node-RED's own nodes. */
const SECTIONS = ['inputs', 'outputs', 'properties', 'details', 'status', 'references'] as const;
type Section = (typeof SECTIONS)[number];

/** What Node-RED's own nodes call these in each language, as far as they have them. */
const HEADINGS: Readonly<Record<string, Readonly<Record<Section, string>>>> = {
  'en-US': {
    inputs: 'Inputs',
    outputs: 'Outputs',
    properties: 'Properties',
    details: 'Details',
    status: 'Status',
    references: 'References',
  },
  de: {
    inputs: 'Eingangsdaten',
    outputs: 'Ausgangsdaten',
    properties: 'Eigenschaften',
    details: 'Details',
    status: 'Status',
    references: 'Verweise',
  },
  'zh-CN': {
    inputs: '输入',
    outputs: '输出',
    properties: '属性',
    details: '详细',
    status: '状态',
    references: '参考',
  },
};

const definitionOf = (type: string): NodeDefinition => {
  const definition = definitionsIn(join(ROOT, 'dist', 'nodes', `${type}.html`)).get(type);
  assert.ok(definition, `${type} is not defined: build first`);
  return definition;
};

/** A node has an input or an output if it can have one. */
const sectionsOf = ({ category, inputs = 0, outputs = 0, defaults }: NodeDefinition): readonly Section[] =>
  SECTIONS.filter((section) => {
    if (section === 'inputs') return inputs > 0 || 'inputs' in defaults;
    if (section === 'outputs') return outputs > 0;
    return section !== 'status' || category !== 'config';
  });

const markdownOf = (language: string, type: string): string =>
  helpOf(language, type).replace(/^<script[^>]*>\n|<\/script>\n$/g, '');

const sectionOf = (language: string, type: string, section: Section): string => {
  const heading = `### ${HEADINGS[language]?.[section]}\n`;
  const after = markdownOf(language, type).split(heading)[1] ?? '';
  return after.split(/^### /m)[0] ?? '';
};

const matches = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([, one = '']) => one);
const withoutBlocks = (text: string): string => text.replace(/```[\s\S]*?```/g, '');
const codes = (text: string): readonly string[] => matches(withoutBlocks(text), /`([^`\n]+)`/g);
const sorted = (words: readonly string[]): readonly string[] => [...words].sort();
const distinct = (words: readonly string[]): readonly string[] => sorted([...new Set(words)]);

test('help stands in the files of its language, where Node-RED looks for it, and not in the forms', () => {
  for (const type of TYPES) assert.ok(!page(type).includes('data-help-name'), type);
});

for (const type of TYPES)
  describe(`the help of ${type}`, () => {
    const definition = definitionOf(type);

    for (const language of LANGUAGES) {
      const markdown = markdownOf(language, type);

      test(`in ${language} begins with the one paragraph that the palette shows`, () => {
        assert.match(
          helpOf(language, type),
          new RegExp(`^<script type="text/markdown" data-help-name="${type}">\\n[\\s\\S]+\\n</script>\\n$`),
        );
        const [first = ''] = markdown.split('\n\n');
        assert.ok(first.length >= 10 && first.length <= 120, first);
        assert.match(first, /^\p{L}[^\n]*[.。]$/u);
      });

      test(`in ${language} has all sections`, () => {
        assert.deepEqual(
          matches(markdown, /^### (.*)$/gm),
          sectionsOf(definition).map((section) => HEADINGS[language]?.[section]),
        );
        for (const section of sectionsOf(definition))
          assert.ok(sectionOf(language, type, section).length > 10, section);
      });

      test(`in ${language} explains each property that there is, by the name that the form has, and no other`, () => {
        const rows = [...sectionOf(language, type, 'properties').matchAll(/^\| \*\*(.+?)\*\* `(\w+)` \| \S.* \|$/gm)];
        const names = rows.map(([, , name = '']) => name);
        assert.deepEqual(
          sorted(names),
          sorted([...Object.keys(definition.defaults), ...Object.keys(definition.credentials ?? {})]),
        );
        const texts = textsOf(language, type);
        for (const [, label, name] of rows) assert.equal(label, texts.get(`${type}.label.${name}`) ?? label, name);
      });

      test(`in ${language} is Markdown as Node-RED reads it`, () => {
        for (const line of withoutBlocks(markdown).split('\n')) {
          assert.ok(!/^\s+\S/.test(line) || /^ {2}\S/.test(line), `leading blanks: ${line}`);
          // Node-RED's list of properties: name, type and text on one line, with no other colon.
          if (line.startsWith(':')) assert.match(line, /^: [^:]+ \([^:]+\) : [^:]+$/);
          if (line.startsWith('|')) assert.match(line, /^\|.*\|$/);
        }
        assert.equal(matches(markdown, /(`)/g).length % 2, 0);
        for (const json of matches(markdown, /```json\n([\s\S]*?)```/g))
          assert.doesNotThrow(() => JSON.parse(json), json);
        for (const [, , target = ''] of markdown.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g))
          assert.match(target, /^https:\/\//);
      });
    }

    for (const language of OTHER_LANGUAGES)
      test(`in ${language} says what the ${SOURCE} one says: the same names, values, tables and examples`, () => {
        for (const section of sectionsOf(definition)) {
          const [source, text] = [SOURCE, language].map((one) => sectionOf(one, type, section));
          assert.deepEqual(distinct(codes(text ?? '')), distinct(codes(source ?? '')), section);
          assert.equal(
            matches(text ?? '', /^(\|)/gm).length,
            matches(source ?? '', /^(\|)/gm).length,
            `rows of ${section}`,
          );
          assert.deepEqual(matches(text ?? '', /(```[\s\S]*?```)/g), matches(source ?? '', /(```[\s\S]*?```)/g));
          assert.deepEqual(matches(text ?? '', /\]\(([^)]+)\)/g), matches(source ?? '', /\]\(([^)]+)\)/g));
        }
      });
  });

/** Names of environment variables in examples. */
const NOT_CODES = ['CARP_SKEW', 'CARP_PASS'];

describe('what the help names is there', () => {
  const runtime = [...sources('.').values()].join('\n');

  test('each choice of a form is explained under its property', () => {
    for (const type of TYPES)
      for (const [, property = '', options = ''] of page(type).matchAll(
        /<select id="node-(?:config-)?input-(\w+)"[^>]*>([\s\S]*?)<\/select>/g,
      )) {
        const row =
          new RegExp(`^\\| \\*\\*.+?\\*\\* \`${property}\` \\|(.*)$`, 'm').exec(
            sectionOf(SOURCE, type, 'properties'),
          )?.[1] ?? '';
        const explained = `${row}\n${sectionOf(SOURCE, type, 'details')}`;
        for (const value of matches(options, /<option value="([^"]+)"/g))
          assert.ok(codes(explained).includes(value), `${type} ${property}: ${value}`);
      }
  });

  test('error codes', () => {
    for (const type of TYPES)
      for (const code of matches(markdownOf(SOURCE, type), /`(CARP_[A-Z_]+)`/g))
        assert.ok(
          runtime.includes(`'${code}'`) || runtime.includes(code) || NOT_CODES.includes(code),
          `${type} ${code}`,
        );
  });

  test('statuses, by the words that the node shows in that language', () => {
    for (const language of LANGUAGES)
      for (const type of ['carp-gate', 'carp-health', 'carp-watch']) {
        const status = sectionOf(language, type, 'status');
        for (const [key, text] of textsOf(language, type))
          if (key.startsWith(`${type}.status.`) || /^carp\.status\.(?:healthy|unhealthy|late|waiting)$/.test(key))
            assert.ok(status.includes(String(text)), `${language} ${type} ${key}: ${text}`);
      }
  });
});
