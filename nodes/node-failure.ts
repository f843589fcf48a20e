import type { Node, NodeMessage } from 'node-red';
import type { CarpErrorCode, Problem } from '../src/ports/error.ts';

/** What a Catch node may find in `msg.error.code`. */
export type NodeErrorCode =
  | CarpErrorCode
  /** A message asks for something that there is not, or lacks what that needs. */
  | 'CARP_BAD_ACTION'
  /** There was no answer in time. What was asked for may still happen. */
  | 'CARP_TIMEOUT';

export type NodeProblem = Pick<Problem, 'message' | 'remedy'> & { readonly code: NodeErrorCode };

/** Reaches a Catch node as `msg.error`, with `code`. */
export const nodeFailure = ({ code, message, remedy }: NodeProblem): Error & { readonly code: NodeErrorCode } =>
  Object.assign(new Error(remedy === undefined ? message : `${message}: ${remedy}`), { code });

/** For nodes without a group, or whose group was deleted. */
export const noGroup = (): Error =>
  nodeFailure({
    code: 'CARP_NO_GROUP',
    message: 'this node has no group',
    remedy: 'choose one in the node, and deploy',
  });

/**
 * Hands an error that no message has caused to the Catch nodes of this node's tab. `node.error` would do that, too, but
 * also write it to the log wherever there is no Catch node; there the carp-group has told it already, once for all nodes.
 * (`_flow.handleError` is the same in Node-RED 4.1 and 5; where it is missing, nobody is told twice.)
 */
export const tellCatchNodes = (node: Node, error: Error, msg: NodeMessage): void => {
  const { _flow } = node as Node & {
    readonly _flow?: { readonly handleError?: (node: Node, error: Error, msg: NodeMessage) => unknown };
  };
  _flow?.handleError?.(node, error, msg);
};
