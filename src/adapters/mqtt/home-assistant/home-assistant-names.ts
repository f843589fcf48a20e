/** How a group of this host is called in Home Assistant. */
import { createHash } from 'node:crypto';
import { type TopicScope, topicPath } from '../topics.ts';

/** What most installations have: only another base is part of the names. */
const USUAL_BASE = 'carp';
const HASH_DIGITS = 8;

/**
 * The device of a group on this host, and what its unique ids begin with: `carp_rpi1_plant`. It is the same for ever, and
 * no two groups of one broker share it: where letters had to be replaced, where an underscore makes it unclear where the
 * node's name ends, or where the base is not the usual one, a hash of all three follows. Names without a hash have exactly
 * two underscores, those with one have at least three.
 */
export const deviceId = ({ base, node }: TopicScope, group: string): string => {
  const id = `${deviceIdStart(node)}${allowed(group)}`;
  const path = topicPath(base);
  const isClear = path === USUAL_BASE && isPlain(node) && isPlain(group);
  return isClear ? id : `${id}_${hashOf([path, node, group])}`;
};

/** What the ids of all devices of this host begin with. */
export const deviceIdStart = (node: string): string => `carp_${allowed(node)}_`;

/** @param prefix - the discovery prefix of Home Assistant, usually `homeassistant` */
export const deviceTopic = (prefix: string, id: string): string => `${topicPath(prefix)}/device/${id}/config`;

/**
 * The entity id that Home Assistant is to prefer, as its rules want it: lower case, no underscore at an end, no two in a
 * row. Home Assistant makes it unique by itself, which the unique id already is.
 */
export const entityId = (platform: string, id: string, key: string): string =>
  `${platform}.${`${id}_${key}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '')}`;

const allowed = (name: string): string => name.replace(/[^A-Za-z0-9_-]/gu, '_');
const isPlain = (name: string): boolean => /^[A-Za-z0-9-]+$/.test(name);
const hashOf = (parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, HASH_DIGITS);
