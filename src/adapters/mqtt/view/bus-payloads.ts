/**
 * Reads what others say on the bus. Anybody who may publish there may say anything: what does not fit is no payload at
 * all, and keys that this version does not know are left out, as a later one may bring them.
 */
import { Ajv2020, type SchemaObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { CarpEvent, PublicRole } from '../../../engine/status.ts';
import { MODES, type Mode } from '../part.ts';
import type { Alarm, AlarmReport, MasterClaim, NodeInfo, PeerReport } from '../payloads.ts';

export const NODE_STATUSES = ['online', 'offline'] as const;
export type NodeStatus = (typeof NODE_STATUSES)[number];

export const VIP_STATES = ['held', 'absent'] as const;
export type VipState = (typeof VIP_STATES)[number];

/** A state of a host whose version may know more reasons than this one. */
export interface HeardState extends Omit<CarpEvent, 'reason'> {
  readonly reason: string;
}

export interface HeardAlarm extends Omit<Alarm, 'code'> {
  readonly code: string;
}

/** The same, with alarms. */
export interface HeardAlarmReport extends Omit<AlarmReport, 'alarms'> {
  readonly alarms: readonly HeardAlarm[];
}

/** Counters of a member: read by programs, so any object. */
export type HeardStats = Readonly<Record<string, unknown>>;

/** The payload, or undefined if it is none. */
export type Read<T> = (payload: Uint8Array) => T | undefined;

/** Longer plain text is nothing that an agent says. */
const PLAIN_LENGTH_MAX = 32;
const PUBLIC_ROLES: readonly PublicRole[] = ['INIT', 'BACKUP', 'MASTER', 'STOPPED'];

const utf8 = new TextDecoder('utf-8', { fatal: true });

const textOf = (payload: Uint8Array): string | undefined => {
  try {
    return utf8.decode(payload);
  } catch {
    return undefined;
  }
};

/** One of these words, alone. */
const word =
  <const Word extends string>(words: readonly Word[]): Read<Word> =>
  (payload) => {
    if (payload.length > PLAIN_LENGTH_MAX) return undefined;
    const text = textOf(payload);
    return words.find((each) => each === text);
  };

/** Loaded keys are removed, not refused. The schemas are checked by their tests. */
const ajv = new Ajv2020({ removeAdditional: true, strict: true, validateSchema: false });
ajv.addFormat('time', { type: 'string', validate: (text: string) => !Number.isNaN(Date.parse(text)) });

/** JSON of this shape. The validator is made at first use: most programs read no more than a few. */
const json = <T>(schema: SchemaObject): Read<T> => {
  let isValid: ValidateFunction<T> | undefined;
  return (payload) => {
    const text = textOf(payload);
    if (text === undefined) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return undefined;
    }
    isValid ??= ajv.compile<T>(schema);
    return isValid(value) ? value : undefined;
  };
};

const name = { type: 'string', minLength: 1, maxLength: 255 } as const;
const text = { type: 'string', maxLength: 2048 } as const;
const address = { type: 'string', minLength: 2, maxLength: 64, pattern: '^[0-9A-Za-z.:%/_-]+$' } as const;
const time = { type: 'string', maxLength: 32, pattern: '^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$', format: 'time' } as const;
const count = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;
const vhid = { type: 'integer', minimum: 0, maximum: 255 } as const;
const byte = { type: 'integer', minimum: 0, maximum: 255 } as const;
const role = { type: 'string', enum: PUBLIC_ROLES } as const;

const listOf = (items: SchemaObject, maxItems: number): SchemaObject => ({ type: 'array', items, maxItems });

/** @param properties - all of them required, except `optional` */
const object = (properties: Record<string, SchemaObject>, optional: readonly string[] = []): SchemaObject => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((key) => !optional.includes(key)),
  additionalProperties: false,
});

export const readStatus: Read<NodeStatus> = word(NODE_STATUSES);
export const readRole: Read<PublicRole> = word(PUBLIC_ROLES);
export const readMode: Read<Mode> = word(MODES);
export const readVip: Read<VipState> = word(VIP_STATES);

/** 0..255: one that says farewell may tell 255. */
export const readAdvskew: Read<number> = (payload) => {
  const digits = payload.length > 3 ? '' : (textOf(payload) ?? '');
  return /^\d{1,3}$/.test(digits) && Number(digits) <= 255 ? Number(digits) : undefined;
};

export const readInfo: Read<NodeInfo> = json(
  object(
    {
      node: name,
      instance: name,
      startedAt: time,
      at: time,
      version: name,
      hostname: name,
      commands: listOf(name, 32),
      alarms: { type: 'boolean', const: false },
      groups: listOf(
        object({ group: name, vhid, interface: name, sync: name, advbase: byte, deadratio: byte, fingerprint: name }, [
          'sync',
        ]),
        1024,
      ),
    },
    ['alarms'],
  ),
);

export const readState: Read<HeardState> = json(
  object(
    {
      event: { type: 'string', enum: ['transition', 'snapshot'] },
      group: name,
      interface: name,
      vhid,
      node: name,
      role,
      previous: role,
      reason: name,
      detail: text,
      at: time,
      seq: count,
      master: object({ address, self: { type: 'boolean' } }),
      advbase: byte,
      advskew: byte,
      configuredAdvskew: byte,
      demotion: count,
      addresses: listOf(address, 256),
      devd: text,
    },
    ['master', 'configuredAdvskew', 'devd'],
  ),
);

export const readMaster: Read<MasterClaim> = json(
  // Simulated and half-started hosts have no address.
  object({
    node: name,
    address: { type: 'string', maxLength: 64, pattern: '^[0-9A-Za-z.:%/_-]*$' },
    vhid,
    since: time,
    at: time,
    seq: count,
  }),
);

export const readPeer: Read<PeerReport> = json(
  object(
    {
      address,
      state: { type: 'string', enum: ['advertising', 'silent'] },
      rival: { type: 'boolean', const: true },
      advbase: byte,
      advskew: byte,
      demotion: count,
      firstHeard: time,
      lastHeard: time,
      at: time,
    },
    ['rival'],
  ),
);

export const readAlarm: Read<HeardAlarmReport> = json(
  object({
    active: { type: 'boolean' },
    alarms: listOf(object({ code: name, text, nodes: listOf(name, 64), since: time }), 64),
    group: name,
    by: name,
    at: time,
  }),
);

export const readStats: Read<HeardStats> = json({ type: 'object', maxProperties: 64 });
