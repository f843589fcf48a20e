import type { IpAddress } from '../protocol/address.ts';
import type { AdvBase, AdvSkew, Millis } from '../protocol/units.ts';
import type { TimerName } from './events.ts';
import type { Reason, Role } from './roles.ts';

/** What an advert is for. Only a claim starts a new series of counters; the rest is for people who read a trace. */
export type AdvertKind = 'claim' | 'regular' | 'answer' | 'yield' | 'bow-out';

/** Everything the machine may ask of the world, in the order in which it is to be done. It touches nothing itself. */
export type Effect =
  /** One advert in each family. */
  | {
      readonly type: 'sendAdvert';
      readonly kind: AdvertKind;
      readonly advbase: AdvBase;
      readonly advskew: AdvSkew;
      /** Byte 4: OpenBSD's demotion count, 0 in every dialect but its own. */
      readonly demotion: number;
      /** Of one that the clock asked for: when it was to leave, on the monotonic clock. */
      readonly due?: Millis;
    }
  /** Restarts the timer if it runs. It never expires before `due` on the monotonic clock. */
  | { readonly type: 'arm'; readonly timer: TimerName; readonly due: Millis }
  | { readonly type: 'disarm'; readonly timer: TimerName }
  /** Deliver what has arrived, then say `drained`. */
  | { readonly type: 'drain' }
  /** Answered by `addressesTaken` or `addressesFailed`. */
  | { readonly type: 'takeAddresses' }
  | { readonly type: 'releaseAddresses' }
  /** Removes what a predecessor has left, unless it has been taken. */
  | { readonly type: 'disinherit' }
  /** Tell the neighbours, now, repeatedly, and from time to time. */
  | { readonly type: 'startAnnouncing' }
  /** Tell the neighbours once more, because they may have listened to somebody else. */
  | { readonly type: 'announceAgain' }
  | { readonly type: 'stopAnnouncing' }
  | {
      readonly type: 'report';
      readonly role: Role | 'STOPPED';
      readonly previous: Role;
      readonly reason: Reason;
      /** The numbers that decided. */
      readonly detail: string;
    }
  | { readonly type: 'handedOver'; readonly to: IpAddress; readonly afterMs: number }
  /** Nobody took over; `released` tells whether the addresses were given up all the same. */
  | { readonly type: 'nobodyTookOver'; readonly released: boolean }
  /** The machine has come to its end. */
  | { readonly type: 'finish' };
