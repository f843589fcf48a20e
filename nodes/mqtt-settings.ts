/** From what a carp-mqtt stores to the connection that an agent makes. */
import type { NodeDef } from 'node-red';
import { configFailure, parseConfig } from '../src/config/parse.ts';
import type { MqttConfig } from '../src/config/types.ts';
import { type Problem, problemOf } from '../src/ports/error.ts';
import { brokerConnection, type CoreNodes, secret, tlsConnection } from './core-broker.ts';
import { isUnset, listOf, notSet, number, present, text, unsetIn } from './stored-values.ts';

/** A carp-mqtt as it is stored. Anything may be text, because `${VARIABLES}` are; older flows have `url` and `base` alone. */
export interface MqttDef extends NodeDef {
  /** `broker`: as an mqtt-broker node of this Node-RED connects. `own`, or missing: by the fields here. */
  readonly connection?: 'broker' | 'own';
  /** Id of the mqtt-broker. */
  readonly broker?: string;
  /** One on each line; of several, the first that answers. */
  readonly url: string;
  readonly version?: string;
  /** Id of a tls-config. */
  readonly tls?: string;
  readonly base: string;
  readonly homeAssistant?: boolean;
  readonly homeAssistantPrefix?: string;
  /** Commands that are obeyed. */
  readonly commands?: readonly string[];
  readonly alarms?: boolean;
  /** Group id of Sparkplug; empty: no Sparkplug. */
  readonly sparkplug?: string;
  /** These three: seconds. */
  readonly keepalive?: number | string;
  readonly refresh?: number | string;
  readonly expiry?: number | string;
}

export interface MqttCredentials {
  readonly username?: string;
  readonly password?: string;
}

export const DEFAULT_MQTT_URL = 'mqtt://127.0.0.1:1883';
export const DEFAULT_BASE = 'carp';

/** What a carp-mqtt node asks for. */
export interface MqttWish {
  /** First level or levels of all topics. */
  readonly base: string;
  /** Missing: nothing is published, and `problem` says why. */
  readonly settings?: MqttConfig;
  readonly problem?: Problem;
}

export interface MqttSources {
  readonly def: MqttDef;
  readonly credentials: MqttCredentials | undefined;
  readonly nodes: CoreNodes;
  /** The value of a variable, as Node-RED has it for this node. Node-RED itself replaces whole fields only. */
  readonly variable: (name: string) => unknown;
}

/**
 * Reads a carp-mqtt. Never throws: what is wrong costs the connection, and nothing else, because no election depends on
 * a broker.
 */
export const mqttWish = (sources: MqttSources): MqttWish => {
  const { def } = sources;
  const base = isUnset(def.base) ? DEFAULT_BASE : (text(def.base) ?? DEFAULT_BASE);
  const { name: _name, url: _url, broker: _broker, tls: _tls, ...shared } = def;
  const unset = unsetIn(Object.values(shared));
  if (unset.length > 0) return { base, problem: notSet('this carp-mqtt node', unset) };
  const connection = def.connection === 'broker' ? brokerConnection(sources.nodes, text(def.broker)) : own(sources);
  if ('problem' in connection) return { base, problem: connection.problem };
  return { base, ...checked({ ...connection.value, base, ...said(def) }) };
};

/** The connection that the fields of the node itself describe. */
const own = ({ def, credentials, nodes, variable }: MqttSources) => {
  const { username, password } = credentials ?? {};
  const urls = listOf(def.url).map((url) => (isUnset(url) ? (text(variable(url.slice(2, -1))) ?? url) : url));
  // A variable that is not set is no mistake where it is all that there is: the broker on this host is meant.
  const unset = unsetIn([...(urls.length > 1 ? urls : []), username, password]);
  if (unset.length > 0) return { problem: notSet('this carp-mqtt node', unset) };
  const tls = tlsConnection(nodes, text(def.tls));
  if ('problem' in tls) return tls;
  const [only = DEFAULT_MQTT_URL] = urls;
  return {
    value: {
      url: urls.length > 1 ? urls : isUnset(only) ? DEFAULT_MQTT_URL : only,
      ...present('version', text(def.version)),
      ...present('username', text(username)),
      ...present('password', secret(password)),
      ...present('tls', tls.value),
    },
  };
};

/** What is the same with any broker. Missing settings get the defaults of the configuration file. */
const said = (def: MqttDef) => {
  const commands = listOf(def.commands);
  const sparkplug = text(def.sparkplug);
  return {
    ...present('keepalive', number(def.keepalive)),
    ...present('refresh', number(def.refresh)),
    ...present('expiry', number(def.expiry)),
    homeAssistant: isTrue(def.homeAssistant),
    ...present('homeAssistantPrefix', text(def.homeAssistantPrefix)),
    commands: commands.length === 0 ? false : commands,
    alarms: def.alarms === undefined || isTrue(def.alarms),
    ...(sparkplug === undefined ? {} : { sparkplug: { group: sparkplug } }),
  };
};

const isTrue = (value: unknown): boolean => value === true || value === 'true';

/** A host that needs nothing, around the settings that are to be checked. */
const around = (mqtt: object): object => ({
  node: 'carp',
  mqtt,
  groups: [{ name: 'carp', interface: 'lo', vhid: 1, transport: 'memory' }],
});

/** The check of the configuration file, whose rules are the same. */
const checked = (mqtt: object): { readonly settings: MqttConfig } | { readonly problem: Problem } => {
  const parsed = parseConfig(around(mqtt));
  if (parsed.ok && parsed.config.mqtt !== undefined) return { settings: parsed.config.mqtt };
  // Nobody who looks at a form knows of a file with a key `mqtt`.
  const bare = (words: string): string => words.replace(/\bmqtt\./g, '');
  const errors = (parsed.ok ? [] : parsed.errors).map((one) => ({
    ...one,
    path: one.path === 'mqtt' ? '' : bare(one.path),
    message: bare(one.message),
  }));
  return { problem: problemOf(configFailure(errors, 'this connection to a broker')) };
};
