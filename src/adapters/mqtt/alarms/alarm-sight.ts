/** What the rules of alarms look at: one group at one moment, as it is on the bus. All times are monotonic, in ms. */
import type { PublicRole } from '../../../engine/status.ts';

/** Another speaker, as one member hears it on the wire. */
export interface PeerSight {
  readonly address: string;
  readonly advertises: boolean;
  /** The member is MASTER, and this one does not give way to it. */
  readonly isRival: boolean;
  /** When its last advert was heard. */
  readonly heardAt: number;
}

/** A host that is online and takes part in the group. */
export interface MemberSight {
  readonly node: string;
  readonly role: PublicRole;
  /** When this role was first seen, or the host came online with it. */
  readonly roleSince: number;
  /** When it last said its role itself. Missing: what is known of it was on the broker before this host came. */
  readonly saidAt?: number;
  /** INIT since its start: it waits for its link, or for `startDelay`. */
  readonly isStarting: boolean;
  /** Between two adverts. */
  readonly intervalMs: number;
  /** How long it listens in vain before it takes over. */
  readonly downMs: number;
  /** Who is MASTER in its eyes; of a MASTER its own address. */
  readonly master?: MasterSight;
  /** Its own, as it told it when it was MASTER last. */
  readonly address?: string;
  readonly peers: readonly PeerSight[];
  readonly vhid: number;
  readonly fingerprint?: string;
  readonly sync?: SyncSight;
}

export interface MasterSight {
  readonly address: string;
  readonly self: boolean;
  /** When the member first said so. */
  readonly since: number;
}

/** The groups of one sync on one host, as far as their roles are known. */
export interface SyncSight {
  readonly name: string;
  readonly groups: readonly SyncedSight[];
}

export interface SyncedSight extends Pick<MemberSight, 'role' | 'roleSince' | 'isStarting' | 'downMs'> {
  readonly group: string;
}

export interface GroupSight {
  readonly group: string;
  readonly now: number;
  /** Sorted by name. */
  readonly members: readonly MemberSight[];
  /** Names that two hosts of the group have at once. */
  readonly duplicates: readonly string[];
}
