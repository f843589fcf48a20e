import { topicLevel, topicPath } from '../topics.ts';

/**
 * A host of few groups hears these alone. One of many hears all groups of the bus: each filter costs the broker and this
 * host a comparison for each message.
 */
const GROUPS_MAX = 32;

/** What the comparison of a cluster has to hear, and no more: who is online, what each host has, says and hears. */
export const alarmFilters = (base: string, groups: readonly string[]): readonly string[] => {
  const path = topicPath(base);
  const levels = groups.length > GROUPS_MAX ? ['+'] : groups.map(topicLevel);
  return [
    `${path}/node/+/status`,
    `${path}/node/+/info`,
    ...levels.flatMap((level) => [
      `${path}/${level}/node/+/state`,
      `${path}/${level}/node/+/peers/+`,
      `${path}/${level}/alarm`,
    ]),
  ];
};
