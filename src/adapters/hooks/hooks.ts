import { concatMap, connect, filter, from, map, type Observable, of, take } from 'rxjs';
import type { CarpEvent } from '../../engine/status.ts';
import { type CommandLine, type CommandOutcome, runCommand } from './command.ts';

export type HookName = 'up' | 'down' | 'change';

export interface HookSettings {
  /** When this host has become MASTER. */
  readonly up?: CommandLine;
  /** When it is MASTER no more. */
  readonly down?: CommandLine;
  /** At every change of role, with two more arguments as devd(8) gives them: `10@eth0` and the role. */
  readonly change?: CommandLine;
  readonly timeoutMs: number;
}

/** How a hook went: part of a group's history. */
export interface HookRun {
  readonly hook: HookName;
  readonly seq: number;
  readonly outcome: CommandOutcome | { readonly type: 'superseded' };
}

/** What a hook finds in its environment, besides that of the agent. */
export const hookEnvironment = (event: CarpEvent): Readonly<Record<string, string>> => ({
  CARP_GROUP: event.group,
  CARP_NODE: event.node,
  CARP_INTERFACE: event.interface,
  CARP_VHID: String(event.vhid),
  CARP_SUBSYSTEM: `${event.vhid}@${event.interface}`,
  CARP_ROLE: event.role,
  CARP_PREVIOUS: event.previous,
  CARP_REASON: event.reason,
  CARP_MASTER: event.master?.address ?? '',
  CARP_ADDRESSES: event.addresses.join(' '),
  CARP_SEQ: String(event.seq),
  CARP_AT: event.at,
});

const commandsOf = (event: CarpEvent, settings: HookSettings): readonly (readonly [HookName, CommandLine])[] => {
  const { up, down, change } = settings;
  const commands: (readonly [HookName, CommandLine])[] = [];
  if (up !== undefined && event.role === 'MASTER') commands.push(['up', up]);
  if (down !== undefined && event.previous === 'MASTER' && event.role !== 'MASTER') commands.push(['down', down]);
  if (change !== undefined) commands.push(['change', [...change, `${event.vhid}@${event.interface}`, event.role]]);
  return commands;
};

/**
 * Runs the hooks of one group: one at a time, in the order of the transitions. A new transition cancels what still runs
 * for an older one and skips what has not begun, so that the last word is that of the last transition. Cold; completes
 * after the events when the last hook has ended; unsubscribing kills it.
 */
export const runHooks = (events$: Observable<CarpEvent>, settings: HookSettings): Observable<HookRun> =>
  events$.pipe(
    filter(({ event }) => event === 'transition'),
    connect((transitions$) => {
      let latest = 0;
      const newer$ = (seq: number) =>
        transitions$.pipe(
          filter((event) => event.seq > seq),
          take(1),
        );
      return transitions$.pipe(
        map((event) => {
          latest = event.seq;
          return event;
        }),
        concatMap((event) =>
          from(commandsOf(event, settings)).pipe(
            concatMap(([hook, command]): Observable<HookRun> => {
              const { seq } = event;
              if (seq < latest) return of({ hook, seq, outcome: { type: 'superseded' } });
              const environment = hookEnvironment(event);
              const options = { environment, timeoutMs: settings.timeoutMs, cancel$: newer$(seq) };
              return runCommand(command, options).pipe(map((outcome) => ({ hook, seq, outcome })));
            }),
          ),
        ),
      );
    }),
  );
