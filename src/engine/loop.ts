import {
  concatMap,
  connect,
  defer,
  ignoreElements,
  merge,
  type Observable,
  observeOn,
  queueScheduler,
  Subject,
  scan,
  takeWhile,
  tap,
} from 'rxjs';
import type { Effect } from '../machine/effects.ts';
import type { MachineEvent } from '../machine/events.ts';
import type { MachineSettings } from '../machine/settings.ts';
import { initialState, type State } from '../machine/state.ts';
import { transition } from '../machine/transition.ts';

/** What came of one event. */
export interface MachineStep {
  readonly event: MachineEvent;
  readonly state: State;
  readonly effects: readonly Effect[];
}

/**
 * Carries effects out, each before the next; what comes of that are events. Whoever sees a step knows that its effects
 * have been carried out.
 */
export type Interpreter = (effects$: Observable<Effect>) => Observable<MachineEvent>;

/**
 * Runs one machine: events in, steps out. Cold: nothing runs until subscribed, and unsubscribing stops every timer and
 * gives up every address. Completes with the step that has the effect `finish`.
 *
 * The graph is a circle, because effects cause events; `feedback$` is the one Subject that closes it. The queue
 * scheduler keeps the circle flat: an event raised during a step waits its turn, so the machine sees one event at a
 * time and the stack does not grow. `feedback$` is merged first, or an event caused by the very first input is lost;
 * `connect` wires everything before the first event flows.
 */
export const runMachine = (
  inputs$: Observable<MachineEvent>,
  settings: MachineSettings,
  interpret: Interpreter,
): Observable<MachineStep> =>
  defer(() => {
    const feedback$ = new Subject<MachineEvent>();
    return merge(feedback$, inputs$).pipe(
      observeOn(queueScheduler),
      scan<MachineEvent, MachineStep, Pick<MachineStep, 'state'>>(
        ({ state: before }, event) => {
          const [state, effects] = transition(before, event, settings);
          return { event, state, effects };
        },
        { state: initialState },
      ),
      takeWhile(({ effects }) => !effects.some(({ type }) => type === 'finish'), true),
      connect((steps$) =>
        merge(
          steps$.pipe(
            concatMap(({ effects }) => effects),
            connect(interpret),
            tap((event) => feedback$.next(event)),
            ignoreElements(),
          ),
          steps$,
        ),
      ),
    );
  });
