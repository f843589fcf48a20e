import type { Cidr, IpAddress } from '../protocol/address.ts';
import type { Compatibility } from '../protocol/dialect.ts';
import type { AdvBase, AdvSkew, Millis, Vhid } from '../protocol/units.ts';

/** Who looks after the shared addresses (DESIGN 6). */
export type Addressing = 'manual' | 'interface' | 'virtual-mac';
/** In which families a TTL or hop limit other than 255 is refused. */
export type TtlCheck = 'always' | 'ipv4' | 'never';
/** What is refused as a repetition of an old advert (DESIGN D8). */
export type ReplayMode = 'auto' | 'strict' | 'off';

/** One virtual host as the engine runs it: checked, in the engine's units, and with its secret resolved. */
export interface GroupSettings {
  readonly name: string;
  readonly interface: string;
  readonly vhid: Vhid;
  /** 20 bytes. Never leaves the engine. */
  readonly key: Uint8Array;
  readonly addresses: readonly Cidr[];
  /** At most one per family; a family without one uses the interface's first suitable address. */
  readonly sources: readonly IpAddress[];
  readonly advbase: AdvBase;
  readonly advskew: AdvSkew;
  readonly deadratio: number;
  /** Groups of the same name here move together. */
  readonly sync?: string;
  readonly preempt: boolean;
  readonly preemptDelay: Millis;
  /** Unicast peers; those of a family without any mean multicast. */
  readonly peers: readonly IpAddress[];
  readonly addressing: Addressing;
  readonly compatibility: Compatibility;
  /** OpenBSD's custom link-level address, 6 bytes: a part of what is signed, and the MAC of `virtual-mac`. */
  readonly lladdr?: Uint8Array;
  /** Differentiated services code point, 0..63, instead of the TOS byte of the dialect. */
  readonly dscp?: number;
  readonly checkTtl: TtlCheck;
  readonly replay: ReplayMode;
  /** IPv4 adverts leave in Ethernet broadcast frames. */
  readonly broadcast: boolean;
  /** The IPv4 multicast group, where it is not 224.0.0.18 (ucarp's --mcastip). */
  readonly multicast?: IpAddress;
  /** A lost carrier does not count: only an interface that is set down, or has gone. */
  readonly ignoreLink: boolean;
  /** Time between two announcements of a sitting MASTER; 0 = never. */
  readonly announceRefresh: Millis;
}

/** What a host's failures weigh (DESIGN D6). */
export interface DemotionWeights {
  readonly linkDown: number;
  readonly sendErrors: number;
  readonly stalled: number;
  /** Whom a lost link demotes besides its own group: the groups of the same `sync`, or (as FreeBSD) all of the host. */
  readonly scope: 'sync' | 'host';
}

/** One CARP host: a name, and the groups it takes part in. */
export interface HostSettings {
  readonly node: string;
  /** How long a group waits in INIT after the start and after its link came up. */
  readonly startDelay: Millis;
  readonly demotion: DemotionWeights;
  readonly groups: readonly GroupSettings[];
}
