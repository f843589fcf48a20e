import {
  catchError,
  combineLatest,
  connect,
  defer,
  distinctUntilChanged,
  map,
  type Observable,
  of,
  repeat,
  type SchedulerLike,
  shareReplay,
  startWith,
  switchMap,
  timer,
} from 'rxjs';
import type { Sources } from '../machine/events.ts';
import type { Addresses, LeaseRequest } from '../ports/addresses.ts';
import { CarpError, type Problem, problemOf } from '../ports/error.ts';
import type { InterfaceState, Interfaces } from '../ports/interfaces.ts';
import type { Transport } from '../ports/transport.ts';
import { type Family, type IpAddress, isLinkLocal, sameAddress } from '../protocol/address.ts';
import type { Millis } from '../protocol/units.ts';
import type { GroupSettings } from './settings.ts';
import { familiesOf, openWire, type Wire } from './wire.ts';

/** Whether a group can take part now, and with what. */
export type Standing =
  | { readonly ready: true; readonly wire: Wire; readonly sources: Sources }
  | { readonly ready: false; readonly wire?: Wire; readonly detail: string; readonly problem?: Problem };

/** What could not be done is tried again after this time, as long as it takes. */
const RETRY_MS = 2000;

/**
 * The address a family sends from: the configured one if the interface has it, else the interface's first that is no
 * shared address, not tentative and not deprecated; for IPv6 preferably link-local, as OpenBSD sends, unless a peer needs
 * to be reached from a global one.
 */
const sourceOf = (family: Family, settings: GroupSettings, state: InterfaceState): IpAddress | undefined => {
  const usable = state.addresses
    .filter(({ address, tentative }) => address.family === family && !tentative)
    .filter(({ address }) => !settings.addresses.some((shared) => sameAddress(shared.address, address)));
  const wanted = settings.sources.find((source) => source.family === family);
  if (wanted !== undefined) return usable.find(({ address }) => sameAddress(address, wanted))?.address;
  const fresh = usable.filter(({ deprecated }) => !deprecated);
  // To peers beyond a router nothing gets from a link-local address (RFC 4291, 2.5.6).
  const staysHere = settings.peers.every((peer) => peer.family !== family || isLinkLocal(peer));
  return (fresh.find(({ address }) => isLinkLocal(address) === staysHere) ?? fresh[0])?.address;
};

export const sourcesOf = (settings: GroupSettings, state: InterfaceState): Sources =>
  Object.fromEntries(
    familiesOf(settings).flatMap((family) => {
      const source = sourceOf(family, settings, state);
      return source === undefined ? [] : [[family, source]];
    }),
  );

const missingSource = (settings: GroupSettings): string => {
  const wanted = settings.sources.map(({ text }) => text).join(' or ');
  const families = familiesOf(settings).map((family) => `IPv${family}`);
  return wanted === ''
    ? `${settings.interface} has no usable ${families.join(' or ')} address to send from`
    : `${settings.interface} does not have the source address ${wanted}`;
};

type Opened = { readonly wire: Wire } | { readonly problem: Problem };

const judge = (settings: GroupSettings, state: InterfaceState, opened: Opened): Standing => {
  if ('problem' in opened) return { ready: false, detail: opened.problem.message, problem: opened.problem };
  const { wire } = opened;
  if (!(settings.ignoreLink ? state.enabled : state.up))
    return {
      ready: false,
      wire,
      detail: `${settings.interface} is down${settings.ignoreLink ? '' : ' or has no carrier'}`,
    };
  const sources = sourcesOf(settings, state);
  return Object.keys(sources).length > 0
    ? { ready: true, wire, sources }
    : { ready: false, wire, detail: missingSource(settings) };
};

const sameSources = (a: Sources, b: Sources): boolean => a[4]?.text === b[4]?.text && a[6]?.text === b[6]?.text;

const sameStanding = (a: Standing, b: Standing): boolean => {
  if (a.wire !== b.wire) return false;
  if (a.ready && b.ready) return sameSources(a.sources, b.sources);
  return !a.ready && !b.ready && a.detail === b.detail && a.problem?.code === b.problem?.code;
};

const missingInterface = (name: string): Problem =>
  problemOf(
    new CarpError('CARP_NO_INTERFACE', `there is no interface ${name}`, { remedy: '`ip link` lists the interfaces' }),
  );

export interface StandingNeeds {
  readonly interfaces: Interfaces;
  readonly transport: Transport;
  readonly addresses: Addresses;
  readonly scheduler: SchedulerLike;
}

/**
 * Follows the interface, keeps the wire open while it exists, and tells when the group can take part. Cold; never
 * completes, never fails: what is wrong is a standing with a problem, and is tried again every 2 s.
 *
 * @param startDelay - how long a group stays unready after it could have become ready, at the start and after a loss
 */
export const standings = (
  settings: GroupSettings,
  request: LeaseRequest | undefined,
  { interfaces, transport, addresses, scheduler }: StandingNeeds,
  startDelay: Millis,
): Observable<Standing> =>
  defer(() => {
    const state$ = interfaces.watch(settings.interface).pipe(shareReplay({ bufferSize: 1, refCount: true }));
    const opened = (): Observable<Opened> =>
      defer(() => {
        if (request !== undefined) addresses.check(request);
        return openWire(settings, transport).pipe(map((wire): Opened => ({ wire })));
      }).pipe(
        catchError((error: unknown) => of<Opened>({ problem: problemOf(error) })),
        repeat({ delay: () => timer(RETRY_MS, scheduler) }),
      );
    const opened$ = state$.pipe(
      map(({ exists }) => exists),
      distinctUntilChanged(),
      switchMap((exists) => (exists ? opened() : of<Opened>({ problem: missingInterface(settings.interface) }))),
    );
    return combineLatest([state$, opened$]).pipe(
      map(([state, wire]) => judge(settings, state, wire)),
      distinctUntilChanged(sameStanding),
      delayReadiness(startDelay, scheduler),
    );
  });

/** A link that has just come up may not pass packets yet (spanning tree): readiness must last before it counts. */
const delayReadiness = (startDelay: Millis, scheduler: SchedulerLike) => (standings$: Observable<Standing>) =>
  startDelay === 0
    ? standings$
    : standings$.pipe(
        connect((shared$) => {
          const settled$ = shared$.pipe(
            map(({ ready }) => ready),
            distinctUntilChanged(),
            switchMap((ready) => (ready ? timer(startDelay, scheduler).pipe(map(() => true)) : of(false))),
            startWith(false),
          );
          return combineLatest([shared$, settled$]).pipe(
            map(([standing, settled]): Standing => {
              if (!standing.ready || settled) return standing;
              return { ready: false, wire: standing.wire, detail: `waits ${startDelay / 1000} s (startDelay)` };
            }),
          );
        }),
        distinctUntilChanged(sameStanding),
      );
