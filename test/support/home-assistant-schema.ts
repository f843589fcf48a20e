/**
 * What Home Assistant takes as a device discovery payload, in its abbreviated words, written from its documentation
 * (integrations/mqtt "Device discovery payload" and "Supported abbreviations", and the page of each platform). Home
 * Assistant ignores what it does not know; here it is an error.
 */
import { Ajv } from 'ajv';

const text = { type: 'string', minLength: 1 } as const;
const template = { type: 'string', pattern: '^\\{\\{ .+ \\}\\}$' } as const;
const subscribed = { type: 'string', minLength: 1, maxLength: 65_535, pattern: '^[^\\u0000]+$' } as const;
/** Nobody publishes to wildcards. What is subscribed to here is one topic as well. */
const topic = { ...subscribed, pattern: '^[^+#\\u0000]+$' } as const;
const texts = { type: 'array', items: text, minItems: 1, uniqueItems: true } as const;
const qos = { enum: [0, 1, 2] } as const;
const stateClass = { enum: ['measurement', 'total', 'total_increasing', 'measurement_angle'] } as const;

const availability = {
  avty: {
    type: 'array',
    minItems: 1,
    items: {
      type: 'object',
      additionalProperties: false,
      required: ['t'],
      properties: { t: topic, pl_avail: text, pl_not_avail: text, val_tpl: template },
    },
  },
  avty_mode: { enum: ['all', 'any', 'latest'] },
} as const;

/** An entity id: no underscore at an end, no two in a row. */
const entityId = (platform: string) =>
  ({ type: 'string', pattern: `^${platform}\\.(?!_)(?!.*__)[a-z0-9_]+(?<!_)$`, maxLength: 255 }) as const;

/** Of an entity that only shows something, `config` is refused. */
const entity = (platform: string, own: { readonly [name: string]: unknown }, required: readonly string[]) => {
  const canBeSet = ['select', 'number', 'button'].includes(platform);
  return {
    type: 'object',
    additionalProperties: false,
    required: ['p', 'uniq_id', ...required],
    properties: {
      p: { const: platform },
      uniq_id: { type: 'string', pattern: '^[A-Za-z0-9_-]+$', maxLength: 255 },
      default_entity_id: entityId(platform),
      name: text,
      ent_cat: { enum: canBeSet ? ['config', 'diagnostic'] : ['diagnostic'] },
      ic: { type: 'string', pattern: '^mdi:' },
      en: { type: 'boolean' },
      json_attr_t: topic,
      json_attr_tpl: template,
      qos,
      e: text,
      ...availability,
      ...own,
    },
  };
};

const BINARY_CLASSES = ['connectivity', 'problem', 'running', 'safety', 'update'];

const PLATFORMS = {
  binary_sensor: entity(
    'binary_sensor',
    {
      stat_t: topic,
      val_tpl: template,
      dev_cla: { enum: BINARY_CLASSES },
      pl_on: text,
      pl_off: text,
      exp_aft: { type: 'integer', minimum: 1 },
      off_dly: { type: 'integer', minimum: 1 },
      frc_upd: { type: 'boolean' },
    },
    ['stat_t'],
  ),
  sensor: {
    ...entity(
      'sensor',
      {
        stat_t: topic,
        val_tpl: template,
        dev_cla: { enum: ['enum', 'duration', 'timestamp'] },
        ops: texts,
        unit_of_meas: text,
        stat_cla: stateClass,
        exp_aft: { type: 'integer', minimum: 1 },
        frc_upd: { type: 'boolean' },
        sug_dsp_prc: { type: 'integer', minimum: 0 },
      },
      ['stat_t'],
    ),
    // Options are for the class `enum` alone, and that one is not measured.
    if: { anyOf: [{ required: ['ops'] }, { properties: { dev_cla: { const: 'enum' } }, required: ['dev_cla'] }] },
    // biome-ignore lint/suspicious/noThenProperty: this is JSON Schema
    then: {
      required: ['ops', 'dev_cla'],
      properties: { dev_cla: { const: 'enum' }, unit_of_meas: false, stat_cla: false },
    },
    else: {
      if: { properties: { dev_cla: { const: 'duration' } }, required: ['dev_cla'] },
      // biome-ignore lint/suspicious/noThenProperty: this is JSON Schema
      then: { required: ['unit_of_meas'], properties: { unit_of_meas: { enum: ['d', 'h', 'min', 's', 'ms', 'µs'] } } },
    },
  },
  event: entity('event', { stat_t: topic, evt_typ: texts, val_tpl: template, dev_cla: { enum: ['button'] } }, [
    'stat_t',
    'evt_typ',
  ]),
  select: entity(
    'select',
    {
      stat_t: topic,
      cmd_t: topic,
      cmd_tpl: template,
      val_tpl: template,
      ops: texts,
      opt: { type: 'boolean' },
      ret: { const: false },
    },
    ['cmd_t', 'ops'],
  ),
  number: entity(
    'number',
    {
      stat_t: topic,
      cmd_t: topic,
      cmd_tpl: template,
      val_tpl: template,
      min: { type: 'number' },
      max: { type: 'number' },
      step: { type: 'number', exclusiveMinimum: 0 },
      mode: { enum: ['auto', 'box', 'slider'] },
      unit_of_meas: text,
      opt: { type: 'boolean' },
      ret: { const: false },
    },
    ['cmd_t'],
  ),
  button: entity('button', { cmd_t: topic, cmd_tpl: template, pl_prs: text, ret: { const: false } }, ['cmd_t']),
} as const;

