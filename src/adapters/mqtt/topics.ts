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

const percentEncoded = (character: string): string =>
  Array.from(Buffer.from(character, 'utf8'), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
