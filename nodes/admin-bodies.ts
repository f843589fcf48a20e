/** What the routes accept, and nothing else. */
import { Ajv2020, type JSONSchemaType, type ValidateFunction } from 'ajv/dist/2020.js';
import type { HandOverBody, ModeBody, RestoreBody } from './admin-api.ts';

const ajv = new Ajv2020({ strict: true, validateSchema: false });

const ID = { type: 'string', minLength: 1, maxLength: 255 } as const;
const SCOPE = { type: 'string', enum: ['group', 'host'], nullable: true } as const;

const handOver: JSONSchemaType<HandOverBody> = {
  type: 'object',
  properties: { id: ID, force: { type: 'boolean', nullable: true } },
  required: ['id'],
  additionalProperties: false,
};

const mode: JSONSchemaType<ModeBody> = {
  type: 'object',
  properties: { id: ID, on: { type: 'boolean' }, scope: SCOPE },
  required: ['id', 'on'],
  additionalProperties: false,
};

const restore: JSONSchemaType<RestoreBody> = {
  type: 'object',
  properties: { id: ID, reason: { type: 'string', minLength: 1, maxLength: 64 }, scope: SCOPE },
  required: ['id', 'reason'],
  additionalProperties: false,
};

export const bodies = {
  handOver: ajv.compile(handOver),
  mode: ajv.compile(mode),
  restore: ajv.compile(restore),
} as const;

/** The first thing that is wrong with a body that was refused, without what it contains. */
export const flawOf = ({ errors }: ValidateFunction<unknown>): string => {
  const [error] = errors ?? [];
  if (error === undefined) return 'the body is not valid';
  const where = error.instancePath === '' ? 'the body' : error.instancePath.slice(1).replaceAll('/', '.');
  return `${where} ${error.message ?? 'is not valid'}`;
};
