import type { HandOverReceipt } from '../../engine/host.ts';
import type { Mode } from '../../engine/mode.ts';
import type { BusTrouble, CarpEvent, GroupPeers, HostStatus, PublicRole } from '../../engine/status.ts';
import type { Log } from '../../ports/log.ts';
import type { IpAddress } from '../../protocol/address.ts';
import type { MqttSettings } from './settings.ts';
import type { TopicScope } from './topics.ts';

export { MODES, type Mode } from '../../engine/mode.ts';

/** A message that came from the broker. */
export interface Incoming {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** It was there before this connection subscribed. */
  readonly retain: boolean;
  readonly properties?: MessageProperties;
}

/** What MQTT 5 lets a message carry besides its payload. */
export interface MessageProperties {
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  readonly contentType?: string;
}

/** How what is kept on the broker is kept. */
export interface Keeping {
  /** `background`: when nothing else is to be said (statistics, discovery). Default: in turn. */
  readonly lane?: 'background';
  /** It describes the present: the broker drops it (MQTT 5) `expiry` after it was told last, and it is told again every `refresh`. */
  readonly expires?: boolean;
  /** Told even if the broker was told the same before. */
  readonly again?: boolean;
}

/** A publication that is not retained. */
export interface Announcement {
  readonly topic: string;
  readonly payload: string;
  /** 0: not repeated, and lost without a connection. Default: 1. */
  readonly qos?: 0 | 1;
  /** Not told again when the connection ends before the broker has acknowledged it. */
  readonly once?: true;
  readonly properties?: MessageProperties;
}

/** What a part says, through the outbox that all parts of a host share. */
export interface Voice {
  /** This is what the retained topic says from now on. An unchanged payload is not repeated, except to a new connection. */
  readonly keep: (topic: string, payload: string, keeping?: Keeping) => void;
  /** Takes a retained topic back: nothing is to be there. */
  readonly clear: (topic: string) => void;
  /** Somebody else speaks on this retained topic from now on: it stays as it is, and this host says no more there. */
  readonly leave: (topic: string) => void;
  /** Topics that this host keeps, of all parts: cleared or not yet told ones are not among them. */
  readonly kept: () => readonly string[];
  /** Tells what is kept on these topics again. Returns on how many. */
  readonly repeat: (isMeant: (topic: string) => boolean) => number;
  readonly tell: (announcement: Announcement) => void;
  /** How many announcements were dropped since the agent started, because the broker was away or slow. */
  readonly dropped: () => number;
  readonly connected: () => boolean;
}

/** What bus and agent know about a configured group. */
export interface BusGroup {
  readonly group: string;
  readonly interface: string;
  readonly vhid: number;
  readonly sync?: string;
  readonly advbase: number;
  readonly deadratio: number;
  /** Without prefix lengths, sorted as text. */
  readonly addresses: readonly IpAddress[];
  readonly addressing: 'manual' | 'interface' | 'virtual-mac';
}

/** What may be done to a group over the bus. All of them reject with a CarpError. */
export interface BusOperator {
  readonly handOver: (group: string, force: boolean) => Promise<HandOverReceipt>;
  /** The mode of one group: stored, and kept over restarts. */
  readonly setMode: (group: string, mode: Mode) => Promise<void>;
  /** `undefined`: that of the configuration. */
  readonly setAdvskew: (
    group: string,
    advskew: number | undefined,
  ) => Promise<{ readonly advskew: number; readonly role: PublicRole }>;
}

/** The host whose connection it is. */
export interface BusHost {
  readonly node: string;
  /** Of this process: another one after each start. Sixteen hexadecimal digits. */
  readonly instance: string;
  /** Wall-clock time, ISO 8601. */
  readonly startedAt: string;
  readonly version: string;
  readonly groups: () => readonly BusGroup[];
  /** Of all groups, or of this one alone: that of many takes its time. */
  readonly snapshots: (group?: string) => readonly CarpEvent[];
  readonly status: () => HostStatus;
  /** Whom each group hears: costs little, other than `status`. */
  readonly peers: () => readonly GroupPeers[];
  readonly modeOf: (group: string) => Mode;
  readonly operator: BusOperator;
}

export interface PartContext {
  readonly settings: MqttSettings;
  readonly scope: TopicScope;
  readonly host: BusHost;
  readonly voice: Voice;
  /** On the monotonic clock, in ms. */
  readonly now: () => number;
  readonly wallClock: () => Date;
  readonly log: Log;
  /** All that is wrong now in the eyes of this part; what it reported before is over. For `carp status`. */
  readonly report: (troubles: readonly BusTrouble[]) => void;
}

/**
 * One thing that a host says or does on the bus. All parts share one connection, its last will and its outbox; each is
 * made once and lives as long as the publisher, through any number of connections. What a part throws is logged and
 * costs nothing but that call.
 */
export interface Part {
  /** Topic filters, subscribed to with QoS 1 at the beginning of each connection, before the birth. */
  readonly filters: readonly string[];
  /** What this host itself has said need not be heard. It may be all the same: with MQTT 3.1.1, or through another part's filter. */
  readonly noLocal?: true;
  /** `retain` is to be what the sender said, also of messages that come at once (MQTT 5: Retain As Published). */
  readonly asPublished?: true;
  /** A connection has begun; what is kept is told anew by itself. */
  readonly begin?: () => void;
  /** A message that one of the filters of this part matches. */
  readonly heard?: (message: Incoming) => void;
  /** Something happened to a group of this host. */
  readonly event?: (event: CarpEvent) => void;
  /** Every `TICK_MS`, connected or not. */
  readonly tick?: () => void;
  /** The host stops: the last chance to say something before `offline`. */
  readonly end?: () => void;
}

export type CreatePart = (context: PartContext) => Part;

/** How often parts look around. */
export const TICK_MS = 250;
