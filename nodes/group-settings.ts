/** From what the editor stores to what an agent runs. */
import { hostname } from 'node:os';
import type { NodeDef } from 'node-red';
import { DEFAULT_SOCKET } from '../src/config/default-socket.ts';
import { configFailure, parseConfig } from '../src/config/parse.ts';
import type { HostConfig } from '../src/config/types.ts';
import { type Problem, problemOf } from '../src/ports/error.ts';

/** A carp-group as it is stored. Anything may be text, because `${VARIABLES}` are. */
export interface GroupDef extends NodeDef {
  /** The group's name in topics and messages; `name` is only the editor's label. */
  readonly group: string;
  readonly host: string;
  readonly mode: 'run' | 'service' | 'simulate';
  readonly socket: string;
  readonly interface: string;
  readonly vhid: number | string;
  readonly addresses: readonly string[];
  readonly source: string;
  readonly advbase: number | string;
  readonly advskew: number | string;
  readonly deadratio: number | string;
  readonly preempt: boolean;
  readonly preemptDelay: number | string;
  readonly addressing: string;
  readonly peers?: readonly string[];
  readonly sync?: string;
  readonly compatibility?: string;
  readonly checkTtl?: string;
  readonly replay?: string;
  /** Of mode `run`: auto, koffi or raw-socket. */
  readonly transport?: string;
  /** Seconds; 0 = never. */
  readonly announceRefresh?: number | string;
  readonly mqtt: string;
  readonly agentExecPath: string;
}

export interface MqttDef extends NodeDef {
  readonly url: string;
  readonly base: string;
}

export interface MqttCredentials {
  readonly username?: string;
  readonly password?: string;
}

export const DEFAULT_MQTT_URL = 'mqtt://127.0.0.1:1883';
export const DEFAULT_BASE = 'carp';

interface Named {
  /** Id of the carp-group node. */
  readonly id: string;
  readonly node: string;
  readonly group: string;
  /** What the editor calls it. */
  readonly label: string;
  /** First level of the topics of its messages. */
  readonly base: string;
}

/** What a carp-group node wants to run. */
export type Wanted =
  /** In the agent of this Node-RED: a host with this one group. */
  | (Named & { readonly type: 'own'; readonly config: HostConfig; readonly execPath?: string })
  /** Nothing: the group is run by a system service. */
  | (Named & { readonly type: 'service'; readonly socket: string })
  /** Its settings are wrong. */
  | (Named & { readonly type: 'refused'; readonly problem: Problem });

export interface GroupSources {
  readonly def: GroupDef;
  readonly passphrase: string | undefined;
  readonly mqtt: (MqttDef & { readonly credentials: MqttCredentials | undefined }) | undefined;
  /** Folder of leases and memory. */
  readonly state: string;
}

/** Reads a carp-group. Never throws: wrong settings are a `refused`, with all that is wrong in one message. */
export const wantedBy = ({ def, passphrase, mqtt, state }: GroupSources): Wanted => {
  const named: Named = {
    id: def.id,
    node: text(def.host) ?? hostname(),
    group: text(def.group) ?? '',
    label: labelOf(def),
    base: text(mqtt?.base) ?? DEFAULT_BASE,
  };
  const unset = unsetIn([...Object.values(def), passphrase, mqtt?.base, ...Object.values(mqtt?.credentials ?? {})]);
  if (unset.length > 0) return { ...named, type: 'refused', problem: notSet(unset) };
  if (def.mode === 'service') return { ...named, type: 'service', socket: text(def.socket) ?? DEFAULT_SOCKET };
  const checked = checkedHost({
    node: named.node,
    state,
    ...(mqtt === undefined ? {} : { mqtt: mqttOf(mqtt, named.base) }),
    groups: [groupOf(def, named.group, passphrase)],
  });
  if ('problem' in checked) return { ...named, type: 'refused', ...checked };
  return { ...named, type: 'own', ...checked, ...present('execPath', text(def.agentExecPath)) };
};

