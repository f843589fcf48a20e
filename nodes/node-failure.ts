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
