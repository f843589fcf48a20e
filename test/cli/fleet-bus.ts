/** What hosts say on a bus, for the tests of `carp fleet`. */
import mqtt from 'mqtt';
import type { NodeInfo } from '../../src/adapters/mqtt/payloads.ts';
import { addressTopic, groupTopic, memberTopic, nodeTopic } from '../../src/adapters/mqtt/topics.ts';
import type { CarpEvent, PublicRole } from '../../src/engine/status.ts';

export interface Said {
  readonly topic: string;
  /** Empty: taken back. */
  readonly payload: string;
}

export interface MemberWords {
  readonly base?: string;
  readonly group?: string;
  readonly node: string;
  readonly role: PublicRole;
  /** How long ago it said so. */
  readonly secondsAgo?: number;
  readonly state?: Partial<CarpEvent>;
  readonly mode?: string;
}

export const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();

export const stateOf = ({ group = 'plant', node, role, secondsAgo = 1, state = {} }: MemberWords): CarpEvent => ({
  event: 'snapshot',
  group,
  interface: 'eth0',
  vhid: 10,
  node,
  role,
  previous: 'INIT',
  reason: 'startup',
  detail: 'the group is ready',
  at: ago(secondsAgo),
  seq: 1,
  advbase: 1,
  advskew: 0,
  demotion: 0,
  addresses: ['192.0.2.100/24'],
  ...state,
});

/** One host of a group. */
export const member = (words: MemberWords): readonly Said[] => {
  const { base = 'carp', group = 'plant', node, role, mode = 'normal' } = words;
  const scope = { base, node };
  return [
    { topic: memberTopic(scope, group, 'role'), payload: role },
    { topic: memberTopic(scope, group, 'state'), payload: JSON.stringify(stateOf(words)) },
    { topic: memberTopic(scope, group, 'mode'), payload: mode },
    { topic: memberTopic(scope, group, 'advskew'), payload: `${words.state?.advskew ?? 0}` },
    { topic: addressTopic(scope, group, 'vip', '192.0.2.100'), payload: role === 'MASTER' ? 'held' : 'absent' },
  ];
};

export const node = (name: string, status: 'online' | 'offline' = 'online', base = 'carp'): readonly Said[] => {
  const info: NodeInfo = {
    node: name,
    instance: '0123456789abcdef',
    startedAt: ago(600),
    at: ago(1),
    version: '0.1.0',
    hostname: name,
    commands: [],
    groups: [],
  };
  const scope = { base, node: name };
  return [
    { topic: nodeTopic(scope, 'status'), payload: status },
    { topic: nodeTopic(scope, 'info'), payload: JSON.stringify(info) },
  ];
};

export interface ClaimWords {
  readonly base?: string;
  readonly group?: string;
  readonly node: string;
  readonly since?: number;
}

/** `<group>/master` @param since - seconds ago */
export const claim = ({ base = 'carp', group = 'plant', node: by, since = 60 }: ClaimWords): Said => ({
  topic: groupTopic({ base }, group, 'master'),
  payload: JSON.stringify({ node: by, address: '192.0.2.11', vhid: 10, since: ago(since), at: ago(1), seq: 1 }),
});

export const alarm = (by: string, code: string, text: string, group = 'plant'): Said => ({
  topic: groupTopic({ base: 'carp' }, group, 'alarm'),
  payload: JSON.stringify({
    active: true,
    alarms: [{ code, text, nodes: [by], since: '2026-11-22T12:00:00.000Z' }],
    group,
    by,
    at: ago(1),
  }),
});

/** Two hosts, one MASTER, nothing wrong. */
export const healthy = (base = 'carp'): readonly Said[] => [
  ...node('rpi1', 'online', base),
  ...node('rpi2', 'online', base),
  ...member({ base, node: 'rpi1', role: 'MASTER' }),
  ...member({ base, node: 'rpi2', role: 'BACKUP', state: { advskew: 100 } }),
  claim({ base, node: 'rpi1' }),
];

export interface Speaker {
  readonly say: (said: readonly Said[]) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Publishes retained messages, and resolves when the broker has them. */
export const speakTo = async (
  url: string,
  user?: { readonly name: string; readonly password: string },
  protocolVersion: 4 | 5 = 5,
): Promise<Speaker> => {
  const login = user === undefined ? {} : { username: user.name, password: user.password };
  const client = await mqtt.connectAsync(url, { protocolVersion, ...login });
  client.on('error', () => undefined);
  return {
    say: async (said) => {
      await Promise.all(
        said.map(({ topic, payload }) => client.publishAsync(topic, payload, { qos: 1, retain: true })),
      );
    },
    close: () => client.endAsync(true),
  };
};