/** As the editor shows it. */
const labelOf = ({ name, group, host }: GroupDef): string =>
  text(name) ??
  [group, host]
    .map(text)
    .filter((part) => part !== undefined)
    .join(' · ');

/** The check of the configuration file, whose rules are the same. */
export const checkedHost = (host: object): { readonly config: HostConfig } | { readonly problem: Problem } => {
  const parsed = parseConfig(host);
  if (parsed.ok) return { config: parsed.config };
  // Nobody who looks at a form knows of lists of groups.
  const errors = parsed.errors.map((error) => ({ ...error, path: error.path.replace(/^groups\[\d+\]\.?/, '') }));
  return { problem: problemOf(configFailure(errors, 'this group')) };
};

/** Node-RED leaves a variable that is not set as it is written; it must become neither a name nor a passphrase. */
const isUnset = (value: unknown): value is string => typeof value === 'string' && /^\$(?:\{\S+\}|\(\S+\))$/.test(value);

const unsetIn = (values: readonly unknown[]): readonly string[] =>
  values
    .flat()
    .filter(isUnset)
    .map((written) => written.slice(2, -1));

const notSet = (names: readonly string[]): Problem => ({
  code: 'CARP_CONFIG',
  message: `this group uses ${names.join(', ')}, and there is no such environment variable`,
  remedy: 'set it for Node-RED, in the environment of its service or in "Environment variables" of the tab or flow',
});

const mqttOf = (mqtt: NonNullable<GroupSources['mqtt']>, base: string) => ({
  url: isUnset(mqtt.url) ? DEFAULT_MQTT_URL : (text(mqtt.url) ?? DEFAULT_MQTT_URL),
  base,
  ...present('username', text(mqtt.credentials?.username)),
  ...present('password', text(mqtt.credentials?.password)),
});

const groupOf = (def: GroupDef, name: string, passphrase: string | undefined) => ({
  name,
  interface: text(def.interface) ?? '',
  vhid: Number(def.vhid),
  ...present('pass', passphrase === '' ? undefined : passphrase),
  addresses: listOf(def.addresses),
  peers: listOf(def.peers),
  ...present('source', sourcesOf(text(def.source))),
  ...present('advbase', number(def.advbase)),
  ...present('advskew', number(def.advskew)),
  ...present('deadratio', number(def.deadratio)),
  preempt: def.preempt === true || String(def.preempt) === 'true',
  ...present('preemptDelay', number(def.preemptDelay)),
  ...present('addressing', text(def.addressing)),
  ...present('sync', text(def.sync)),
  ...present('compatibility', text(def.compatibility)),
  ...present('checkTtl', text(def.checkTtl)),
  ...present('replay', text(def.replay)),
  ...present('announceRefresh', number(def.announceRefresh)),
  ...present('transport', def.mode === 'simulate' ? 'memory' : text(def.transport)),
});

/** Entries of a list; one of them may hold several, as an environment variable does: `192.0.2.11, 192.0.2.12`. */
const listOf = (entries: unknown): readonly string[] =>
  (Array.isArray(entries) ? entries : [entries])
    .flatMap((entry) => (text(entry) ?? '').split(/[\s,]+/))
    .filter((entry) => entry !== '');

/** `192.0.2.1` or, one for each family, `192.0.2.1, fe80::1`. */
const sourcesOf = (source: string | undefined): string | readonly string[] | undefined => {
  const list = source?.split(/[\s,]+/) ?? [];
  return list.length > 1 ? list : list[0];
};

/** Trimmed; empty (as an environment variable that is not set becomes) counts as missing. */
const text = (value: unknown): string | undefined => {
  const trimmed = typeof value === 'string' ? value.trim() : value === undefined || value === null ? '' : String(value);
  return trimmed === '' ? undefined : trimmed;
};

/** What is no number stays as it is, so that the check names it. */
const number = (value: unknown): unknown => {
  const written = text(value);
  return written === undefined || Number.isNaN(Number(written)) ? written : Number(written);
};

const present = <K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
