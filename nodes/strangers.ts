/** Hosts of a group whose signature is refused: to each other, both are MASTER. */
import {
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  scan,
  startWith,
  switchMap,
} from 'rxjs';
import type { MismatchEvent } from '../src/engine/mismatch.ts';
import type { GroupView } from './board.ts';
import type { Registry } from './registry.ts';

/** Whether there is one now. VRRP with the same number is none: it wants other addresses. Cold; the present state first. */
export const hasStranger = (
  registry: Pick<Registry, 'findings$' | 'statusOf'>,
  id: string,
  view$: Observable<GroupView>,
): Observable<boolean> =>
  view$.pipe(
    map(({ problem }) => problem === undefined),
    distinctUntilChanged(),
    // An agent that was away has forgotten whom it refused.
    switchMap((isWell) => (isWell ? strangers(registry, id) : of(false))),
    distinctUntilChanged(),
  );

const strangers = (registry: Pick<Registry, 'findings$' | 'statusOf'>, id: string): Observable<boolean> =>
  merge(
    registry.findings$(id).pipe(filter((finding) => finding.event === 'auth-mismatch')),
    defer(() => registry.statusOf(id)).pipe(
      mergeMap(({ mismatches = [] }) => mismatches),
      // Nobody to ask yet: what is found later comes as an event.
      catchError(() => EMPTY),
    ),
  ).pipe(
    filter(({ kind }) => kind !== 'vrrp'),
    scan((sources, { source, cleared }: MismatchEvent) => {
      const now = new Set(sources);
      if (cleared === true) now.delete(source);
      else now.add(source);
      return now;
    }, new Set<string>()),
    map(({ size }) => size > 0),
    startWith(false),
  );
