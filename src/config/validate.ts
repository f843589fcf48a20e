import type { DefinedError } from 'ajv/dist/2020.js';
import { closest } from './closest.ts';
import { loadSchema } from './compiled-schema.ts';
import { error, type Finding, type Path, show } from './findings.ts';
import type { Loose } from './loose.ts';
import type { HostConfig } from './types.ts';

const isValid = loadSchema();

/** The parts of a schema that messages are made of. */
interface Expectation {
  readonly type?: string;
  readonly enum?: readonly (string | number)[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>;
  readonly items?: Expectation;
  readonly oneOf?: readonly Expectation[];
}

/** Their values are never shown. */
const SECRETS: readonly unknown[] = ['pass', 'password', 'keyPassphrase', 'key', 'cert', 'ca'];

const range = ({ minimum, exclusiveMinimum, maximum }: Expectation): string => {
  const low = minimum ?? exclusiveMinimum;
  if (low === undefined || maximum === undefined) return '';
  return exclusiveMinimum === undefined ? ` from ${low} to ${maximum}` : ` above ${low}, up to ${maximum}`;
};

const expected = (schema: Expectation): string => {
  if (schema.oneOf !== undefined) return schema.oneOf.map(expected).join(', or ');
  if (schema.enum !== undefined) return `one of ${[...new Set(schema.enum.map(String))].join(', ')}`;
  if (schema.type === 'integer') return `a whole number${range(schema)}`;
  if (schema.type === 'number') return `a number${range(schema)}`;
  if (schema.type === 'boolean') return 'true or false';
  if (schema.type === 'array')
    return schema.items?.enum === undefined ? 'a list' : `a list of ${schema.items.enum.join(', ')}`;
  return schema.type === 'object' ? 'an object (settings below it, indented)' : 'text';
};

const kind = (value: unknown): string => {
  if (typeof value === 'string') return 'text';
  return typeof value === 'number' || typeof value === 'boolean' ? `a ${typeof value}` : show(value);
};

/** What came instead. Text where a structure should be may be anything, a password too: only its kind is told. */
const came = (path: Path, schema: Expectation, value: unknown): string => {
  if (SECRETS.includes(path.at(-1))) return kind(value);
  return schema.type === 'object' || schema.type === 'array' ? kind(value) : show(value);
};

const isScalar = (value: unknown): boolean => typeof value === 'number' || typeof value === 'boolean';

const mismatch = (path: Path, schema: Expectation, value: unknown): string => {
  const hint = schema.type === 'string' && isScalar(value) ? '; put it in quotes' : '';
  return `must be ${expected(schema)}, but is ${came(path, schema, value)}${hint}`;
};

const isIndex = (parent: unknown, step: string): boolean => Array.isArray(parent) && /^\d+$/.test(step);

/** A JSON pointer as a path into this value. */
const pathOf = (pointer: string, root: unknown): Path => {
  const path: (string | number)[] = [];
  let value = root;
  for (const raw of pointer.split('/').slice(1)) {
    const step = raw.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(isIndex(value, step) ? Number(step) : step);
    value = (value as Readonly<Record<string, unknown>> | undefined)?.[step];
  }
  return path;
};

const unknownKey = (key: string, schema: Expectation): string => {
  const keys = Object.keys(schema.properties ?? {});
  const suggestion = closest(key, keys);
  return `is no setting; ${suggestion === undefined ? `there are ${keys.join(', ')}` : `did you mean ${suggestion}?`}`;
};

/** The entries of `anyOf` that did not fit are told by `anyOf` itself. */
const isAlternative = ({ schemaPath }: DefinedError): boolean => schemaPath.includes('/anyOf/');

/**
 * One story of each `oneOf`. What came is usually of the kind of one alternative, and has a fault in it: then that fault is
 * told, and neither what the other alternatives would have wanted nor that none fits.
 */
const withoutOthers = (faults: readonly DefinedError[]): readonly DefinedError[] => {
  const untold = new Set<DefinedError>();
  for (const choice of faults.filter(({ keyword }) => keyword === 'oneOf')) {
    const branchOf = ({ schemaPath }: DefinedError): string | undefined =>
      schemaPath.startsWith(`${choice.schemaPath}/`)
        ? schemaPath.slice(choice.schemaPath.length + 1).split('/', 1)[0]
        : undefined;
    const inside = faults.filter((fault) => branchOf(fault) !== undefined);
    const isOtherKind = ({ keyword, instancePath }: DefinedError): boolean =>
      keyword === 'type' && instancePath === choice.instancePath;
    const otherKinds = new Set(inside.filter(isOtherKind).map(branchOf));
    const [meant, ...more] = new Set(inside.map(branchOf).filter((branch) => !otherKinds.has(branch)));
    const isClear = meant !== undefined && more.length === 0;
    for (const fault of inside) if (!isClear || branchOf(fault) !== meant) untold.add(fault);
    if (isClear) untold.add(choice);
  }
  return faults.filter((fault) => !untold.has(fault));
};

const describeFault = (fault: DefinedError, root: unknown): Finding => {
  const path = pathOf(fault.instancePath, root);
  const schema = (fault.parentSchema ?? {}) as Expectation;
  switch (fault.keyword) {
    case 'additionalProperties': {
      const key = fault.params.additionalProperty;
      return error([...path, key], unknownKey(key, schema));
    }
    case 'required': {
      const key = fault.params.missingProperty;
      const what = schema.properties?.[key]?.description?.replace(/\.$/, '');
      return error([...path, key], `is missing${what === undefined ? '' : ` (${what})`}; set it`);
    }
    case 'anyOf':
      return error(path, 'must be an address, or a list of at most two');
    case 'maxLength':
      return error(path, `is too long; at most ${fault.params.limit} characters are allowed`);
    case 'minLength':
      return error(path, 'must not be empty; give it a value, or remove it');
    case 'maxItems':
      return error(path, `has too many entries; at most ${fault.params.limit} are allowed`);
    case 'minItems':
      return error(path, 'must not be empty; add what belongs there, or remove it');
    case 'uniqueItems':
      return error([...path, fault.params.i], 'is listed twice; remove one');
    case 'pattern':
      // Names of Sparkplug are the only ones with a pattern.
      return error(
        path,
        `must be 1 to 128 characters without +, #, / and control characters, but is ${came(path, schema, fault.data)}`,
      );
    default:
      return error(path, mismatch(path, schema, fault.data));
  }
};

/** Takes away what a finding is about, so that what is left has the types of the schema. */
const prune = (root: unknown, path: Path): void => {
  const parent = path.slice(0, -1).reduce<unknown>((value, step) => (value as Record<string, unknown>)?.[step], root);
  const last = path.at(-1);
  if (last === undefined || typeof parent !== 'object' || parent === null) return;
  if (Array.isArray(parent) && typeof last === 'number') parent[last] = undefined;
  else delete (parent as Record<string, unknown>)[last];
};

export interface Validated {
  readonly findings: readonly Finding[];
  /** The whole configuration if there are no findings; else what is left of it. With defaults. */
  readonly config: Loose<HostConfig>;
}

/** Checks against the schema, and completes with defaults. Changes `value`, and keeps it. */
export const validate = (value: unknown): Validated => {
  if (isValid(value)) return { findings: [], config: value as HostConfig };
  const faults = (isValid.errors ?? []) as DefinedError[];
  const told = withoutOthers(faults.filter((fault) => !isAlternative(fault))).map((fault) =>
    describeFault(fault, value),
  );
  // A number that is no whole one and too large has two faults, and one message.
  const unique = new Map(told.map((finding) => [JSON.stringify([finding.path, finding.message]), finding]));
  const findings = [...unique.values()];
  for (const { path } of findings) prune(value, path);
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return { findings, config: isObject ? (value as Loose<HostConfig>) : {} };
};
