/** What a command says: its topic and its payload, checked. */
import { Ajv2020, type SchemaObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { MODES, type Mode } from '../../../engine/mode.ts';
import type { MqttCommand } from '../settings.ts';
import { nameOf, type TopicScope, topicLevel, topicPath } from '../topics.ts';

/** Of a payload, in bytes: more than any command has to say. */
export const PAYLOAD_BYTES_MAX = 4096;
/** Of a topic, in characters: whatever is longer names none of our groups. */
export const TOPIC_LENGTH_MAX = 1024;
const ID_LENGTH_MAX = 64;
const LEAF_LENGTH_MAX = 64;
/** 255 is that of a farewell. */
const ADVSKEW_MAX = 254;

/** What a topic is about. */
export interface Aim {
  /** As the topic has it, up to the node: what is answered stands below it. */
  readonly path: string;
  readonly group: string;
  /** The group is spelled as in our own topics; there are others that decode to the same name. */
  readonly canonical: boolean;
  /** The end of the topic, for people. */
  readonly leaf: string;
  /** Missing: there is no such command. */
  readonly command?: MqttCommand;
}

const COMMAND_OF: Readonly<Record<string, MqttCommand>> = {
  'mode/set': 'mode',
  'advskew/set': 'advskew',
  'cmd/hand-over': 'hand-over',
  'cmd/handover': 'hand-over',
  'cmd/resync': 'resync',
  'cmd/query': 'query',
};

/** The topics of all commands to a host: of groups that it has, and of others, which are refused with the reason. */
export const commandFilters = ({ base, node }: TopicScope): readonly string[] =>
  ['mode/set', 'advskew/set', 'cmd/+'].map((leaf) => `${topicPath(base)}/+/node/${topicLevel(node)}/${leaf}`);

/** Reads the topic of a command; undefined for any other, such as that of an answer. */
export const aimOf = ({ base, node }: TopicScope, topic: string): Aim | undefined => {
  const path = `${topicPath(base)}/`;
  if (!topic.startsWith(path)) return undefined;
  const [group = '', fixed, host, one = '', two = '', ...more] = topic.slice(path.length).split('/');
  if (fixed !== 'node' || host !== topicLevel(node) || more.length > 0) return undefined;
  const leaf = `${one}/${two}`;
  if (leaf === 'cmd/result' || (one !== 'cmd' && !Object.hasOwn(COMMAND_OF, leaf))) return undefined;
  const command = Object.hasOwn(COMMAND_OF, leaf) ? COMMAND_OF[leaf] : undefined;
  const name = nameOf(group);
  const canonical = name !== undefined && topicLevel(name) === group;
  return {
    path: `${path}${group}/node/${host}`,
    group: canonical ? name : group,
    canonical,
    leaf: leaf.slice(0, LEAF_LENGTH_MAX),
    ...(command === undefined ? {} : { command }),
  };
};

/** A command that can be obeyed. */
export type Order =
  | { readonly command: 'mode'; readonly mode: Mode }
  /** `undefined`: that of the configuration. */
  | { readonly command: 'advskew'; readonly advskew: number | undefined }
  | { readonly command: 'hand-over'; readonly force: boolean }
  | { readonly command: 'resync' }
  | { readonly command: 'query' };

/** By which the sender knows the answer again. */
export type CommandId = string | number;

export type Reading =
  | { readonly ok: true; readonly order: Order; readonly id?: CommandId }
  | { readonly ok: false; readonly why: string; readonly id?: CommandId };

interface Said {
  readonly id?: CommandId;
  readonly mode?: Mode;
  readonly advskew?: number | 'default';
  readonly force?: boolean;
}

const ID = { type: ['string', 'integer'], maxLength: ID_LENGTH_MAX } as const;

const schemaOf = (properties: SchemaObject, required: readonly string[] = []): SchemaObject => ({
  type: 'object',
  properties: { id: ID, ...properties },
  required,
  additionalProperties: false,
});

interface Grammar {
  readonly schema: SchemaObject;
  /** What a payload that is no JSON object says. */
  readonly plain: (text: string) => object | undefined;
  /** For people: what the payload may be. */
  readonly expected: string;
}

/** What Home Assistant's buttons send. */
const pressed = (text: string): object | undefined => (text === '' || text === 'PRESS' ? {} : undefined);

const GRAMMARS: Readonly<Record<MqttCommand, Grammar>> = {
  mode: {
    schema: schemaOf({ mode: { enum: MODES } }, ['mode']),
    plain: (mode) => ({ mode }),
    expected: `${MODES.join(', ')}, or {"mode": …, "id": …}`,
  },
  advskew: {
    schema: schemaOf(
      { advskew: { anyOf: [{ type: 'integer', minimum: 0, maximum: ADVSKEW_MAX }, { const: 'default' }] } },
      ['advskew'],
    ),
    plain: (text) => ({ advskew: /^\d{1,3}$/.test(text) ? Number(text) : text }),
    expected: `0 to ${ADVSKEW_MAX}, default, or {"advskew": …, "id": …}`,
  },
  'hand-over': {
    schema: schemaOf({ force: { type: 'boolean' } }),
    plain: pressed,
    expected: 'nothing, PRESS, or {"force": true or false, "id": …}',
  },
  resync: { schema: schemaOf({}), plain: pressed, expected: 'nothing, PRESS, or {"id": …}' },
  query: { schema: schemaOf({}), plain: pressed, expected: 'nothing, PRESS, or {"id": …}' },
};

// Checking these schemas themselves would take longer than compiling them.
const ajv = new Ajv2020({ allErrors: false, validateSchema: false, allowUnionTypes: true });
const compiled = new Map<MqttCommand, ValidateFunction<Said>>();

const validatorOf = (command: MqttCommand): ValidateFunction<Said> => {
  const known = compiled.get(command);
  if (known !== undefined) return known;
  const made = ajv.compile<Said>(GRAMMARS[command].schema);
  compiled.set(command, made);
  return made;
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Turns a payload of at most `PAYLOAD_BYTES_MAX` into an order. Never throws, and never repeats what it was given. */
export const readOrder = (command: MqttCommand, payload: Uint8Array): Reading => {
  const { plain, expected } = GRAMMARS[command];
  let text: string;
  try {
    text = utf8.decode(payload).trim();
  } catch {
    return { ok: false, why: `the payload is no UTF-8; it may be ${expected}` };
  }
  let value: unknown;
  if (text.startsWith('{')) {
    try {
      value = JSON.parse(text);
    } catch {
      return { ok: false, why: `the payload begins like JSON, and is none; it may be ${expected}` };
    }
  } else value = plain(text);
  const check = validatorOf(command);
  if (check(value)) return { ok: true, order: orderOf(command, value), ...idOf(value) };
  const [error] = check.errors ?? [];
  const where = value === undefined || error === undefined ? '' : ` (${ajv.errorsText([error], { dataVar: 'it' })})`;
  return { ok: false, why: `the payload is not understood${where}; it may be ${expected}`, ...idOf(value) };
};

const orderOf = (command: MqttCommand, { mode = 'normal', advskew, force = false }: Said): Order => {
  switch (command) {
    case 'mode':
      return { command, mode };
    case 'advskew':
      return { command, advskew: advskew === 'default' ? undefined : advskew };
    case 'hand-over':
      return { command, force };
    case 'resync':
    case 'query':
      return { command };
  }
};

/** Also of what is refused: its sender waits for an answer that he knows again. */
const idOf = (value: unknown): { readonly id?: CommandId } => {
  if (typeof value !== 'object' || value === null || !('id' in value)) return {};
  const { id } = value;
  return Number.isInteger(id) || (typeof id === 'string' && id.length <= ID_LENGTH_MAX) ? { id: id as CommandId } : {};
};
