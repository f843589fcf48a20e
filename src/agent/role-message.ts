/** The role of a group as the agent publishes it, for those who publish it themselves: one topic for one thing. */
export { roleMessage } from '../adapters/mqtt/topics.ts';
