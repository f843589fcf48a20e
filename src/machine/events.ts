import type { Family, IpAddress } from '../protocol/address.ts';
import type { AdvBase, AdvSkew, Millis, Ticks } from '../protocol/units.ts';

/** The timers of a machine. Each runs once, from `arm` until it expires or is disarmed. */
export type TimerName =
  /** When the MASTER has been silent for so long that it counts as dead. */
  | 'masterDown'
  /** When the next advert is due. */
  | 'advert'
  /** When a claim has stood long enough unchallenged. */
  | 'hold'
  /** When it is this host's turn to answer a bow-out. */
  | 'stagger'
  /** When a better host has waited long enough before it preempts. */
  | 'preempt'
  /** When to stop waiting for a successor. */
  | 'bowOut'
  /** When the successor has had the time to add the addresses. */
  | 'release';

/** A genuine, fresh advert of another host. */
export interface HeardAdvert {
  readonly family: Family;
  readonly source: IpAddress;
  readonly advbase: AdvBase;
  readonly advskew: AdvSkew;
  /** Its interval, which is its rank. */
  readonly interval: Ticks;
  /** Byte 4: how much an OpenBSD host is demoted; 0 from all others. It counts before the interval. */
  readonly demotion: number;
}

/** The addresses from which this host sends, by family; a family is missing while it has none. */
export type Sources = { readonly [family in Family]?: IpAddress };

/** Why the group cannot take part. */
export type Unready = 'link-down' | 'address-lost' | 'forced' | 'stop';

type Happening =
  /** The interface is up and has a source address. Comes again when the sources change. */
  | {
      readonly type: 'becameReady';
      readonly sources: Sources;
      readonly reason: 'startup' | 'link-up';
      /** Whether a predecessor that died as MASTER has left its addresses here. Counts in INIT only. */
      readonly inherits: boolean;
    }
  | { readonly type: 'becameUnready'; readonly reason: Unready; readonly detail: string }
  | { readonly type: 'advertReceived'; readonly advert: HeardAdvert }
  | { readonly type: 'timerExpired'; readonly timer: TimerName; readonly due: Millis }
  /**
   * Whatever had arrived has been delivered. Since the last genuine advert `dropped` packets were lost, and `replayed`
   * adverts were refused because their counter had been heard before.
   */
  | { readonly type: 'drained'; readonly dropped: number; readonly replayed: number }
  | { readonly type: 'addressesTaken' }
  | { readonly type: 'addressesFailed'; readonly detail: string }
  /** Somebody took an address away while this host was MASTER. */
  | { readonly type: 'addressesLost'; readonly detail: string }
  /** The addresses could not be renewed in time and are gone. */
  | { readonly type: 'leaseLapsed'; readonly detail: string }
  | {
      readonly type: 'demotionChanged';
      readonly demotion: number;
      /** This host only listens: it never becomes MASTER while that holds. Missing: it does not. */
      readonly observing?: boolean;
      readonly reason: 'demoted' | 'maintenance' | 'forced' | 'stalled';
    }
  /** An operator sets this host's skew; `undefined`: that of the settings again. */
  | { readonly type: 'advskewChanged'; readonly advskew: AdvSkew | undefined }
  /** `inSync`: not by an operator, but because another group of the same sync has moved. */
  | { readonly type: 'handOverRequested'; readonly force: boolean; readonly inSync?: true }
  | { readonly type: 'stopRequested' };

/** Everything that can happen to a group, and when: plain data, so that a run can be recorded and replayed. */
export type MachineEvent = Happening & {
  /** Monotonic clock, ms. */
  readonly at: Millis;
};
export type EventOf<Type extends MachineEvent['type']> = Extract<MachineEvent, { readonly type: Type }>;
