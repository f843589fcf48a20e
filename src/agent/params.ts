import { createRequire } from 'node:module';
import type { Ajv2020, SchemaObject, ValidateFunction } from 'ajv/dist/2020.js';
import { ErrorCodes, ResponseError } from 'vscode-jsonrpc/node';
import { metrics } from '../config/schema-mqtt.ts';
import { CarpError, problemOf } from '../ports/error.ts';
import { FOR_MS_MAX, WEIGHT_MAX } from './demotions.ts';
import { refuseReserved } from './reserved-reasons.ts';
import type {
  AdvskewParams,
  ConfigureParams,
  DemoteParams,
  HandOverParams,
  MaintenanceParams,
  RestoreParams,
  SimulateParams,
  WatchParams,
} from './rpc.ts';

/** 255 is that of a farewell. */
const ADVSKEW_MAX = 254;

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

const advskew: SchemaObject = {
  type: 'object',
  properties: { node: NAME, group: NAME, advskew: { type: ['integer', 'null'], minimum: 0, maximum: ADVSKEW_MAX } },
  required: ['group', 'advskew'],
  additionalProperties: false,
};

const watch: SchemaObject = {
  type: 'object',
  properties: { interface: NAME, simulated: { type: 'boolean' } },
  required: ['interface'],
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
    metrics: { ...metrics, required: ['address', 'port'] },
  },
  required: ['state', 'hosts'],
  additionalProperties: false,
};

const require = createRequire(import.meta.url);

let ajv: Ajv2020 | undefined;
/** Loads when the first parameters come, and at once. An agent of a file may run for months without any. */
const compiler = (): Ajv2020 => {
  const { Ajv2020 } = require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  // Checking these schemas themselves would take longer than compiling them.
  ajv ??= new Ajv2020({ allErrors: false, validateSchema: false });
  return ajv;
};

/** Compiles a schema when it is needed for the first time: most are not in the life of an agent. */
const checker = <Params>(schema: SchemaObject): ((params: unknown) => Params) => {
  let compiled: ValidateFunction<Params> | undefined;
  return (params) => {
    compiled ??= compiler().compile<Params>(schema);
    if (compiled(params)) return params;
    const message = `these parameters are not valid: ${compiler().errorsText(compiled.errors, { dataVar: 'params' })}`;
    throw new ResponseError(ErrorCodes.InvalidParams, message, problemOf(new CarpError('CARP_CONFIG', message)));
  };
};

/** Turn what came over the wire into typed parameters. @throws ResponseError InvalidParams */
export const handOverParams = checker<HandOverParams>(handOver);
export const maintenanceParams = checker<MaintenanceParams>(maintenance);
export const advskewParams = checker<AdvskewParams>(advskew);
export const watchParams = checker<WatchParams>(watch);
export const simulateParams = checker<SimulateParams>(simulate);

const named =
  <Params extends { readonly reason: string }>(check: (params: unknown) => Params) =>
  (params: unknown): Params => {
    const checked = check(params);
    refuseReserved(checked.reason);
    return checked;
  };

/** As above; also @throws CarpError CARP_CONFIG for a reason that belongs to the agent */
export const demoteParams = named(checker<DemoteParams>(demote));
export const restoreParams = named(checker<RestoreParams>(restore));

export const configureParams = checker<Omit<ConfigureParams, 'hosts'> & { readonly hosts: readonly object[] }>(
  configure,
);
