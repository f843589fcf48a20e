/**
 * What Home Assistant is told about a group of this host: one device with its entities (device discovery; its documentation
 * of the MQTT integration, "Device discovery payload").
 */

import { type BusGroup, MODES } from '../part.ts';
import { EVENT_TYPES } from '../payloads.ts';
import { groupTopic, memberPath, memberTopic, nodeTopic, type TopicScope } from '../topics.ts';
import { deviceId, entityId } from './home-assistant-names.ts';

export type Platform = 'binary_sensor' | 'button' | 'event' | 'number' | 'select' | 'sensor';

/** One entity in the words of Home Assistant, most of them abbreviated. `p` alone takes the entity away. */
export interface Component {
  readonly p: Platform;
  readonly [option: string]: string | number | boolean | readonly string[];
}

export interface DeviceOptions {
  readonly scope: TopicScope;
  readonly version: string;
  /** Those that are obeyed. */
  readonly commands: readonly string[];
}

const ROLES = ['INIT', 'BACKUP', 'MASTER', 'STOPPED'] as const;
const ORIGIN = { name: 'node-red-carp', url: 'https://github.com/carp-ha/node-red-carp' } as const;

/** The entities that are offered with these commands, and of which platform each is. */
export const platformsOf = (commands: readonly string[]): Readonly<Record<string, Platform>> => {
  const any = { group: 'group', interface: 'eth0', vhid: 1 };
  const options = { scope: { base: 'carp', node: 'node' }, version: '', commands };
  return Object.fromEntries(Object.entries(componentsOf(any, options)).map(([key, { p }]) => [key, p]));
};

/**
 * @param removed - entities that were offered once and are no longer: Home Assistant wants to be told of each
 * @returns JSON for the discovery topic of the device
 */
export const deviceConfig = (
  group: Pick<BusGroup, 'group' | 'interface' | 'vhid'>,
  options: DeviceOptions,
  removed: Readonly<Record<string, Platform>> = {},
): string => {
  const { scope, version } = options;
  const id = deviceId(scope, group.group);
  return JSON.stringify({
    dev: {
      ids: [id],
      name: `CARP ${group.group} (${scope.node})`,
      mf: ORIGIN.name,
      mdl: `VHID ${group.vhid} on ${group.interface}`,
      sw: version,
      sn: `${scope.node}/${group.interface}/${group.vhid}`,
    },
    o: { name: ORIGIN.name, sw: version, url: ORIGIN.url },
    avty: [{ t: nodeTopic(scope, 'status') }],
    avty_mode: 'all',
    qos: 1,
    cmps: {
      ...Object.fromEntries(Object.entries(removed).map(([key, p]) => [key, { p }])),
      ...componentsOf(group, options),
    },
  });
};

const componentsOf = (
  { group }: Pick<BusGroup, 'group'>,
  { scope, commands }: DeviceOptions,
): Readonly<Record<string, Component>> => {
  const id = deviceId(scope, group);
  const all = { ...seen(scope, group), ...steered(memberPath(scope, group), commands), ...measured(scope, group) };
  return Object.fromEntries(
    Object.entries(all).map(([key, { p, ...rest }]) => [
      key,
      { p, uniq_id: `${id}_${key}`, default_entity_id: entityId(p, id, key), ...rest },
    ]),
  );
};

/** What everybody may know. */
const seen = (scope: TopicScope, group: string): Readonly<Record<string, Component>> => {
  const role = memberTopic(scope, group, 'role');
  const master = groupTopic(scope, group, 'master');
  const alarm = groupTopic(scope, group, 'alarm');
  return {
    master: {
      p: 'binary_sensor',
      name: 'Master',
      dev_cla: 'running',
      stat_t: role,
      val_tpl: "{{ 'ON' if value == 'MASTER' else 'OFF' }}",
    },
    role: {
      p: 'sensor',
      name: 'Role',
      dev_cla: 'enum',
      ops: ROLES,
      stat_t: role,
      json_attr_t: memberTopic(scope, group, 'state'),
      json_attr_tpl: attributes('reason', 'detail', 'previous', 'seq', 'interface', 'vhid', 'addresses'),
    },
    holder: {
      p: 'sensor',
      name: 'Current master',
      ent_cat: 'diagnostic',
      stat_t: master,
      val_tpl: '{{ value_json.node }}',
      json_attr_t: master,
      json_attr_tpl: attributes('address', 'since'),
    },
    changes: { p: 'event', name: 'Role change', stat_t: memberTopic(scope, group, 'event'), evt_typ: EVENT_TYPES },
    alarm: {
      p: 'binary_sensor',
      name: 'Alarm',
      dev_cla: 'problem',
      stat_t: alarm,
      val_tpl: "{{ 'ON' if value_json.active else 'OFF' }}",
      json_attr_t: alarm,
      json_attr_tpl: attributes('alarms', 'by'),
    },
  };
};

/**
 * What can be ordered where the command is obeyed, and is shown where it is not. The two forms have different keys: an
 * entity cannot change its platform.
 */
const steered = (path: string, commands: readonly string[]): Readonly<Record<string, Component>> => {
  const mode = { name: 'Mode', stat_t: `${path}/mode`, ops: MODES } as const;
  const skew = { name: 'Advskew', stat_t: `${path}/advskew` } as const;
  return {
    ...(commands.includes('mode')
      ? { mode: { p: 'select', ent_cat: 'config', ...mode, cmd_t: `${path}/mode/set` } }
      : { mode_state: { p: 'sensor', ent_cat: 'diagnostic', dev_cla: 'enum', ...mode } }),
    ...(commands.includes('advskew')
      ? {
          skew: {
            p: 'number',
            ent_cat: 'config',
            ...skew,
            cmd_t: `${path}/advskew/set`,
            ...{ min: 0, max: 254, step: 1, mode: 'box' },
          },
        }
      : { skew_state: { p: 'sensor', ent_cat: 'diagnostic', ...skew, stat_cla: 'measurement' } }),
    ...(commands.includes('hand-over')
      ? { handover: { p: 'button', name: 'Hand over', cmd_t: `${path}/cmd/hand-over`, pl_prs: 'PRESS' } }
      : {}),
  };
};

const measured = (scope: TopicScope, group: string): Readonly<Record<string, Component>> => ({
  demotion: {
    p: 'sensor',
    name: 'Demotion',
    ent_cat: 'diagnostic',
    stat_t: memberTopic(scope, group, 'state'),
    val_tpl: '{{ value_json.demotion }}',
    stat_cla: 'measurement',
  },
  interval: {
    p: 'sensor',
    name: 'Advert interval',
    ent_cat: 'diagnostic',
    dev_cla: 'duration',
    unit_of_meas: 'ms',
    stat_t: memberTopic(scope, group, 'stats'),
    val_tpl: '{{ value_json.intervalMs }}',
  },
});

/** Only these: times that are told anew every ten seconds would fill the database of Home Assistant. */
const attributes = (...names: readonly string[]): string =>
  `{{ {${names.map((name) => `'${name}': value_json.${name}`).join(', ')}} | tojson }}`;
