/** Whether a message says that all is well. */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { oneOf, textIn } from './fields.ts';

export interface HealthRuleDef {
  /** The property of a message that tells. */
  readonly property?: string;
  /** truthy, or equals `value`. */
  readonly rule?: string;
  readonly value?: string;
  readonly valueType?: string;
}

/** Words that mean bad although they are text: what MQTT and Home Assistant deliver. */
const BAD_WORDS = ['', '0', 'false', 'off', 'no', 'bad', 'down', 'offline', 'unhealthy', 'fail', 'failed', 'error'];

/** What a message says. @throws (rejects) Error when the value that it is compared with cannot be had */
export const isGood = async (RED: NodeAPI, node: Node, def: HealthRuleDef, msg: NodeMessage): Promise<boolean> => {
  const told: unknown = RED.util.getMessageProperty(msg, textIn(def.property) || 'payload');
  if (oneOf(['truthy', 'equals'], def.rule, 'truthy') === 'equals')
    return sameValue(told, await wantedValue(RED, node, def, msg));
  const text = Buffer.isBuffer(told) ? told.toString('utf8') : told;
  return typeof text === 'string' ? !BAD_WORDS.includes(text.trim().toLowerCase()) : Boolean(text);
};

const VALUE_TYPES = ['str', 'num', 'bool', 'env', 'flow', 'global'] as const;

const wantedValue = (RED: NodeAPI, node: Node, def: HealthRuleDef, msg: NodeMessage): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const type = oneOf(VALUE_TYPES, def.valueType, 'str');
    RED.util.evaluateNodeProperty(def.value ?? 'ok', type, node, msg, (error: Error | null, value: unknown) => {
      if (error === null || error === undefined) resolve(value);
      else reject(error);
    });
  });

/** `1` and `"1"` are the same: what comes over MQTT is text. */
const sameValue = (told: unknown, wanted: unknown): boolean =>
  (typeof told !== 'object' || Buffer.isBuffer(told)) && told !== undefined && String(told) === String(wanted);
