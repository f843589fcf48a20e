import type { Observable } from 'rxjs';
import type { Environment } from '../ports/environment.ts';
import type { Problem } from '../ports/error.ts';
import type { AdvSkew } from '../protocol/units.ts';
import type { Finding } from './mismatch.ts';
import type { GroupSettings, HostSettings } from './settings.ts';
import type { CarpEvent, GroupPeers, GroupStatus, HostStatus } from './status.ts';

export interface GroupProblem {
  readonly group: string;
  /** Missing: the problem has gone. */
  readonly problem?: Problem;
}

export interface HandOverReceipt {
  readonly address: string;
  readonly afterMs: number;
}

/** Something that makes a host, or one of its groups, less fit to be MASTER (DESIGN D6). */
export interface HostDemotion {
  readonly reason: string;
  /** 240 and more hand the group over. */
  readonly weight: number;
  /** Missing: all groups. */
  readonly group?: string;
  /** While it stands, the groups listen and never become MASTER, whatever the sum of weights is. */
  readonly observes?: true;
  /** Ends by itself after this time, in ms. */
  readonly forMs?: number;
  /** When it began, if that was in the life of a former process. Default: now. */
  readonly since?: Date;
}

/** Time for the host itself; its groups have theirs from their environments. */
export type HostClock = Pick<Environment, 'scheduler' | 'wallClock' | 'log'>;

/** One CARP host: all its groups, from `createHost` until `stop` or `crash`. */
export interface Host {
  readonly node: string;
  /**
   * Transitions of all groups from now on, and a snapshot where the MASTER, the advskew or the demotion is another one. Hot; completes when the
   * host has stopped.
   */
  readonly events$: Observable<CarpEvent>;
  readonly problems$: Observable<GroupProblem>;
  /** What is found out about peers: why their adverts are refused, and which profile would fit them. Hot, as `events$`. */
  readonly findings$: Observable<Finding>;
  readonly status: () => HostStatus;
  /** Whom each group hears: the part of `status` that costs little. */
  readonly peers: () => readonly GroupPeers[];
  /** A snapshot event for each group, or for this one alone: what a new subscriber is told first. */
  readonly snapshots: (group?: string) => readonly CarpEvent[];
  /** Runs these settings from now on. A group whose settings are equal to before is not touched. */
  readonly apply: (settings: HostSettings) => void;
  /**
   * Bows out as MASTER and waits for the successor.
   * @throws (rejects) CarpError CARP_NO_GROUP, CARP_NOT_MASTER, CARP_NOBODY (still MASTER unless `force`)
   */
  readonly handOver: (group: string, options: { readonly force: boolean }) => Promise<HandOverReceipt>;
  /** How the farewell of a group ends that is under way now, whoever asked for it. @throws (rejects) CarpError CARP_NOBODY */
  readonly farewell: (group: string) => Promise<HandOverReceipt> | undefined;
  /** Adds to the ledger, or changes an entry of the same reason and group. @throws CarpError CARP_NO_GROUP */
  readonly demote: (demotion: HostDemotion) => void;
  /** Takes an entry out again; whether there was one. As often as one likes. @throws CarpError CARP_NO_GROUP */
  readonly restore: (reason: string, group?: string) => boolean;
  /**
   * Another rank for a group, for as long as its settings stay the same; `undefined`: that of its settings. A MASTER tells
   * it at once. Returns the group as it is then. @throws CarpError CARP_NO_GROUP
   */
  readonly setAdvskew: (group: string, advskew: AdvSkew | undefined) => CarpEvent;
  /** Bows out of every group, releases, ends. Resolves within 1.5 s. */
  readonly stop: () => Promise<void>;
  /** Ends at once and says nothing to anybody, as a power cut does. For simulated hosts. */
  readonly crash: () => void;
}

/**
 * What a group needs besides its settings. Does not throw: what cannot be had (a transport that does not load, a missing
 * privilege) fails with its CarpError when it is used, and becomes the problem of that group alone.
 */
export type EnvironmentOf = (settings: GroupSettings) => Environment;

export type { CarpEvent, GroupStatus, HostStatus };
