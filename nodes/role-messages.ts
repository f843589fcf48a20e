import type { NodeMessage } from 'node-red';
import { roleTopic } from '../src/agent/role-topic.ts';
import type { Finding } from '../src/engine/mismatch.ts';
import type { CarpEvent } from '../src/engine/status.ts';

/** What `msg.payload` is: the role as a word, whether it is MASTER, or all of `msg.carp`. */
export const PAYLOADS = ['string', 'boolean', 'object'] as const;
export type PayloadForm = (typeof PAYLOADS)[number];

/** As the agent publishes it itself, so that either may be subscribed to. */
export const messageOf = (
  event: CarpEvent,
  { base, payload }: { readonly base: string; readonly payload: PayloadForm },
): NodeMessage => ({
  topic: roleTopic({ base, node: event.node, group: event.group }),
  retain: true,
  payload: payload === 'boolean' ? event.role === 'MASTER' : payload === 'object' ? event : event.role,
  qos: 1,
  carp: event,
});

/** Beside the topic of the role. Not retained: it is over some time, and nobody would take it back. */
export const alertOf = (finding: Finding, base: string): NodeMessage => {
  const topic = roleTopic({ base, node: finding.node, group: finding.group });
  return { topic: topic.replace(/role$/, 'alert'), payload: finding.event, qos: 1, retain: false, carp: finding };
};
