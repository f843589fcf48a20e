import {
  groupBy,
  map,
  mergeMap,
  type Observable,
  race,
  type SchedulerLike,
  Subject,
  type Subscription,
  timer,
} from 'rxjs';
import { lastLine } from '../adapters/hooks/command.ts';
import { type HookRun, type HookSettings, runHooks } from '../adapters/hooks/hooks.ts';
import type { GroupConfig } from '../config/types.ts';
import type { CarpEvent, HookReport } from '../engine/status.ts';
import type { Log } from '../ports/log.ts';
import { LAST_HOOKS_MS_MAX } from './last-hooks.ts';

/** How many runs of a group are remembered. */
const REPORTS_MAX = 20;

export interface HostHooksOptions {
  readonly node: string;
  /** Of one engine, which completes them when it has stopped and released. */
  readonly events$: Observable<CarpEvent>;
  readonly scheduler: SchedulerLike;
  readonly wallClock: () => Date;
  readonly log: Log;
}

/**
 * The hooks of all groups of one engine: each group has a queue of its own, which waits for nobody and for which nobody
 * waits. Lives as long as the engine, and a little longer for the last hooks.
 */
export class HostHooks {
  readonly #options: HostHooksOptions;
  readonly #settings = new Map<string, HookSettings | undefined>();
  readonly #reports = new Map<string, readonly HookReport[]>();
  readonly #ended$ = new Subject<void>();
  readonly #running: Subscription;

  constructor(options: HostHooksOptions) {
    this.#options = options;
    this.#running = options.events$
      .pipe(
        groupBy(({ group }) => group),
        mergeMap((events$) =>
          runHooks(events$, ({ group }) => this.#settings.get(group)).pipe(map((run) => ({ group: events$.key, run }))),
        ),
      )
      .subscribe({
        next: ({ group, run }) => this.#keep(group, run),
        complete: () => this.#ended$.complete(),
      });
  }

  /** From the next transition on. A group that is not among these keeps its hooks, for its farewell is still to come. */
  configure(groups: readonly GroupConfig[]): void {
    for (const { name, hooks } of groups) this.#settings.set(name, hooks === undefined ? undefined : settingsOf(hooks));
  }

  /** The last runs, newest first; `undefined` for a group without hooks. */
  reportsOf(group: string): readonly HookReport[] | undefined {
    return this.#reports.get(group) ?? (this.#settings.get(group) === undefined ? undefined : []);
  }

  /** After the events have completed: waits for the last hooks, and kills what takes too long. Never rejects. */
  finish(): Promise<void> {
    const { node, scheduler, log } = this.#options;
    return new Promise((resolve) => {
      if (this.#running.closed) return resolve();
      const late$ = timer(LAST_HOOKS_MS_MAX, scheduler).pipe(
        map(() =>
          log('warn', `${node}: the last hooks still ran after ${LAST_HOOKS_MS_MAX / 1000} s, and were killed`),
        ),
      );
      // `ended$` completes without a value, which ends the race as well.
      race(this.#ended$, late$).subscribe({
        complete: () => {
          this.kill();
          resolve();
        },
      });
    });
  }

  kill(): void {
    this.#running.unsubscribe();
  }

  #keep(group: string, run: HookRun): void {
    const report = reportOf(run, this.#options.wallClock());
    this.#reports.set(group, [report, ...(this.#reports.get(group) ?? [])].slice(0, REPORTS_MAX));
    const { log, node } = this.#options;
    const { at: _at, hook, seq, outcome, code, ms, message } = report;
    const failed = ['timeout', 'not-started'].includes(outcome) || (outcome === 'exited' && code !== 0);
    const how = outcome === 'exited' ? `exit code ${code}` : outcome;
    const line = `hook ${hook} of transition ${seq}: ${how}${ms === undefined ? '' : ` after ${ms} ms`}`;
    log(failed ? 'warn' : 'info', message === undefined ? line : `${line}: ${message}`, { node, group });
  }
}

const settingsOf = ({ timeout, ...commands }: NonNullable<GroupConfig['hooks']>): HookSettings => ({
  ...commands,
  timeoutMs: timeout * 1000,
});

const reportOf = ({ hook, seq, outcome }: HookRun, now: Date): HookReport => {
  const run = { hook, seq, at: now.toISOString() };
  switch (outcome.type) {
    case 'exited': {
      const { code, ms } = outcome;
      return { ...run, outcome: 'exited', code, ms, ...(code === 0 ? {} : said(outcome.output)) };
    }
    case 'killed':
      return { ...run, outcome: outcome.why, ms: outcome.ms, ...said(outcome.output) };
    case 'not-started':
      return { ...run, outcome: 'not-started', message: outcome.message };
    case 'superseded':
      return { ...run, outcome: 'superseded' };
  }
};

const said = (output: string): { readonly message?: string } => {
  const message = lastLine(output);
  return message === '' ? {} : { message };
};
