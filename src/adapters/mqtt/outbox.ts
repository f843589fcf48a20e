import type { CarpEvent } from '../../engine/status.ts';
import {
  eventMessage,
  forgettingMessages,
  type Message,
  roleMessage,
  stateMessage,
  statusMessage,
  type TopicScope,
} from './topics.ts';

/** How many transitions wait for a broker that is away or slow; the oldest give way. */
export const EVENTS_MAX = 1000;

/** A message on its way, and the transition it tells of, if it tells of one. */
export interface Outgoing {
  readonly message: Message;
  readonly event?: CarpEvent;
  /** The group that is forgotten by it. */
  readonly forgets?: string;
  /** The farewell: nothing follows. */
  readonly last?: true;
}

/**
 * What the broker has not been told yet, bounded however long it is away: of roles and states the newest of each
 * group, of transitions the newest `EVENTS_MAX`.
 *
 * Roles and states leave before events, so that whoever acts on an event finds a role on the broker that is at least
 * as new. That gives role, state, event for a single transition; of several that had to wait, role and state of the
 * last one, then all events.
 */
export class Outbox {
  readonly #scope: TopicScope;
  /** Ready to be sent, before anything else. At most the birth, and role and state of one group. */
  #ready: Outgoing[] = [];
  /** Groups of which something is to be published: the state, and the role as well if it is news. */
  readonly #unsaid = new Map<string, { readonly event: CarpEvent; readonly withRole: boolean }>();
  /** What this connection was told of each group. */
  readonly #said = new Map<string, CarpEvent>();
  /** Groups that are not configured any more, and of which the broker still keeps role and state. */
  readonly #forgotten = new Set<string>();
  #events: CarpEvent[] = [];
  #dropped = 0;
  #farewell: Message | undefined;

  constructor(scope: TopicScope) {
    this.#scope = scope;
  }

  add(event: CarpEvent): void {
    const withRole = event.event === 'transition' || this.#unsaid.get(event.group)?.withRole === true;
    this.#unsaid.set(event.group, { event, withRole });
    this.#forgotten.delete(event.group);
    if (event.event !== 'transition') return;
    this.#events.push(event);
    this.#trim();
  }

  /** A new connection: tells the birth, then role and state of everything. */
  begin(snapshots: readonly CarpEvent[]): void {
    this.#said.clear();
    this.#ready = [{ message: statusMessage(this.#scope, 'online') }];
    for (const event of snapshots) this.#unsaid.set(event.group, { event, withRole: true });
  }

  /**
   * Tells those states again that differ from what was said, e.g. because the MASTER is another. The role is not
   * repeated: a flow that acts on the topic takes each message for a change.
   */
  refresh(snapshots: readonly CarpEvent[]): void {
    for (const event of snapshots) {
      const said = this.#said.get(event.group);
      if (said !== undefined && content(said) === content(event)) continue;
      const withRole = said?.role !== event.role || this.#unsaid.get(event.group)?.withRole === true;
      this.#unsaid.set(event.group, { event, withRole });
    }
  }

  /**
   * Takes back what was said of groups that stopped and are none of these: somebody removed them from the configuration.
   * A group that only stops with its agent keeps its role, STOPPED, on the broker.
   */
  forgetOthers(groups: readonly string[]): void {
    for (const [group, { role }] of this.#said) {
      if (role !== 'STOPPED' || groups.includes(group) || this.#unsaid.has(group)) continue;
      this.#said.delete(group);
      this.#forgotten.add(group);
    }
  }

  /** When all else has left, the status `offline` leaves, and then nothing more. */
  end(): void {
    this.#farewell = statusMessage(this.#scope, 'offline');
  }

  /** Takes out what is to be sent next. */
  next(): Outgoing | undefined {
    const ready = this.#ready.shift();
    if (ready !== undefined) return ready;
    for (const [group, { event, withRole }] of this.#unsaid) {
      this.#unsaid.delete(group);
      this.#said.set(group, event);
      const state = { message: stateMessage(this.#scope, event) };
      if (!withRole) return state;
      this.#ready = [state];
      return { message: roleMessage(this.#scope, event) };
    }
    const event = this.#events.shift();
    if (event !== undefined) return { message: eventMessage(this.#scope, event), event };
    for (const group of this.#forgotten) {
      this.#forgotten.delete(group);
      const [first, ...others] = forgettingMessages(this.#scope, group).map((message) => ({ message, forgets: group }));
      this.#ready = others;
      if (first !== undefined) return first;
    }
    const farewell = this.#farewell;
    this.#farewell = undefined;
    return farewell === undefined ? undefined : { message: farewell, last: true };
  }

  /** The connection broke before the broker had acknowledged these. Roles and states are told anew by `begin` anyway. */
  putBack(unacknowledged: readonly Outgoing[]): void {
    this.#events = [...unacknowledged.flatMap(({ event }) => (event === undefined ? [] : [event])), ...this.#events];
    this.#trim();
    for (const { forgets } of unacknowledged) if (forgets !== undefined) this.#forgotten.add(forgets);
  }

  /** How many transitions were dropped since the last time somebody asked. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  #trim(): void {
    const excess = this.#events.length - EVENTS_MAX;
    if (excess <= 0) return;
    this.#events.splice(0, excess);
    this.#dropped += excess;
  }
}

/** What makes two states of a group different for a reader; when and in which form it was told does not. */
const content = ({ at: _at, event: _event, ...rest }: CarpEvent): string => JSON.stringify(rest);
