import { defer, filter, map, merge, type Observable, Subject, startWith } from 'rxjs';
import type { LinkState } from '../src/agent/link.ts';
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
  /** Hot: news of some group, or of the agent itself. */
  readonly changed$: Observable<void>;
  /** The present view. */
  readonly look: (group: GroupParams) => GroupView;
  /** Forgets all other groups: the last role of a group that runs no more must not be taken for the present one. */
  readonly keep: (groups: readonly GroupParams[]) => void;
  readonly close: () => void;
}

type News = (view: GroupView) => GroupView;

export interface BoardOptions {
  /** The name of an agent that has groups of its own: one that it has not spoken of does not exist. */
  readonly service?: string;
}

export const createBoard = (
  link: Pick<AgentLink, 'events$' | 'problems$' | 'state$'>,
  { service }: BoardOptions = {},
): Board => {
  const views = new Map<string, GroupView>();
  /** Of one group, or of all (undefined). */
  const changed$ = new Subject<string | undefined>();
  let state: LinkState = { state: 'starting' };
  const news$ = merge(
    link.events$.pipe(map((event): [string, News] => [keyOf(event), (view) => ({ ...view, event })])),
    link.problems$.pipe(map((change): [string, News] => [keyOf(change), (view) => withProblem(view, change.problem)])),
  );
  const subscription = news$.subscribe(([key, news]) => {
    views.set(key, news(views.get(key) ?? {}));
    changed$.next(key);
  });
  subscription.add(
    link.state$.subscribe((next) => {
      state = next;
      changed$.next(undefined);
    }),
  );

  const seen = (group: GroupParams): GroupView => {
    const view = views.get(keyOf(group)) ?? {};
    if (view.problem !== undefined) return view;
    if (state.state === 'failed') return { ...view, problem: state.problem };
    if (service === undefined || state.state !== 'running' || view.event !== undefined) return view;
    return { problem: unknownTo(service, group, [...views.values()]) };
  };

  return {
    view$: (group) =>
      defer(() =>
        changed$.pipe(
          startWith(undefined),
          filter((changed) => changed === undefined || changed === keyOf(group)),
          map(() => seen(group)),
        ),
      ),
    changed$: changed$.pipe(map(() => undefined)),
    look: seen,
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

const unknownTo = (service: string, { node, group }: GroupParams, known: readonly GroupView[]): Problem => {
  const names = known.flatMap(({ event }) => (event === undefined ? [] : [`${event.group} of ${event.node}`]));
  return {
    code: 'CARP_NO_GROUP',
    message: `the service at ${service} has no group "${group}" of node ${node}`,
    remedy: `choose one of these: ${names.join(', ') || 'it has no groups; add them to its configuration file'}`,
  };
};

const withProblem = ({ event }: GroupView, problem: Problem | undefined): GroupView => ({
  ...(event === undefined ? {} : { event }),
  ...(problem === undefined ? {} : { problem }),
});

const keyOf = ({ node, group }: GroupParams): string => `${node}\u0000${group}`;
