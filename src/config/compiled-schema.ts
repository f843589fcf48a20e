/**
 * The validator of the configuration file. The build writes it as code beside this module: ajv takes longer to load and to
 * compile the schema than all else at the start of an agent, seconds on small machines, and a restart is an outage.
 *
 * Where that code is missing (`tsc -b` alone), of another schema (it was not built again since), or does not load,
 * the schema is compiled here and now. Both give the same answers, to the word.
 */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Options, ValidateFunction } from 'ajv/dist/2020.js';
import { configSchema } from './schema.ts';

/** Loads when it is asked to, and at once: whoever checks a configuration does not wait for it. */
const require = createRequire(import.meta.url);

// The schema itself is checked by a test: doing it here takes longer than all else together.
const OPTIONS = { allErrors: true, useDefaults: true, strict: true, verbose: true, validateSchema: false } as const;

/** What the code depends on: the same for two builds of the same schema. */
export const fingerprint = (schema: object = configSchema): string =>
  createHash('sha256')
    .update(JSON.stringify([OPTIONS, schema]))
    .digest('hex');

const compile = (code: Options['code'] = {}) => {
  const { Ajv2020 } = require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  const ajv = new Ajv2020({ ...OPTIONS, code });
  ajv.addVocabulary(['unit']);
  return { ajv, isValid: ajv.compile(configSchema) };
};

/** As `loadSchema`, without looking for code. */
export const compileSchema = (): ValidateFunction => compile().isValid;

/** The validator as the text of a CommonJS module, for the build. */
export const schemaCode = (): string => {
  const { default: standaloneCode } = require('ajv/dist/standalone') as typeof import('ajv/dist/standalone/index.js');
  const { ajv, isValid } = compile({ source: true, lines: true });
  return `${standaloneCode(ajv, isValid)}\nmodule.exports.fingerprint = '${fingerprint()}';\n`;
};

/** Name of the file that `schemaCode` is written to, in the folder of this module. */
export const CODE_FILE = 'compiled-schema.cjs';

const loadCode = (file: string): ValidateFunction | undefined => {
  try {
    const code = require(file) as { readonly default: ValidateFunction; readonly fingerprint: string };
    return code.fingerprint === fingerprint() ? code.default : undefined;
  } catch {
    return undefined;
  }
};

/** @param file - where the code is; one that is of no use is the same as none */
export const loadSchema = (file = `./${CODE_FILE}`): ValidateFunction => loadCode(file) ?? compileSchema();
