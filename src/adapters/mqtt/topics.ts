/** A retained message, such as a last will. */
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
