import { concatMap, connect, filter, from, map, type Observable, of, take } from 'rxjs';
import { devdLine } from '../../engine/devd.ts';
import type { CarpEvent, HookName } from '../../engine/status.ts';
import { type CommandLine, type CommandOutcome, runCommand } from './command.ts';

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

/** What a hook finds in its environment, besides the usual variables. */
export const hookEnvironment = (event: CarpEvent): Readonly<Record<string, string>> => ({
  CARP_GROUP: event.group,
  CARP_NODE: event.node,
  CARP_INTERFACE: event.interface,
  CARP_VHID: String(event.vhid),
  CARP_SUBSYSTEM: `${event.vhid}@${event.interface}`,
  CARP_DEVD: devdLine(event),
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
 * Whether a later transition makes a hook pointless. `down` after MASTER -> BACKUP is still wanted when BACKUP becomes
 * STOPPED, which has no `down` of its own: only the opposite of what a hook does supersedes it.
 */
const isObsolete = (hook: HookName, later: CarpEvent): boolean => {
  switch (hook) {
    case 'up':
      return later.role !== 'MASTER';
    case 'down':
      return later.role === 'MASTER';
    case 'change':
      return true;
  }
};

const HOOKS: readonly HookName[] = ['up', 'down', 'change'];

/**
 * Runs the hooks of one group: one at a time, in the order of the transitions. A later transition cancels what it makes
 * pointless, whether it runs or has not begun, so that the last word is that of the last transition. Cold; completes
 * after the events when the last hook has ended; unsubscribing kills it.
 *
 * Transitions are counted as they come: their `seq` begins anew when the group is restarted.
 *
 * @param settingsOf - looked at for each transition; `undefined`: there are no hooks now
 */
export const runHooks = (
  events$: Observable<CarpEvent>,
  settingsOf: (event: CarpEvent) => HookSettings | undefined,
): Observable<HookRun> =>
  events$.pipe(
    filter(({ event }) => event === 'transition'),
    map((event, index) => ({ event, index })),
    connect((transitions$) => {
      /** The last transition that makes this hook pointless. */
      const obsoleteSince: Record<HookName, number> = { up: -1, down: -1, change: -1 };
      return transitions$.pipe(
        map((one) => {
          for (const hook of HOOKS) if (isObsolete(hook, one.event)) obsoleteSince[hook] = one.index;
          return one;
        }),
        concatMap(({ event, index }) => {
          const settings = settingsOf(event);
          if (settings === undefined) return [];
          return from(commandsOf(event, settings)).pipe(
            concatMap(([hook, command]): Observable<HookRun> => {
              const { seq } = event;
              if (obsoleteSince[hook] > index) return of({ hook, seq, outcome: { type: 'superseded' } });
              const cancel$ = transitions$.pipe(
                filter((later) => later.index > index && isObsolete(hook, later.event)),
                take(1),
              );
              const options = { environment: hookEnvironment(event), timeoutMs: settings.timeoutMs, cancel$ };
              return runCommand(command, options).pipe(map((outcome) => ({ hook, seq, outcome })));
            }),
          );
        }),
      );
    }),
  );
