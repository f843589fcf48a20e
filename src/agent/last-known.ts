import type { CarpEvent } from '../engine/status.ts';
import type { Problem } from '../ports/error.ts';
import type { ProblemNotice } from './rpc.ts';

/**
 * What an agent has said about its groups, for the time when it says nothing any more. A role that cannot be known is
 * STOPPED, never the last one that was heard: status that goes stale is what people take wrong decisions on.
 */
export class LastKnown {
  readonly #events = new Map<string, CarpEvent>();
  readonly #problems = new Map<string, ProblemNotice>();
  /** Problems of the former connection that this one has not confirmed. */
  readonly #unconfirmed = new Map<string, ProblemNotice>();

  event(event: CarpEvent): void {
    if (event.role === 'STOPPED') this.#events.delete(keyOf(event));
    else this.#events.set(keyOf(event), event);
  }

  problem(notice: ProblemNotice): void {
    this.#unconfirmed.delete(keyOf(notice));
    if (notice.problem === undefined) this.#problems.delete(keyOf(notice));
    else this.#problems.set(keyOf(notice), notice);
  }

  /** The connection has gone: what subscribers are to be told. `others` are groups that never said anything. */
  lost(problem: Problem, at: Date, others: readonly { node: string; group: string }[] = []): Farewell {
    const events = [...this.#events.values()].map((last) => stopped(last, problem, at));
    const silent = new Map(
      [...this.#events.values(), ...others].map(({ node, group }) => [keyOf({ node, group }), { node, group }]),
    );
    this.#events.clear();
    const problems = [...silent.values()].map(({ node, group }): ProblemNotice => ({ node, group, problem }));
    for (const notice of problems) this.#problems.set(keyOf(notice), notice);
    return { events, problems };
  }

  /** A new connection begins. */
  found(): void {
    for (const [key, notice] of this.#problems) this.#unconfirmed.set(key, notice);
  }

  /** The new connection has said all there is to say: the problems that have gone meanwhile. */
  settled(): readonly ProblemNotice[] {
    const gone = [...this.#unconfirmed.values()].map(({ node, group }): ProblemNotice => ({ node, group }));
    for (const notice of gone) this.problem(notice);
    return gone;
  }
}

export interface Farewell {
  readonly events: readonly CarpEvent[];
  readonly problems: readonly ProblemNotice[];
}

const keyOf = ({ node, group }: { readonly node: string; readonly group: string }): string => `${node}\n${group}`;

const stopped = ({ master: _unknown, ...last }: CarpEvent, problem: Problem, at: Date): CarpEvent => ({
  ...last,
  event: 'transition',
  role: 'STOPPED',
  previous: last.role,
  reason: 'stop',
  detail: problem.message,
  at: at.toISOString(),
  seq: last.seq + 1,
});
