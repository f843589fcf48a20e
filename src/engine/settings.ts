import type { Cidr, IpAddress } from '../protocol/address.ts';
import type { AdvBase, AdvSkew, Millis, Vhid } from '../protocol/units.ts';

/** Who looks after the shared addresses (DESIGN 6). */
export type Addressing = 'manual' | 'interface' | 'virtual-mac';
/** Whose way of sending is imitated (DESIGN D9). */
export type Compatibility = 'auto' | 'freebsd' | 'openbsd' | 'netbsd' | 'ucarp';

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
