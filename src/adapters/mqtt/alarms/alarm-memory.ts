import type { Alarm, AlarmCode } from '../payloads.ts';
import type { Suspicion } from './alarm-suspicion.ts';

/** An alarm that has just been raised or cleared. */
export interface AlarmChange {
  readonly type: 'raised' | 'cleared';
  readonly code: AlarmCode;
  readonly suspicion: Suspicion;
}

/** What readers of alarms take. Names may be long, and hosts many. */
const TEXT_MAX = 1024;
const NODES_MAX = 64;

interface Entry {
  readonly firstAt: number;
  lastAt: number;
  suspicion: Suspicion;
  /** Wall clock, when it was raised. */
  since?: string;
}

/**
 * What is suspected of one group, and for how long: at most one alarm for each code. What comes and goes within one
 * interval counts as having been there all the time, so that a group that flaps raises one alarm and not one a second.
 */
export class AlarmMemory {
  readonly #entries = new Map<AlarmCode, Entry>();

  /** Whether there is anything that time alone may change. */
  get isIdle(): boolean {
    return this.#entries.size === 0;
  }

  /** In the order in which they were suspected. */
  get alarms(): readonly Alarm[] {
    return this.raised.map(({ suspicion: { code, nodes, what, remedy }, since }) => ({
      code,
      text: shortened(`${what}: ${remedy}`),
      nodes: nodes.slice(0, NODES_MAX),
      since,
    }));
  }

  get raised(): readonly { readonly suspicion: Suspicion; readonly since: string }[] {
    return [...this.#entries.values()].flatMap(({ suspicion, since }) =>
      since === undefined ? [] : [{ suspicion, since }],
    );
  }

  clear(): void {
    this.#entries.clear();
  }

  /**
   * @param found - all that is wrong now
   * @param time - `now` is monotonic; what has been gone for `holdMs` is over
   */
  update(
    found: readonly Suspicion[],
    { now, wallClock, holdMs }: { readonly now: number; readonly wallClock: Date; readonly holdMs: number },
  ): readonly AlarmChange[] {
    const changes: AlarmChange[] = [];
    for (const suspicion of found) {
      const { code, patienceMs } = suspicion;
      const entry = this.#entries.get(code) ?? { firstAt: now, lastAt: now, suspicion };
      this.#entries.set(code, entry);
      entry.lastAt = now;
      entry.suspicion = suspicion;
      if (entry.since !== undefined || now - entry.firstAt < patienceMs) continue;
      entry.since = wallClock.toISOString();
      changes.push({ type: 'raised', code, suspicion });
    }
    for (const [code, { lastAt, since, suspicion }] of this.#entries) {
      if (now - lastAt < holdMs || lastAt === now) continue;
      this.#entries.delete(code);
      if (since !== undefined) changes.push({ type: 'cleared', code, suspicion });
    }
    return changes;
  }
}

const shortened = (text: string): string => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX - 1)}…` : text);
