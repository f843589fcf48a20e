import { defer, filter, map, merge, type Observable, Subject, startWith } from 'rxjs';
import type { GroupParams } from '../src/agent/rpc.ts';
import type { CarpEvent } from '../src/engine/status.ts';
import type { Problem } from '../src/ports/error.ts';
import type { AgentLink } from './agent-link.ts';

/** The last that is known of a group. */
export interface GroupView {
  readonly event?: CarpEvent;
  readonly problem?: Problem;
}

/** The last news of all groups of one agent, kept for nodes that come later. */
export interface Board {
  /** Cold: first the present view (empty while nothing is known), then a view for each news, none left out. */
  readonly view$: (group: GroupParams) => Observable<GroupView>;
  /** Forgets all other groups: the last role of a group that runs no more must not be taken for the present one. */
  readonly keep: (groups: readonly GroupParams[]) => void;
  readonly close: () => void;
}

type News = (view: GroupView) => GroupView;

export const createBoard = (link: Pick<AgentLink, 'events$' | 'problems$'>): Board => {
  const views = new Map<string, GroupView>();
  const changed$ = new Subject<string>();
  const news$ = merge(
    link.events$.pipe(map((event): [string, News] => [keyOf(event), (view) => ({ ...view, event })])),
    link.problems$.pipe(map((change): [string, News] => [keyOf(change), (view) => withProblem(view, change.problem)])),
  );
  const subscription = news$.subscribe(([key, news]) => {
    views.set(key, news(views.get(key) ?? {}));
    changed$.next(key);
  });
  return {
    view$: (group) =>
      defer(() => {
        const key = keyOf(group);
        return changed$.pipe(
          startWith(key),
          filter((changed) => changed === key),
          map(() => views.get(key) ?? {}),
        );
      }),
    keep: (groups) => {
      const kept = new Set(groups.map(keyOf));
      for (const key of views.keys()) if (!kept.has(key)) views.delete(key);
    },
    close: () => {
      subscription.unsubscribe();
      changed$.complete();
    },
  };
};

const withProblem = ({ event }: GroupView, problem: Problem | undefined): GroupView => ({
  ...(event === undefined ? {} : { event }),
  ...(problem === undefined ? {} : { problem }),
});

const keyOf = ({ node, group }: GroupParams): string => `${node}\u0000${group}`;
