import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import { CODE_FILE, compileSchema, fingerprint, loadSchema } from '../../src/config/compiled-schema.ts';
import { configSchema } from '../../src/config/schema.ts';

/** The parts of a schema that values are made from. */
interface Node {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly oneOf?: readonly Node[];
  readonly anyOf?: readonly Node[];
}

const alternatives = (node: Node): readonly Node[] => node.oneOf ?? node.anyOf ?? [node];

/** One value that has everything the schema knows. */
const whole = (node: Node): unknown => {
  const [one = node] = alternatives(node);
  if (one.enum !== undefined) return one.enum[0];
  if (one.properties !== undefined)
    return Object.fromEntries(Object.entries(one.properties).map(([key, child]) => [key, whole(child)]));
  if (one.items !== undefined) return [whole(one.items)];
  if (one.type === 'boolean') return true;
  return one.type === 'string' ? 'a' : (one.minimum ?? 1);
};

const ODD: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  0.5,
  1,
  300,
  1e9,
  '',
  'on',
  '1',
  'ü😀/',
  [],
  ['a', 'a'],
  {},
  { x: 1 },
];

/** What may stand in the place of a value: odd ones, and those at and beyond its bounds. */
const others = (node: Node): readonly unknown[] =>
  alternatives(node).flatMap((one) => [
    ...(one.enum ?? []),
    ...(one.minimum === undefined ? [] : [one.minimum, one.minimum - 1]),
    ...(one.maximum === undefined ? [] : [one.maximum, one.maximum + 1, one.maximum + 0.5]),
    // Two units of UTF-16 each, which is one character.
    ...(one.maxLength === undefined ? [] : ['😀'.repeat(one.maxLength), '😀'.repeat(one.maxLength + 1)]),
    ...(one.items === undefined ? [] : [[whole(one.items), whole(one.items)]]),
    ...(one.maxItems === undefined ? [] : [Array.from({ length: one.maxItems + 1 }, (_, index) => `${index}`)]),
  ]);

/** The value, with one thing different each time. */
function* variants(node: Node, value: unknown): Generator<unknown> {
  yield* ODD;
  yield* others(node);
  for (const { properties, items } of alternatives(node)) {
    if (properties !== undefined) {
      const parent = value as Readonly<Record<string, unknown>>;
      yield { ...parent, unheard: 'of' };
      for (const [key, child] of Object.entries(properties)) {
        const { [key]: own, ...rest } = parent;
        yield rest;
        for (const variant of variants(child, own)) yield { ...parent, [key]: variant };
      }
    }
    if (items !== undefined) for (const variant of variants(items, whole(items))) yield [variant];
  }
}

/** Those of the schema that a value can break. */
const KEYWORDS = [
  ...[
    'additionalProperties',
    'anyOf',
    'enum',
    'exclusiveMinimum',
    'maximum',
    'maxItems',
    'maxLength',
    'minimum',
    'minItems',
    'minLength',
  ],
  ...['oneOf', 'pattern', 'required', 'type', 'uniqueItems'],
];

/** All there is to know: the verdict, each error with the schema and the value it speaks of, and the defaults. */
const judge = (isValid: ValidateFunction, value: unknown) => {
  const copy = structuredClone(value);
  const verdict = isValid(copy);
  return { verdict, errors: isValid.errors ?? [], copy };
};

const folder = mkdtempSync(join(tmpdir(), 'carp-schema-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('the validator that the build has written says what ajv says, whatever is wrong with whichever setting', () => {
  const [built, compiled] = [loadSchema(), compileSchema()];
  const verdicts = { good: 0, bad: 0 };
  const told = new Set<string>();
  for (const value of variants(configSchema, whole(configSchema))) {
    const judged = judge(built, value);
    assert.deepEqual(judged, judge(compiled, value));
    verdicts[judged.verdict ? 'good' : 'bad'] += 1;
    for (const { keyword } of judged.errors) told.add(keyword);
  }
  assert.ok(verdicts.good > 300 && verdicts.bad > 1000, JSON.stringify(verdicts));
  for (const keyword of KEYWORDS) assert.ok(told.has(keyword), `no variant broke ${keyword}`);
});

test('both complete the smallest configuration with the same defaults', () => {
  const smallest = {
    mqtt: { url: 'mqtt://b' },
    metrics: { port: 9 },
    groups: [{ name: 'a', interface: 'b', vhid: 1 }],
  };
  const { verdict, copy } = judge(loadSchema(), smallest);
  assert.equal(verdict, true);
  assert.deepEqual(copy, judge(compileSchema(), smallest).copy);
  assert.notDeepEqual(copy, smallest);
});

test('a built tree checks its configuration without loading ajv', () => {
  const module = new URL('../../src/config/validate.js', import.meta.url);
  const script = `
    import { createRequire } from 'node:module';
    await import(${JSON.stringify(module.href)});
    const { cache } = createRequire(${JSON.stringify(module.href)});
    console.log(Object.keys(cache).filter((file) => /ajv.dist.(2020|core|compile)/.test(file)).length, Object.keys(cache).length);`;
  const [ajv, all] = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    .split(' ')
    .map(Number);
  assert.equal(ajv, 0, 'the code is missing or of another schema: npm run build');
  assert.ok(Number(all) > 0, 'the list is not empty for another reason');
});

/** What `loadSchema` makes of a file with this content: code that is used lets everything pass here. */
const loaded = (name: string, content: string): boolean => {
  const file = join(folder, name);
  writeFileSync(file, content);
  return loadSchema(file)('no configuration');
};

test('code that is missing, broken, cut short or of another schema is not used', () => {
  const code = (print: string): string => `exports.default = () => true; exports.fingerprint = '${print}';`;
  assert.equal(loaded('same.cjs', code(fingerprint())), true);
  assert.equal(loaded('other.cjs', code(fingerprint({ ...configSchema, title: 'another' }))), false);
  assert.equal(loaded('broken.cjs', `${code(fingerprint())} throw new Error('broken')`), false);
  assert.equal(loaded('empty.cjs', ''), false);
  const whole = readFileSync(new URL(`../../src/config/${CODE_FILE}`, import.meta.url), 'utf8');
  assert.equal(loaded('short.cjs', whole.slice(0, whole.length / 2)), false);
  assert.equal(loadSchema(join(folder, 'missing.cjs'))('no configuration'), false);
});
