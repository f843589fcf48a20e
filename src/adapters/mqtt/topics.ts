import type { CarpEvent } from '../../engine/status.ts';

/** One publication. All are QoS 1; what describes the present is retained, what happened is not. */
export interface Message {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

/** Where something is published: the configured first levels (`carp`, `acme/plant1`) and the name of this host. */
export interface TopicScope {
  readonly base: string;
  readonly node: string;
}

/** Topics of a node, below `<base>/node/<node>/`. */
export const NODE_LEAVES = ['status', 'info'] as const;
/** Topics of a group, below `<base>/<group>/`. */
export const GROUP_LEAVES = ['master', 'alarm'] as const;
/** Topics of one host in a group, below `<base>/<group>/node/<node>/`. */
export const MEMBER_LEAVES = ['role', 'state', 'event', 'mode', 'advskew', 'stats'] as const;
/** The same, with an address as the last level. */
export const ADDRESS_LEAVES = ['vip', 'peers'] as const;

export type NodeLeaf = (typeof NODE_LEAVES)[number];
export type GroupLeaf = (typeof GROUP_LEAVES)[number];
export type MemberLeaf = (typeof MEMBER_LEAVES)[number];
export type AddressLeaf = (typeof ADDRESS_LEAVES)[number];

export const nodeTopic = ({ base, node }: TopicScope, leaf: NodeLeaf): string =>
  `${topicPath(base)}/node/${topicLevel(node)}/${leaf}`;

export const groupTopic = ({ base }: Pick<TopicScope, 'base'>, group: string, leaf: GroupLeaf): string =>
  `${topicPath(base)}/${topicLevel(group)}/${leaf}`;

/** Of this host in a group. */
export const memberTopic = (scope: TopicScope, group: string, leaf: MemberLeaf): string =>
  `${memberPath(scope, group)}/${leaf}`;

/** @param address - as text; its colons stay */
export const addressTopic = (scope: TopicScope, group: string, leaf: AddressLeaf, address: string): string =>
  `${memberPath(scope, group)}/${leaf}/${address.replace(/[^0-9a-f.:]/gi, percentEncoded)}`;

/** `<base>/<group>/node/<node>`, without an end. */
export const memberPath = ({ base, node }: TopicScope, group: string): string =>
  `${topicPath(base)}/${topicLevel(group)}/node/${topicLevel(node)}`;

/** What a topic of the tree is about. */
export type Place =
  | { readonly type: 'node'; readonly node: string; readonly leaf: NodeLeaf }
  | { readonly type: 'group'; readonly group: string; readonly leaf: GroupLeaf }
  | { readonly type: 'member'; readonly group: string; readonly node: string; readonly leaf: MemberLeaf }
  | {
      readonly type: 'address';
      readonly group: string;
      readonly node: string;
      readonly leaf: AddressLeaf;
      readonly address: string;
    };

/** Reads a topic of the tree; undefined for any other, commands and their results among them. */
export const placeOf = (base: string, topic: string): Place | undefined => {
  const path = `${topicPath(base)}/`;
  if (!topic.startsWith(path)) return undefined;
  const levels = topic.slice(path.length).split('/');
  const [first = '', second = '', third = '', fourth = '', fifth] = levels;
  // A group may be called "node": its topics have more levels, or leaves that no node has.
  if (levels.length === 3 && first === 'node' && isOneOf(NODE_LEAVES, third)) {
    const node = nameOf(second);
    return node === undefined ? undefined : { type: 'node', node, leaf: third };
  }
  const group = nameOf(first);
  if (group === undefined) return undefined;
  if (levels.length === 2) return isOneOf(GROUP_LEAVES, second) ? { type: 'group', group, leaf: second } : undefined;
  const node = nameOf(third);
  if (second !== 'node' || node === undefined) return undefined;
  if (levels.length === 4)
    return isOneOf(MEMBER_LEAVES, fourth) ? { type: 'member', group, node, leaf: fourth } : undefined;
  if (levels.length !== 5 || !isOneOf(ADDRESS_LEAVES, fourth)) return undefined;
  const address = nameOf(fifth ?? '');
  return address === undefined ? undefined : { type: 'address', group, node, leaf: fourth, address };
};

const isOneOf = <Leaf extends string>(leaves: readonly Leaf[], level: string): level is Leaf =>
  (leaves as readonly string[]).includes(level);

/** Several levels, without empty ones: a leading `/` would be a level of its own, without a name. */
export const topicPath = (path: string): string =>
  path
    .split('/')
    .filter((level) => level !== '')
    .map(topicLevel)
    .join('/') || 'carp';

/**
 * A name as one topic level. Letters, digits and `_.-` stay; all else is percent-encoded, as in a URL: wildcards,
 * slashes and blanks cannot do harm, and two names never share a topic.
 */
export const topicLevel = (name: string): string =>
  name === '' ? '%' : name.replace(/[^\p{L}\p{N}_.-]/gu, percentEncoded);

/** The name behind a topic level; undefined if no name leads there. */
export const nameOf = (level: string): string | undefined => {
  if (level === '') return undefined;
  if (level === '%') return '';
  try {
    return decodeURIComponent(level);
  } catch {
    return undefined;
  }
};

const percentEncoded = (character: string): string =>
  Array.from(Buffer.from(character, 'utf8'), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');

/**
 * Whether the agent of this host lives; also its last will. Somebody who reads a role has to read this as well: a host
 * that lost its power cannot take back the role it published last.
 */
export const statusMessage = ({ base, node }: TopicScope, status: 'online' | 'offline'): Message => ({
  topic: `${topicPath(base)}/node/${topicLevel(node)}/status`,
  payload: status,
  retain: true,
});

/** The role alone, for people, PLCs and Home Assistant: MASTER, BACKUP, INIT or STOPPED. */
export const roleMessage = (scope: TopicScope, event: Pick<CarpEvent, 'group' | 'role'>): Message => ({
  topic: `${groupPath(scope, event.group)}/role`,
  payload: event.role,
  retain: true,
});

/** All that `msg.carp` has, for programs. */
export const stateMessage = (scope: TopicScope, event: CarpEvent): Message => ({
  topic: `${groupPath(scope, event.group)}/state`,
  payload: JSON.stringify(event),
  retain: true,
});

/**
 * A change of role. Never retained: Home Assistant and every flow would take it for a new one at each of their starts.
 * Delivered at least once; `seq` tells a repetition.
 */
export const eventMessage = (scope: TopicScope, event: CarpEvent): Message => ({
  topic: `${groupPath(scope, event.group)}/event`,
  payload: JSON.stringify(event),
  retain: false,
});

/** Takes back what the broker keeps of a group: an empty retained message is the end of one (MQTT 5, 3.3.1.3). */
export const forgettingMessages = (scope: TopicScope, group: string): readonly Message[] =>
  ['role', 'state'].map((what) => ({ topic: `${groupPath(scope, group)}/${what}`, payload: '', retain: true }));

const groupPath = ({ base, node }: TopicScope, group: string): string =>
  `${topicPath(base)}/${topicLevel(group)}/node/${topicLevel(node)}`;
