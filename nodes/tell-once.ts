import type { Node } from 'node-red';
import type { Problem } from '../src/ports/error.ts';

/**
 * The whole message, with the command that helps, once in the log and the debug sidebar; not again at each deploy.
 *
 * @param memory - what was told last, across deploys
 * @param key - where in it; a node may have several things to tell
 */
export const tellOnce = (
  node: Pick<Node, 'id' | 'warn' | 'error'>,
  memory: Map<string, string>,
  problem: Problem | undefined,
  key: string = node.id,
): void => {
  if (problem === undefined) return void memory.delete(key);
  const message = problem.remedy === undefined ? problem.message : `${problem.message}: ${problem.remedy}`;
  if (memory.get(key) === message) return;
  memory.set(key, message);
  if (problem.code === 'CARP_CONFIG' || problem.code === 'CARP_DUPLICATE') node.error(message);
  else node.warn(message);
};
