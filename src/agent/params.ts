import { Ajv, type SchemaObject, type ValidateFunction } from 'ajv';
import { ErrorCodes, ResponseError } from 'vscode-jsonrpc/node';
import { CarpError, problemOf } from '../ports/error.ts';
import { FOR_MS_MAX, WEIGHT_MAX } from './demotions.ts';
import { refuseReserved } from './reserved-reasons.ts';
import type {
  ConfigureParams,
  DemoteParams,
  HandOverParams,
  MaintenanceParams,
  RestoreParams,
  SimulateParams,
} from './rpc.ts';

const NAME = { type: 'string', minLength: 1, maxLength: 255 } as const;

const handOver: SchemaObject = {
  type: 'object',
  properties: { node: NAME, group: NAME, force: { type: 'boolean' } },
  required: ['group'],
  additionalProperties: false,
};

/** Printable, without spaces at its ends: it is read in tables and typed in shells. */
const REASON = {
  type: 'string',
  maxLength: 64,
  pattern: '^[^\\p{C}\\p{Z}]([^\\p{C}\\p{Zl}\\p{Zp}]*[^\\p{C}\\p{Z}])?$',
} as const;

const demote: SchemaObject = {
  type: 'object',
  properties: {
    node: NAME,
    group: NAME,
    reason: REASON,
    weight: { type: 'integer', minimum: 1, maximum: WEIGHT_MAX },
    forMs: { type: 'integer', minimum: 1, maximum: FOR_MS_MAX },
  },
  required: ['reason', 'weight'],
  additionalProperties: false,
};

const restore: SchemaObject = {
  type: 'object',
  properties: { node: NAME, group: NAME, reason: REASON },
  required: ['reason'],
  additionalProperties: false,
};

const maintenance: SchemaObject = {
  type: 'object',
  properties: { node: NAME, group: NAME, on: { type: 'boolean' } },
  required: ['on'],
  additionalProperties: false,
};

const simulate: SchemaObject = {
  type: 'object',
  properties: { node: NAME, action: { type: 'string', enum: ['crash', 'revive'] } },
  required: ['node', 'action'],
  additionalProperties: false,
};

/** What a host is made of is checked by the configuration's own schema. */
const configure: SchemaObject = {
  type: 'object',
  properties: {
    state: { type: 'string', minLength: 1, maxLength: 4096 },
    stallTimeout: { type: 'number', minimum: 0, maximum: 86_400 },
    hosts: { type: 'array', maxItems: 1000, items: { type: 'object' } },
  },
  required: ['state', 'hosts'],
  additionalProperties: false,
};

const ajv = new Ajv({ allErrors: false });

const checker =
  <Params>(matches: ValidateFunction<Params>) =>
  (params: unknown): Params => {
    if (matches(params)) return params;
    const message = `these parameters are not valid: ${ajv.errorsText(matches.errors, { dataVar: 'params' })}`;
    throw new ResponseError(ErrorCodes.InvalidParams, message, problemOf(new CarpError('CARP_CONFIG', message)));
  };

/** Turn what came over the wire into typed parameters. @throws ResponseError InvalidParams */
export const handOverParams = checker<HandOverParams>(ajv.compile(handOver));
export const maintenanceParams = checker<MaintenanceParams>(ajv.compile(maintenance));
export const simulateParams = checker<SimulateParams>(ajv.compile(simulate));

const named =
  <Params extends { readonly reason: string }>(check: (params: unknown) => Params) =>
  (params: unknown): Params => {
    const checked = check(params);
    refuseReserved(checked.reason);
    return checked;
  };

/** As above; also @throws CarpError CARP_CONFIG for a reason that belongs to the agent */
export const demoteParams = named(checker<DemoteParams>(ajv.compile(demote)));
export const restoreParams = named(checker<RestoreParams>(ajv.compile(restore)));

export const configureParams = checker<Omit<ConfigureParams, 'hosts'> & { readonly hosts: readonly object[] }>(
  ajv.compile(configure),
);
