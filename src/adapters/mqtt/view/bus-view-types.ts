import type { PublicRole } from '../../../engine/status.ts';
import type { Incoming, Mode } from '../part.ts';
import type { MasterClaim, NodeInfo, PeerReport } from '../payloads.ts';
import type { Place } from '../topics.ts';
import type { HeardAlarmReport, HeardState, HeardStats, NodeStatus, VipState } from './bus-payloads.ts';

/** How much of a bus is kept. What comes beyond it is counted and not looked at. */
export const BUS_BOUNDS = {
  nodes: 1024,
  groups: 1024,
  membersOfGroup: 256,
  vipsOfMember: 256,
  peersOfMember: 64,
  /** Of one payload: what a host says of itself, with 1024 groups. */
  payloadBytes: 262_144,
  /** Of a name in a topic: what a configuration allows, and then some. */
  nameLength: 128,
  /** Of all payloads that are kept. */
  totalBytes: 64 * 1024 * 1024,
} as const;

/** A message, and how much longer the broker would have kept it, where it tells (MQTT 5). */
export interface BusMessage extends Pick<Incoming, 'topic' | 'payload' | 'retain'> {
  readonly expiresInMs?: number;
}

/** What one topic says. */
export interface Heard<T> {
  readonly value: T;
  /** When it was heard last, in the time of `apply`. A refresh counts. */
  readonly heardAt: number;
  /** It had been on the broker before; how long is not known. */
  readonly retained: boolean;
  /** When it is no longer true unless it is told again. */
  readonly endsAt?: number;
  /** Of the payload. */
  readonly bytes: number;
}

export interface BusNode {
  readonly node: string;
  readonly status?: Heard<NodeStatus>;
  readonly info?: Heard<NodeInfo>;
}

export interface BusMember {
  readonly node: string;
  readonly role?: Heard<PublicRole>;
  readonly state?: Heard<HeardState>;
  readonly mode?: Heard<Mode>;
  readonly advskew?: Heard<number>;
  readonly stats?: Heard<HeardStats>;
  /** By address. */
  readonly vips: ReadonlyMap<string, Heard<VipState>>;
  /** By address. */
  readonly peers: ReadonlyMap<string, Heard<PeerReport>>;
}

export interface BusGroupView {
  readonly group: string;
  readonly master?: Heard<MasterClaim>;
  readonly alarm?: Heard<HeardAlarmReport>;
  /** By node. */
  readonly members: ReadonlyMap<string, BusMember>;
}

/** What a message did. */
export interface BusChange {
  readonly place: Place;
  /** `refreshed`: the same was said again, at another time. `removed`: by an empty retained payload, or because its time was over. */
  readonly type: 'set' | 'refreshed' | 'removed';
}

/** Messages without effect, since the beginning. */
export interface BusCounts {
  /** Topics that are none of the tree; commands and events. */
  readonly ignored: number;
  /** Payloads that are none. */
  readonly invalid: number;
  /** Beyond a bound. */
  readonly refused: number;
}
