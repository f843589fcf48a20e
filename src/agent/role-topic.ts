import { memberTopic } from '../adapters/mqtt/topics.ts';

/** The topic on which the agent publishes the role of a group, for those who publish it themselves: one topic for one thing. */
export const roleTopic = ({
  base,
  node,
  group,
}: {
  readonly base: string;
  readonly node: string;
  readonly group: string;
}): string => memberTopic({ base, node }, group, 'role');