/** An entity that is to go: its platform, and nothing else. */
const removal = {
  type: 'object',
  additionalProperties: false,
  required: ['p'],
  properties: { p: { enum: Object.keys(PLATFORMS) } },
} as const;

const device = {
  type: 'object',
  additionalProperties: false,
  required: ['ids'],
  properties: {
    ids: texts,
    cns: { type: 'array', items: { type: 'array', items: text, minItems: 2, maxItems: 2 } },
    name: text,
    mf: text,
    mdl: text,
    mdl_id: text,
    hw: text,
    sw: text,
    sn: text,
    sa: text,
    cu: { type: 'string', pattern: '^(https?|homeassistant)://' },
    via_device: text,
  },
} as const;

const origin = {
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  properties: { name: text, sw: text, url: { type: 'string', pattern: '^(https?|homeassistant)://' } },
} as const;

const discovery = {
  type: 'object',
  additionalProperties: false,
  required: ['dev', 'o', 'cmps'],
  properties: {
    dev: device,
    o: origin,
    cmps: {
      type: 'object',
      minProperties: 1,
      propertyNames: { pattern: '^[A-Za-z0-9_-]+$' },
      additionalProperties: { type: 'object', required: ['p'] },
    },
    stat_t: topic,
    cmd_t: topic,
    qos,
    e: text,
    ...availability,
  },
} as const;

const ajv = new Ajv({ allErrors: true, strict: false });
const checkDevice = ajv.compile(discovery);
const checkRemoval = ajv.compile(removal);
const checks = new Map(Object.entries(PLATFORMS).map(([platform, schema]) => [platform, ajv.compile(schema)]));

export interface Discovered {
  readonly dev: { readonly ids: readonly string[]; readonly name: string };
  readonly avty: readonly { readonly t: string }[];
  readonly avty_mode: string;
  readonly cmps: Readonly<Record<string, Entity>>;
}

export interface Entity {
  readonly p: string;
  readonly uniq_id?: string;
  readonly default_entity_id?: string;
  readonly stat_t?: string;
  readonly val_tpl?: string;
  readonly cmd_t?: string;
  readonly pl_prs?: string;
  readonly json_attr_t?: string;
  readonly json_attr_tpl?: string;
  readonly evt_typ?: readonly string[];
  readonly ops?: readonly string[];
}

/** What Home Assistant would not take, one line for each mistake. */
export const discoveryMistakes = (payload: unknown): readonly string[] => {
  const mistakes: string[] = [];
  if (!checkDevice(payload)) mistakes.push(ajv.errorsText(checkDevice.errors));
  const { cmps = {} } = payload as Partial<Discovered>;
  for (const [key, component] of Object.entries(cmps)) {
    if (checkRemoval(component)) continue;
    const check = checks.get(component.p);
    if (check === undefined) mistakes.push(`${key}: no platform ${component.p}`);
    else if (!check(component)) mistakes.push(`${key}: ${ajv.errorsText(check.errors)}`);
  }
  return mistakes;
};

/** Where Home Assistant looks for discovery; what does not match is refused with a warning. */
export const DISCOVERY_TOPIC = /^(?:[^/+#]+\/)+device\/(?<id>[a-zA-Z0-9_-]+)\/config$/;

/**
 * The little of Jinja that is used, evaluated with one message. Throws at what is undefined, as Home Assistant complains
 * of it.
 */
export const rendered = (source: string | undefined, payload: string): string => {
  if (source === undefined) return payload;
  const [, expression = ''] = /^\{\{ (.+) \}\}$/.exec(source) ?? [];
  const choice = /^'(\w+)' if (.+) else '(\w+)'$/.exec(expression);
  if (choice !== null) {
    const [, yes = '', condition = '', no = ''] = choice;
    return isTrue(condition, payload) ? yes : no;
  }
  const picked = /^\{(.+)\} \| tojson$/.exec(expression);
  if (picked !== null) {
    const entries = (picked[1] ?? '').split(', ').map((entry) => {
      const [, name = '', path = ''] = /^'(\w+)': (.+)$/.exec(entry) ?? [];
      return [name, valueAt(path, payload)] as const;
    });
    return JSON.stringify(Object.fromEntries(entries));
  }
  const value = valueAt(expression, payload);
  return typeof value === 'string' ? value : JSON.stringify(value);
};

const isTrue = (condition: string, payload: string): boolean => {
  const [, wanted] = /^value == '(\w+)'$/.exec(condition) ?? [];
  return wanted === undefined ? Boolean(valueAt(condition, payload)) : payload === wanted;
};

const valueAt = (path: string, payload: string): unknown => {
  const [root, ...names] = path.split('.');
  if (root !== 'value_json' || names.length === 0) throw new Error(`cannot evaluate ${path}`);
  return names.reduce<unknown>((value, name) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      throw new Error(`${path} is undefined in ${payload}`);
    return (value as Readonly<Record<string, unknown>>)[name];
  }, JSON.parse(payload));
};
