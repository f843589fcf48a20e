import {
  concat,
  defer,
  distinctUntilChanged,
  exhaustMap,
  map,
  NEVER,
  type Observable,
  of,
  type SchedulerLike,
  scan,
  timer,
} from 'rxjs';
import { type CommandLine, type CommandOutcome, lastLine, runCommand } from './command.ts';

export interface TrackSettings {
  readonly name: string;
  readonly command: CommandLine;
  readonly everyMs: number;
  /** So many successes in a row make it well again. */
  readonly rise: number;
  /** So many failures in a row make it fail. */
  readonly fall: number;
}

export interface TrackState {
  readonly healthy: boolean;
  /** Why, in a sentence for the log. */
  readonly detail: string;
}

const detailOf = (outcome: CommandOutcome): string => {
  switch (outcome.type) {
    case 'exited':
      return [`exit code ${outcome.code}`, outcome.code === 0 ? '' : lastLine(outcome.output)]
        .filter(Boolean)
        .join(': ');
    case 'killed':
      return `no answer within ${outcome.ms} ms`;
    case 'not-started':
      return outcome.message;
  }
};

interface Streak extends TrackState {
  readonly successes: number;
  readonly failures: number;
}

const judge =
  ({ rise, fall }: TrackSettings) =>
  (streak: Streak, outcome: CommandOutcome): Streak => {
    const good = outcome.type === 'exited' && outcome.code === 0;
    const successes = good ? streak.successes + 1 : 0;
    const failures = good ? 0 : streak.failures + 1;
    const healthy = streak.healthy ? failures < fall : successes >= rise;
    return { healthy, successes, failures, detail: detailOf(outcome) };
  };

/**
 * Watches something by running a command from time to time: code 0 is good, all else is bad, and so is no answer before
 * the next run is due. It counts as healthy until it has failed `fall` times in a row, and then until it has succeeded
 * `rise` times. Emits changes only. Cold; never completes, never fails.
 */
export const track = (
  settings: TrackSettings,
  scheduler: SchedulerLike,
  run: (command: CommandLine, timeoutMs: number) => Observable<CommandOutcome> = (command, timeoutMs) =>
    runCommand(command, { environment: { CARP_TRACK: settings.name }, timeoutMs, cancel$: NEVER }),
): Observable<TrackState> => {
  const start: Streak = { healthy: true, successes: 0, failures: 0, detail: 'not looked at yet' };
  return concat(
    of(start),
    defer(() => timer(0, settings.everyMs, scheduler)).pipe(
      exhaustMap(() => run(settings.command, settings.everyMs)),
      scan(judge(settings), start),
    ),
  ).pipe(
    distinctUntilChanged((a, b) => a.healthy === b.healthy),
    map(({ healthy, detail }) => ({ healthy, detail })),
  );
};
