import { type SchedulerLike, Subscription, skip } from 'rxjs';
import { type TrackState, track } from '../adapters/hooks/track.ts';
import type { GroupConfig, TrackConfig } from '../config/types.ts';
import type { HostDemotion } from '../engine/host.ts';
import { CarpError } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';

export interface HostChecksOptions {
  readonly node: string;
  readonly demote: (demotion: HostDemotion) => void;
  readonly restore: (reason: string, group: string) => void;
  readonly scheduler: SchedulerLike;
  readonly log: Log;
  /** Default: runs the command of the check. */
  readonly watch?: typeof track;
}

/** What the groups of one engine track: commands whose failure demotes their group until they succeed again. */
export class HostChecks {
  readonly #options: HostChecksOptions;
  readonly #running = new Map<string, Subscription>();

  constructor(options: HostChecksOptions) {
    this.#options = options;
  }

  /**
   * Runs the checks of these groups and no others; to be called before the engine gets the same groups. A check that
   * stays the same goes on, with what it has found. One that ends takes its entry along.
   */
  configure(groups: readonly Pick<GroupConfig, 'name' | 'track'>[]): void {
    const wanted = new Map(
      groups.flatMap(({ name, track: checks }) =>
        checks.map((check): [string, [string, TrackConfig]] => [JSON.stringify([name, check]), [name, check]]),
      ),
    );
    // What ends before what begins: an entry of the same reason would be taken away from its successor.
    for (const [key, check] of this.#running) {
      if (wanted.has(key)) continue;
      this.#running.delete(key);
      check.unsubscribe();
    }
    for (const [key, [group, check]] of wanted)
      if (!this.#running.has(key)) this.#running.set(key, this.#start(group, check));
  }

  stop(): void {
    this.configure([]);
  }

  #start(group: string, { weight, every, ...check }: TrackConfig): Subscription {
    const { node, demote, log, scheduler, watch = track } = this.#options;
    const reason = `track ${check.name}`;
    const told = (healthy: boolean, detail: string): void =>
      log(
        healthy ? 'info' : 'warn',
        healthy ? `${reason} is well again` : `${reason} has failed ${check.fall} times in a row: ${detail}`,
        { node, group, weight },
      );
    const act = ({ healthy, detail }: TrackState): void => {
      told(healthy, detail);
      if (healthy) this.#restore(reason, group);
      else demote({ reason, weight, group });
    };
    // The first state is an assumption, not a result.
    const results = watch({ ...check, everyMs: every * 1000 }, scheduler).pipe(skip(1));
    const running = new Subscription(() => this.#restore(reason, group));
    running.add(results.subscribe(act));
    return running;
  }

  /** A group that has gone has no entries any more. */
  #restore(reason: string, group: string): void {
    try {
      this.#options.restore(reason, group);
    } catch (error) {
      if (!(error instanceof CarpError) || error.code !== 'CARP_NO_GROUP') throw error;
    }
  }
}
