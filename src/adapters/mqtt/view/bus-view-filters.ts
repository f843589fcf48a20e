import { topicLevel, topicPath } from '../topics.ts';

/**
 * The topic filters of a view: every state of the tree, and neither events nor commands.
 * @param groups - only these; none: all there are
 */
export const busFilters = (base: string, groups: readonly string[] = []): readonly string[] => {
  const path = topicPath(base);
  const places = groups.length === 0 ? ['+'] : groups.map(topicLevel);
  return [
    ...NODE_FILTERS.map((filter) => `${path}/${filter}`),
    ...places.flatMap((place) => GROUP_FILTERS.map((filter) => `${path}/${place}/${filter}`)),
  ];
};

const NODE_FILTERS = ['node/+/status', 'node/+/info'] as const;
const GROUP_FILTERS = [
  'master',
  'alarm',
  ...['role', 'state', 'mode', 'advskew', 'stats', 'vip/+', 'peers/+'].map((leaf) => `node/+/${leaf}`),
] as const;
