import {
  auditTime,
  catchError,
  distinctUntilChanged,
  EMPTY,
  exhaustMap,
  filter,
  firstValueFrom,
  from,
  fromEvent,
  map,
  merge,
  type Observable,
  of,
  switchMap,
  takeUntil,
  tap,
  timer,
} from 'rxjs';
import { connectService, type ServiceLink } from '../agent/client.ts';
import type { AgentStatus } from '../agent/rpc.ts';
import { type Problem, problemOf } from '../ports/error.ts';
import { page, Screen } from './screen.ts';

export interface WatchOptions {
  /** The agent's socket. */
  readonly path: string;
  /** How a status is shown. */
  readonly text: (status: AgentStatus) => readonly string[];
  /** One line a status, also for a status that cannot be had. */
  readonly json: boolean;
  readonly output?: NodeJS.WriteStream;
}

type Seen = { readonly status: AgentStatus } | { readonly problem: Problem };

const REFRESH_MS = 1000;
/** Events that come together are one picture. */
const TOGETHER_MS = 50;

/** Shows the status until SIGINT or SIGTERM, also over restarts of the agent. */
export const watchStatus = async ({ path, text, json, output = process.stdout }: WatchOptions): Promise<void> => {
  const link = connectService({ path });
  const isTerminal = output.isTTY === true && !json;
  const linesOf = (seen: Seen): readonly string[] => {
    if ('status' in seen) return text(seen.status);
    return json ? [JSON.stringify(seen)] : [`no agent: ${seen.problem.message}`, `  ${seen.problem.remedy ?? ''}`];
  };
  const showCursor = (): void => void output.write(Screen.showCursor);
  const shown$ = isTerminal
    ? looks(link).pipe(tap((seen) => output.write(page(linesOf(seen), output.rows))))
    : looks(link).pipe(
        distinctUntilChanged((one, other) => essence(one) === essence(other)),
        tap((seen) => output.write(block(linesOf(seen), json))),
      );
  if (isTerminal) {
    output.write(`${Screen.hideCursor}${Screen.clear}`);
    process.once('exit', showCursor);
  }
  const ended$ = merge(fromEvent(process, 'SIGINT'), fromEvent(process, 'SIGTERM'));
  await firstValueFrom(
    shown$.pipe(
      takeUntil(ended$),
      filter(() => false),
    ),
    { defaultValue: undefined },
  );
  await link.stop();
  if (!isTerminal) return;
  process.off('exit', showCursor);
  showCursor();
};

/** What the agent says, each second and whenever something happens. Never fails: no agent is something to see, too. */
const looks = (link: ServiceLink): Observable<Seen> => {
  const look = (): Observable<Seen> =>
    from(link.status()).pipe(
      map((status) => ({ status })),
      catchError((error: unknown) => of({ problem: problemOf(error) })),
    );
  const asked$ = merge(link.events$, link.problems$, timer(0, REFRESH_MS)).pipe(auditTime(TOGETHER_MS));
  return link.state$.pipe(
    switchMap((state): Observable<Seen> => {
      if (state.state === 'failed') return of({ problem: state.problem });
      return state.state === 'running' ? asked$.pipe(exhaustMap(look)) : EMPTY;
    }),
  );
};

/** What makes a new block: not counters, nor the time that passes. */
const essence = (seen: Seen): string => {
  if ('problem' in seen) return seen.problem.code;
  const { pid, hosts } = seen.status;
  const groups = hosts.flatMap((host) => host.groups);
  return JSON.stringify([
    pid,
    groups.map(({ node, group, role, seq, master, demotion, ledger, problem, mismatches, hints }) => [
      [node, group, role, seq, master?.address, demotion],
      ledger,
      problem?.message,
      mismatches?.map(({ detail }) => detail),
      hints?.map(({ detail }) => detail),
    ]),
  ]);
};

const block = (lines: readonly string[], json: boolean): string => `${lines.join('\n')}\n${json ? '' : '\n'}`;
