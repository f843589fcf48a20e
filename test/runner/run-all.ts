/** Runs test files, several at a time, and gives those another chance that failed while the machine stood still. */
import type { FileResult } from './file-report.ts';
import { Schedule } from './schedule.ts';
import type { Disturbance } from './witness.ts';

/** How often a file is run at most; each run but the last has to have been disturbed. */
const RUNS_MAX = 4;

export interface RunAllOptions {
  readonly concurrency: number;
  readonly run: (file: string) => Promise<FileResult>;
  /** What happened to the machine between these times (monotonic milliseconds). */
  readonly disturbances: (from: number, to: number) => readonly Disturbance[];
  /** Waits for a machine on which another run is worth while. */
  readonly untilQuiet: () => Promise<void>;
  /** Nothing is started any more. */
  readonly stopped: AbortSignal;
  readonly nameOf: (file: string) => string;
  readonly print: (text: string) => void;
}

export interface Outcome {
  /** The last run of each file that was run. */
  readonly results: readonly FileResult[];
  /** Names of files that were run more than once. */
  readonly repeated: readonly string[];
}

export const runAll = async (files: readonly string[], options: RunAllOptions): Promise<Outcome> => {
  const { concurrency, run, disturbances, untilQuiet, stopped, nameOf, print } = options;
  const results: FileResult[] = [];
  const again: string[] = [];

  const conclude = (result: FileResult): void => {
    const { file, ok, output, passed, skipped, failed, from, to } = result;
    const more = [...(failed > 0 ? [`${failed} failed`] : []), ...(skipped > 0 ? [`${skipped} skipped`] : [])];
    const numbers = [`${passed} passed`, ...more].join(', ');
    results.push(result);
    print(`${ok ? 'ok' : 'not ok'} - ${nameOf(file)}: ${numbers} (${((to - from) / 1000).toFixed(1)} s)\n${output}`);
  };

  /** @returns whether the failure says nothing, because of what happened to the machine */
  const isDisturbed = ({ file, ok, output, from, to }: FileResult): boolean => {
    if (ok || stopped.aborted) return false;
    const what = [...new Set(disturbances(from, to).map((each) => each.what))];
    if (what.length === 0) return false;
    const shown = [...what.slice(0, 3), ...(what.length > 3 ? [`${what.length - 3} times more`] : [])].join(', ');
    const quoted = output.replace(/^/gm, '  | ').replace(/ +$/gm, '');
    print(`again - ${nameOf(file)} failed on a machine that ${shown}; it runs once more\n${quoted}\n`);
    return true;
  };

  const schedule = new Schedule(files);
  const work = async (worker: number): Promise<void> => {
    for (;;) {
      const file = stopped.aborted ? undefined : schedule.next(worker);
      if (file === undefined) return;
      const result = await run(file);
      if (isDisturbed(result)) again.push(file);
      else conclude(result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, worker) => work(worker)));

  for (const file of again)
    for (let runs = 2; !stopped.aborted; runs += 1) {
      await untilQuiet();
      if (stopped.aborted) break;
      const result = await run(file);
      if (runs < RUNS_MAX && isDisturbed(result)) continue;
      conclude(result);
      break;
    }
  return { results, repeated: again.map(nameOf) };
};
