/** One who speaks CARP or VRRP on a segment, as far as it can be known from what it says. */
import type { Family } from '../protocol/address.ts';
import type { SystemGuess, Traits } from './segment-system.ts';

export type SegmentProtocol = 'carp' | 'vrrp';

/** What a CARP advert says about its sender's fitness. */
export interface CarpRank {
  readonly advbase: number;
  readonly advskew: number;
  /** Byte 4. */
  readonly demotion: number;
}
export interface VrrpRank {
  readonly priority: number;
}
export type Rank = CarpRank | VrrpRank;

/** Which virtual host on which wire. */
export interface Place {
  readonly protocol: SegmentProtocol;
  /** The vhid of CARP, the virtual router id of VRRP. */
  readonly vhid: number;
  /** VLAN ids of the frames, the outermost first, as in `42` or `10.42`. */
  readonly vlan?: string;
  /** Of a capture of several interfaces. */
  readonly interface?: number;
}

/** A speaker of a virtual host: one host may be two of them, one for each family. */
export interface Who extends Place {
  readonly family: Family;
  readonly source: string;
  /** Ethernet source, unless the capture has none. */
  readonly mac?: string;
}

export type DigestVerdict = 'ok' | 'bad' | 'unchecked';

export interface Speaker {
  readonly who: Who;
  readonly version: 2 | 3;
  /** `bowed-out`: its last advert was a farewell; `silent`: nothing for three of its intervals. */
  readonly state: 'speaking' | 'silent' | 'bowed-out';
  readonly rank: Rank;
  /** What it says itself, in ms. */
  readonly intervalMs: number;
  readonly ttl: number;
  /** Whether receivers take it: the TTL is 255, or it is unicast and may have crossed a router. */
  readonly counts: boolean;
  readonly adverts: number;
  /** The same packet twice within a quarter of an interval: a loop, or a capture on two ports. */
  readonly duplicates: number;
  /** Wall-clock time, ms since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** On the clock of the segment, ms: first advert since it was silent, and last one. */
  readonly since: number;
  readonly last: number;
  readonly digest: DigestVerdict;
  /** What VRRP tells of the addresses; CARP never tells. */
  readonly addresses: readonly string[];
  /** Sent by the host that captures. */
  readonly self: boolean;
  readonly traits: Traits;
  readonly guess: SystemGuess;
}

/** A speaker who has said less than this may be forged, and gives way to others when memory is short. */
export const ESTABLISHED = 3;
export const isEstablished = ({ adverts }: Speaker): boolean => adverts >= ESTABLISHED;

const INTERVALS_UNTIL_SILENT = 3;
/** Intervals of milliseconds (advbase 0) are shorter than what delays a packet. */
const SILENT_MS_MIN = 250;
const INTERVALS_UNTIL_LATE = 1.5;
const LATE_MS_MIN = 100;

/** When a speaker that says nothing more counts as gone, on the clock of the segment. */
export const silentAt = ({ last, intervalMs }: Speaker): number =>
  last + Math.max(INTERVALS_UNTIL_SILENT * intervalMs, SILENT_MS_MIN);

/** When an advert is so late that a speaker with a rival must be supposed to have yielded. */
export const lateAt = ({ last, intervalMs }: Speaker): number =>
  last + Math.max(INTERVALS_UNTIL_LATE * intervalMs, intervalMs + LATE_MS_MIN);

export const sameRank = (a: Rank, b: Rank): boolean => {
  if ('priority' in a) return 'priority' in b && a.priority === b.priority;
  return !('priority' in b) && a.advbase === b.advbase && a.advskew === b.advskew && a.demotion === b.demotion;
};

export const keyOfSpeaker = ({ family, source, mac = '' }: Who): string => `${family} ${source} ${mac}`;
export const keyOfPlace = ({ protocol, vhid, vlan = '', interface: port }: Place): string =>
  `${protocol} ${vhid} ${vlan} ${port ?? ''}`;
