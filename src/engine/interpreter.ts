import {
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  mergeMap,
  Observable,
  of,
  type SchedulerLike,
  switchMap,
  tap,
} from 'rxjs';
import type { Effect } from '../machine/effects.ts';
import type { MachineEvent } from '../machine/events.ts';
import type { Addresses, Lease, LeaseEvent, LeaseRequest } from '../ports/addresses.ts';
import { type Problem, problemOf } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import { formatCidr } from '../protocol/address.ts';
import { type Millis, millis } from '../protocol/units.ts';
import { announcements } from './announcements.ts';
import type { Missed } from './ear.ts';
import type { Interpreter } from './loop.ts';
import type { SendAdvert } from './speaker.ts';
import { timerEvents } from './timers.ts';

/** What the interpreter of one group works with. */
export interface InterpreterNeeds {
  /** `undefined`: flows or hooks look after the addresses, or there are none. */
  readonly lease: { readonly addresses: Addresses; readonly request: LeaseRequest } | undefined;
  /** The lease that is held from now on, or `undefined` when it has been released. */
  readonly holds: (lease: Lease | undefined) => void;
  /** What went wrong with the addresses, or `undefined` when they have been taken. */
  readonly trouble: (problem: Problem | undefined) => void;
  readonly announce: (() => void) | undefined;
  readonly announceRefresh: Millis;
  readonly speak: (effect: SendAdvert) => void;
  /** Delivers what has arrived, and says what was missed since the last genuine advert. */
  readonly drain: () => Missed;
  readonly scheduler: SchedulerLike;
  readonly log: Log;
}

const leaseOutcome = (event: LeaseEvent, at: Millis): MachineEvent | undefined => {
  switch (event.type) {
    case 'lapsed':
      return { type: 'leaseLapsed', at, detail: `held up for ${Math.round(event.lateMs)} ms, longer than its lease` };
    case 'lost':
      return { type: 'addressesLost', at, detail: `${formatCidr(event.address)}: ${event.message}` };
    case 'restored':
      return undefined;
  }
};

/** Addresses are held for as long as this is subscribed. Never fails, never completes. */
const holdAddresses = ({ lease, scheduler, log, holds, trouble }: InterpreterNeeds): Observable<MachineEvent> =>
  new Observable<MachineEvent>((subscriber) => {
    const now = (): Millis => millis(scheduler.now());
    if (lease === undefined) {
      subscriber.next({ type: 'addressesTaken', at: now() });
      return undefined;
    }
    try {
      const held = lease.addresses.take(lease.request);
      holds(held);
      subscriber.add(() => {
        holds(undefined);
        held.release();
      });
      subscriber.add(
        held.events$.subscribe((event) => {
          if (event.type === 'restored')
            log('warn', `somebody removed ${formatCidr(event.address)}; it has been put back`);
          const outcome = leaseOutcome(event, now());
          if (outcome !== undefined) subscriber.next(outcome);
        }),
      );
      trouble(undefined);
      subscriber.next({ type: 'addressesTaken', at: now() });
    } catch (error) {
      const problem = problemOf(error);
      trouble(problem);
      subscriber.next({ type: 'addressesFailed', at: now(), detail: problem.message });
    }
    return undefined;
  });

/** Carries the effects of a machine out, in their order, and turns what comes of them into events. */
export const interpreter =
  (needs: InterpreterNeeds): Interpreter =>
  (effects$) => {
    const { lease, scheduler, announce, announceRefresh, speak, drain } = needs;
    const only = <T extends Effect['type']>(...types: readonly T[]) =>
      effects$.pipe(
        filter((effect): effect is Extract<Effect, { readonly type: T }> =>
          (types as readonly string[]).includes(effect.type),
        ),
      );
    return merge(
      timerEvents(effects$, scheduler),
      only('sendAdvert').pipe(tap(speak), ignoreElements()),
      only('takeAddresses', 'releaseAddresses').pipe(
        switchMap((effect) => (effect.type === 'takeAddresses' ? holdAddresses(needs) : EMPTY)),
      ),
      only('disinherit').pipe(
        tap(() => lease?.addresses.disinherit(lease.request)),
        ignoreElements(),
      ),
      announce === undefined
        ? EMPTY
        : announcements(effects$, announceRefresh, scheduler).pipe(tap(announce), ignoreElements()),
      only('drain').pipe(
        mergeMap(() => of(drain())),
        map((missed): MachineEvent => ({ type: 'drained', ...missed, at: millis(scheduler.now()) })),
      ),
    );
  };
