import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { FromSchema } from 'json-schema-to-ts';
import { configSchema } from '../../src/config/schema.ts';
import type { HostConfig } from '../../src/config/types.ts';

type Writable<T> = T extends readonly (infer Item)[]
  ? Writable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Writable<T[Key]> }
    : T;

/** Compiles only if every value of the first type is one of the second. */
type Fits<From extends To, To> = From;

type Described = FromSchema<typeof configSchema>;
// The default of `node` is the host name, which no schema can say.
type Completed = Described & { node: string };

/** The schema and the interfaces say the same: `tsc` checks these two lines, and the test names them. */
type SchemaFitsTypes = Fits<Completed, HostConfig>;
type TypesFitSchema = Fits<Writable<HostConfig>, Described>;

test('the schema and the interfaces agree in both directions', () => {
  const fromSchema = (config: SchemaFitsTypes): HostConfig => config;
  const fromTypes = (config: TypesFitSchema): Described => config;
  // @ts-expect-error a group without a vhid is none, so that the two lines above can fail
  type Incomplete = Fits<{ name: string; interface: string }, HostConfig['groups'][number]>;
  assert.equal(typeof fromSchema, typeof fromTypes);
  assert.ok({} as Incomplete);
});

interface Node {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
}

const settings = (node: Node, path: string): readonly (readonly [path: string, node: Node])[] => [
  ...Object.entries(node.properties ?? {}).flatMap(([key, child]) => [
    [`${path}${key}`, child] as const,
    ...settings(child, `${path}${key}.`),
  ]),
  ...(node.items === undefined ? [] : settings(node.items, `${path}[].`)),
];

for (const [path, node] of settings(configSchema, ''))
  test(`the setting ${path} explains itself`, () => {
    assert.ok((node.title ?? '') !== '', 'it has a title');
    assert.match(node.description ?? '', /\.$/);
  });

test('defaults are valid themselves', () => {
  const ajv = new Ajv2020({ strict: true });
  ajv.addVocabulary(['unit']);
  for (const [path, node] of settings(configSchema, ''))
    if (node.default !== undefined) assert.ok(ajv.validate(node, node.default), `default of ${path}`);
});

test('the schema is valid itself, by its dialect and in the strict mode of ajv', () => {
  const ajv = new Ajv2020({ strict: true });
  ajv.addVocabulary(['unit']);
  assert.equal(ajv.validateSchema(configSchema), true, ajv.errorsText());
  ajv.compile(configSchema);
});

test('the schema is JSON, and names its dialect', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(configSchema)), configSchema);
  assert.equal(configSchema.$schema, 'https://json-schema.org/draft/2020-12/schema');
});
