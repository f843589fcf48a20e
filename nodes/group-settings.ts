/** From what the editor stores to what an agent runs. */
import { hostname } from 'node:os';
import type { NodeDef } from 'node-red';
import { DEFAULT_SOCKET } from '../src/config/default-socket.ts';
import { configFailure, parseConfig } from '../src/config/parse.ts';
import type { HostConfig } from '../src/config/types.ts';
import { type Problem, problemOf } from '../src/ports/error.ts';
import { DEFAULT_BASE, type MqttWish } from './mqtt-settings.ts';
import { listOf, notSet, number, present, text, unsetIn } from './stored-values.ts';

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

interface Named {
  /** Id of the carp-group node. */
  readonly id: string;
  readonly node: string;
  readonly group: string;
  /** What the editor calls it. */
  readonly label: string;
  /** First level of the topics of its messages. */
  readonly base: string;
  /** Why nothing is published. The group runs all the same. */
  readonly mqttProblem?: Problem;
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
  /** Of the carp-mqtt node that it has chosen. */
  readonly mqtt: MqttWish | undefined;
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
    base: mqtt?.base ?? DEFAULT_BASE,
    ...present('mqttProblem', mqtt?.problem),
  };
  const unset = unsetIn([...Object.values(def), passphrase]);
  if (unset.length > 0) return { ...named, type: 'refused', problem: notSet('this group', unset) };
  if (def.mode === 'service') return { ...named, type: 'service', socket: text(def.socket) ?? DEFAULT_SOCKET };
  const checked = checkedHost({
    node: named.node,
    state,
    ...present('mqtt', mqtt?.settings),
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

/** `192.0.2.1` or, one for each family, `192.0.2.1, fe80::1`. */
const sourcesOf = (source: string | undefined): string | readonly string[] | undefined => {
  const list = source?.split(/[\s,]+/) ?? [];
  return list.length > 1 ? list : list[0];
};
