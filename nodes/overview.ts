/** What may be shown of a carp-group: everything but its secrets. */
import type { GroupConfig } from '../src/config/types.ts';
import type { Problem } from '../src/ports/error.ts';
import type { GroupView } from './board.ts';
import type { Wanted } from './group-settings.ts';
import { present } from './stored-values.ts';

/** The settings of a group that are no secret. Of a system service none are known: ask for its status. */
export type GroupSummary = Pick<
  GroupConfig,
  | 'interface'
  | 'vhid'
  | 'addresses'
  | 'advbase'
  | 'advskew'
  | 'deadratio'
  | 'preempt'
  | 'peers'
  | 'sync'
  | 'addressing'
  | 'compatibility'
  | 'transport'
>;

/** One carp-group node, as the sidebar sees it. */
export interface GroupOverview {
  /** Id of the carp-group node. */
  readonly id: string;
  readonly label: string;
  readonly node: string;
  readonly group: string;
  /** `refused`: its settings are wrong; `view.problem` says how. */
  readonly runs: 'own' | 'service' | 'refused';
  /** Of a system service. */
  readonly socket?: string;
  readonly settings?: GroupSummary;
  /** The last event and the present problem. Empty while nothing is known. */
  readonly view: GroupView;
  /** Why nothing is published over MQTT, although it was wished. */
  readonly mqttProblem?: Problem;
}

/** @param mqttProblem - what is wrong beside the settings of the group itself */
export const overviewOf = (wanted: Wanted, view: GroupView, mqttProblem?: Problem): GroupOverview => {
  const { id, label, node, group, type } = wanted;
  const named = { id, label, node, group, runs: type, view };
  // A system service publishes what it has been told to, whatever is chosen here.
  const unpublished = wanted.type === 'own' ? (wanted.mqttProblem ?? mqttProblem) : undefined;
  return { ...detailsOf(wanted, named), ...present('mqttProblem', unpublished) };
};

const detailsOf = (wanted: Wanted, named: GroupOverview): GroupOverview => {
  switch (wanted.type) {
    case 'own': {
      const [config] = wanted.config.groups;
      return config === undefined ? named : { ...named, settings: summaryOf(config) };
    }
    case 'service':
      return { ...named, socket: wanted.socket };
    case 'refused':
      return named;
  }
};

/** Names what may be seen: a setting that is added later is not shown by accident. */
const summaryOf = (config: GroupConfig): GroupSummary => ({
  interface: config.interface,
  vhid: config.vhid,
  addresses: config.addresses,
  advbase: config.advbase,
  advskew: config.advskew,
  deadratio: config.deadratio,
  preempt: config.preempt,
  peers: config.peers,
  ...(config.sync === undefined ? {} : { sync: config.sync }),
  addressing: config.addressing,
  compatibility: config.compatibility,
  transport: config.transport,
});
