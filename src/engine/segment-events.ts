/** What changes on a segment, in the shape that the command line, Node-RED and MQTT show: plain, and ready for JSON. */
import type { DigestVerdict, Rank, Who } from './segment-speaker.ts';
import type { SystemGuess } from './segment-system.ts';

/** Why a packet is no advert that a receiver would take; names of `netstat -s -p carp`. */
export type Trouble = 'badttl' | 'badsum' | 'badver' | 'badlen' | 'badvhid' | 'fragment' | 'cut';

/** `first`: nobody was known before; `timeout`: the one before had fallen silent; `preempt`: it still spoke. */
export type Succession = 'first' | 'timeout' | 'bow-out' | 'preempt' | 'returned';

export type SegmentChange =
  /** Somebody speaks who was not known. */
  | ({
      readonly event: 'speaker-heard';
      readonly rank: Rank;
      readonly intervalMs: number;
      readonly digest: DigestVerdict;
      readonly self: boolean;
      readonly addresses: readonly string[];
    } & Who)
  /** Who speaks is MASTER. */
  | ({
      readonly event: 'master';
      readonly how: Succession;
      readonly previous?: Who;
      /** From the last advert of the one before to the first of this one, in ms. */
      readonly afterMs?: number;
    } & Who)
  /** The MASTER says nothing any more, and nobody else does. */
  | ({ readonly event: 'master-silent'; readonly silentMs: number } & Who)
  | ({ readonly event: 'bow-out' } & Who)
  /** Somebody else spoke while the MASTER did, and stopped. */
  | ({ readonly event: 'claim-failed'; readonly master: Who } & Who)
  /** Two speak for one virtual host, and have done so for two intervals: they do not hear or do not accept each other. */
  | ({
      readonly event: 'two-masters';
      readonly rival: Who;
      readonly signatures: 'same' | 'different' | 'unchecked';
      readonly overlapMs: number;
    } & Who)
  | ({ readonly event: 'two-masters-over'; readonly rival: Who; readonly lastedMs: number } & Who)
  | ({ readonly event: 'rank-changed'; readonly rank: Rank; readonly before: Rank; readonly intervalMs: number } & Who)
  | ({ readonly event: 'system-guessed' } & SystemGuess & Who)
  | ({
      readonly event: 'digest';
      readonly digest: DigestVerdict;
      /** Whether another speaker of the same virtual host signs as expected: then this one is the stranger. */
      readonly others: DigestVerdict;
      readonly diagnosis?: string;
    } & Who)
  /** CARP and VRRP use one id, and so one virtual MAC. */
  | ({ readonly event: 'id-clash'; readonly rival: Who } & Who)
  /** A packet that receivers refuse; told for the 1st, 10th, 100th … of a source. */
  | ({ readonly event: 'refused'; readonly why: Trouble; readonly times: number } & Refused)
  /** More new speakers and refusals than are worth telling, or than fit into memory; told for the 1st, 10th, 100th … */
  | { readonly event: 'flood'; readonly untold: number };

export interface Refused {
  readonly source: string;
  readonly destination: string;
  readonly ttl: number;
  readonly mac?: string;
  readonly vlan?: string;
  readonly interface?: number;
  readonly version?: number;
  readonly vhid?: number;
}

/** @property at - wall-clock time of the change, ISO 8601; for a silence, when it had lasted long enough */
export type SegmentEvent = { readonly at: string } & SegmentChange;
