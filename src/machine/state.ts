import { type Family, type IpAddress, sameAddress } from '../protocol/address.ts';
import type { AdvSkew, Millis, Ticks } from '../protocol/units.ts';
import type { Sources } from './events.ts';
import type { Reason, Role } from './roles.ts';

/** A MASTER as a BACKUP knows it. */
export interface FollowedMaster {
  /** Where it speaks from, by family: a bow-out counts only if it comes from one of them. */
  readonly sources: Sources;
  /** The address of its last advert. */
  readonly source: IpAddress;
  readonly interval: Ticks;
  /** Its count in byte 4. */
  readonly demotion: number;
  readonly heardAt: Millis;
}

/** Another MASTER with the same interval, as it is heard in one family. */
export interface TiedRival {
  readonly source: IpAddress;
  /** Adverts that this host had sent in its reign when the rival was first heard. */
  readonly sentBefore: number;
  readonly since: Millis;
  readonly heardAt: Millis;
}

/** What a sitting MASTER remembers. */
export interface Reign {
  /** When the next advert is due. Added up exactly, so that adverts do not drift. */
  readonly due: Millis;
  readonly sentAt: Millis;
  /** Adverts sent in this reign. */
  readonly sent: number;
  /** When a rival was last answered out of turn. */
  readonly answeredAt?: Millis;
  /** By family: a rival that speaks in both would otherwise be taken for a new one with each advert. */
  readonly tied?: { readonly [family in Family]?: TiedRival };
}

export type Phase =
  /** Not taking part. */
  | { readonly name: 'init' }
  /** BACKUP. `extended`: the master-down time has already been prolonged once. */
  | { readonly name: 'listening'; readonly extended: boolean }
  /** BACKUP: the time is over, one last look at what has arrived. */
  | { readonly name: 'draining'; readonly extended: boolean }
  /** BACKUP: the MASTER said farewell, and it is not yet this host's turn. */
  | { readonly name: 'staggering'; readonly detail: string }
  /**
   * BACKUP: a predecessor that died has left its addresses here (`inheriting.ts`). `looking` and `asking` are last looks
   * before the farewell and before the claim; `leaving`: the successor has spoken.
   */
  | { readonly name: 'inheriting'; readonly stage: 'listening' | 'looking' | 'offering' | 'asking' | 'leaving' }
  /** BACKUP: the claim has been sent. `last` look before the addresses are added. */
  | {
      readonly name: 'claiming';
      readonly reason: Reason;
      readonly detail: string;
      readonly reign: Reign;
      readonly last: boolean;
    }
  /** BACKUP: the addresses are being added. */
  | { readonly name: 'taking'; readonly reason: Reason; readonly detail: string; readonly reign: Reign }
  | { readonly name: 'master'; readonly reign: Reign }
  /** MASTER: farewell has been said, and a successor is awaited. */
  | {
      readonly name: 'bowing-out';
      readonly reason: Reason;
      /** What becomes of the addresses if nobody answers: `stay` keeps them. */
      readonly ending: 'stop' | 'stay' | 'release';
      /** It follows another group, and is no wish of an operator. */
      readonly inSync?: true;
      readonly since: Millis;
      readonly successor?: IpAddress;
      readonly reign: Reign;
    }
  /** MASTER that was held up for longer than its lease: it looks before it does anything. */
  | { readonly name: 'recovering'; readonly detail: string; readonly reign: Reign }
  | { readonly name: 'stopped' };

export interface State {
  readonly phase: Phase;
  readonly demotion: number;
  /** This host only listens: it claims nothing, and holds nothing for longer than a farewell takes. */
  readonly observing?: true;
  /** Set by an operator, instead of that of the settings. */
  readonly advskew?: AdvSkew;
  readonly sources: Sources;
  readonly master?: FollowedMaster;
  /** The last MASTER heard that wins over this host. */
  readonly better?: { readonly source: IpAddress; readonly at: Millis; readonly interval: Ticks };
  /** Addresses of a predecessor are still there. Only while this host inherits, claims and takes. */
  readonly inherited?: true;
  /** Since when this host waits to preempt. */
  readonly preemptSince?: Millis;
  /** An operator handed the group over: whoever holds it now is not preempted, for as long as it lives. */
  readonly gaveAway?: true;
  /** When this host last gave way to an equal, and how often in a row (`giving-way.ts`). */
  readonly gaveWay?: { readonly at: Millis; readonly rounds: number };
  /** When any other host was last heard on IPv4: while one is, ties are judged there. */
  readonly heardIpv4At?: Millis;
}

export const initialState: State = { phase: { name: 'init' }, demotion: 0, sources: {} };

const ROLE_OF = {
  init: 'INIT',
  listening: 'BACKUP',
  draining: 'BACKUP',
  staggering: 'BACKUP',
  inheriting: 'BACKUP',
  claiming: 'BACKUP',
  taking: 'BACKUP',
  master: 'MASTER',
  'bowing-out': 'MASTER',
  recovering: 'MASTER',
  stopped: 'INIT',
} as const satisfies Record<Phase['name'], Role>;

/** A claim does not count yet: until its addresses are there, a host is BACKUP to the outside. */
export const roleOf = ({ phase }: State): Role => ROLE_OF[phase.name];

export const follows = (master: FollowedMaster | undefined, source: IpAddress): boolean => {
  const known = master?.sources[source.family];
  return known !== undefined && sameAddress(known, source);
};
