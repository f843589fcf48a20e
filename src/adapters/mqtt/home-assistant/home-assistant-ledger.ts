/**
 * `<base>/node/<node>/discovery`, retained: what this host has told Home Assistant, so that a later start can take it
 * back: groups that were removed meanwhile, another prefix, commands that are no longer allowed, discovery that was
 * switched off. Without it a host would have to hear all that anybody tells Home Assistant to find its own.
 */

import { MQTT_COMMANDS } from '../settings.ts';
import { type TopicScope, topicLevel, topicPath } from '../topics.ts';
import { type Component, type Platform, platformsOf } from './home-assistant-device.ts';
import { deviceIdStart } from './home-assistant-names.ts';

export interface Ledger {
  /** Of devices, as they were published. */
  readonly topics: readonly string[];
  /** What each of them had. */
  readonly entities: Readonly<Record<string, Platform>>;
}

export const EMPTY_LEDGER: Ledger = { topics: [], entities: {} };

const BYTES_MAX = 256 * 1024;
/** More than a host with 255 groups has with two prefixes. */
const TOPICS_MAX = 1000;
const LENGTH_MAX = 1024;

export const ledgerTopic = ({ base, node }: TopicScope): string =>
  `${topicPath(base)}/node/${topicLevel(node)}/discovery`;

/**
 * What this host had written there, as far as it may be its own: whoever can write to the topic must not be able to make
 * it clear topics of others. Never throws.
 */
export const readLedger = (payload: Uint8Array, { node }: Pick<TopicScope, 'node'>): Ledger => {
  if (payload.length === 0 || payload.length > BYTES_MAX) return EMPTY_LEDGER;
  let said: unknown;
  try {
    said = JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch {
    return EMPTY_LEDGER;
  }
  if (typeof said !== 'object' || said === null) return EMPTY_LEDGER;
  const topics = 'topics' in said && Array.isArray(said.topics) ? said.topics.slice(0, TOPICS_MAX) : [];
  const entities = 'entities' in said && typeof said.entities === 'object' ? Object.entries(said.entities ?? {}) : [];
  return {
    topics: [...new Set(topics.filter((topic): topic is string => isOwn(topic, node)))],
    entities: Object.fromEntries(entities.filter(isEntity)),
  };
};

const isOwn = (topic: unknown, node: string): boolean => {
  if (typeof topic !== 'string' || topic.length > LENGTH_MAX || /[+#\0]/.test(topic)) return false;
  const [, id = ''] = /^[^/].*\/device\/([A-Za-z0-9_-]+)\/config$/.exec(topic) ?? [];
  return id.startsWith(deviceIdStart(node));
};

/** All that any version has ever offered; an entity that is given up later stays in this table. */
const EVER: Readonly<Record<string, Component['p']>> = { ...platformsOf([]), ...platformsOf(MQTT_COMMANDS) };

const isEntity = (entry: [string, unknown]): entry is [string, Platform] => {
  const [key, platform] = entry;
  return Object.hasOwn(EVER, key) && EVER[key] === platform;
};
