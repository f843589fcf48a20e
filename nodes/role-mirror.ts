import type { Node, NodeAPI } from 'node-red';
import type { CarpEvent } from '../src/engine/status.ts';
import { oneOf, textIn } from './fields.ts';

interface MirrorDef {
  readonly context?: string;
  readonly contextType?: string;
}

/**
 * Writes the last event into the flow or global context, where Function nodes read it: `global.get('carp.plant').role`.
 * Undefined where none is wished. The role itself arrives by message; this is for those who only want to look.
 *
 * @param group - the name of the group, for the usual key `carp.GROUP`
 */
export const mirrorTo = (
  RED: NodeAPI,
  node: Node,
  def: MirrorDef,
  group: string,
): ((event: CarpEvent | undefined) => void) | undefined => {
  const type = oneOf(['none', 'flow', 'global'], def.contextType, 'none');
  if (type === 'none') return undefined;
  const { key, store } = RED.util.parseContextStore(textIn(def.context) || usualKey(group));
  // A store that fails is told by Node-RED; the role goes on without it.
  const failed = (error?: Error): void => {
    if (error !== undefined && error !== null)
      node.warn(`cannot write ${key} to the ${type} context: ${error.message}`);
  };
  return (event) => {
    try {
      node.context()[type].set(key, event, store, failed);
    } catch (error) {
      failed(error instanceof Error ? error : new Error(String(error)));
    }
  };
};

const usualKey = (group: string): string => (/^\w+$/.test(group) ? `carp.${group}` : `carp[${JSON.stringify(group)}]`);
