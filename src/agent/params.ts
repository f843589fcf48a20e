import { Ajv, type SchemaObject, type ValidateFunction } from 'ajv';
import { ErrorCodes, ResponseError } from 'vscode-jsonrpc/node';
import { CarpError, problemOf } from '../ports/error.ts';
import type { ConfigureParams, HandOverParams, SimulateParams } from './rpc.ts';

const NAME = { type: 'string', minLength: 1, maxLength: 255 } as const;

const handOver: SchemaObject = {
  type: 'object',
  properties: { node: NAME, group: NAME, force: { type: 'boolean' } },
  required: ['node', 'group'],
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
export const simulateParams = checker<SimulateParams>(ajv.compile(simulate));
export const configureParams = checker<Omit<ConfigureParams, 'hosts'> & { readonly hosts: readonly object[] }>(
  ajv.compile(configure),
);
