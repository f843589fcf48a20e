import { filter, firstValueFrom, fromEvent, merge, type Observable, takeUntil, tap } from 'rxjs';
import type { FleetPicture } from './fleet-follow.ts';
import type { FleetGroup } from './fleet-group.ts';
import { groupLines, shown, summaryLine } from './fleet-text.ts';
import { style } from './output.ts';
import { page, roomFor, Screen } from './screen.ts';

export interface FleetWatchOptions {
  readonly pictures$: Observable<FleetPicture>;
  /** One object a line. */
  readonly json: boolean;
  readonly output?: NodeJS.WriteStream;
}

/**
 * Shows the fleet until SIGINT or SIGTERM: on a terminal as one page that is drawn again, else a block (or an object)
 * for each group that has changed.
 */
export const watchFleet = async ({ pictures$, json, output = process.stdout }: FleetWatchOptions): Promise<void> => {
  const isTerminal = output.isTTY === true && !json;
  const news = changes(json);
  const showCursor = (): void => void output.write(`${Screen.wrap}${Screen.showCursor}`);
  const shown$ = pictures$.pipe(
    tap((picture) => output.write(isTerminal ? page(pageLines(picture, output), output.rows) : news(picture))),
  );
  if (isTerminal) {
    output.write(`${Screen.hideCursor}${Screen.noWrap}${Screen.clear}`);
    process.once('exit', showCursor);
  }
  try {
    await firstValueFrom(
      shown$.pipe(
        takeUntil(merge(fromEvent(process, 'SIGINT'), fromEvent(process, 'SIGTERM'))),
        filter(() => false),
      ),
      { defaultValue: undefined },
    );
  } finally {
    if (isTerminal) {
      process.off('exit', showCursor);
      showCursor();
    }
  }
};

/** One block after the other, those first that somebody has to look at: the page may be longer than the terminal. */
export const pageLines = (
  picture: FleetPicture,
  { rows, columns }: Pick<NodeJS.WriteStream, 'rows' | 'columns'>,
): readonly string[] => {
  const { broker, lost, groups } = picture;
  const now = new Date();
  const connection = lost === undefined ? style('green', 'connected') : style('red', lostText(lost, now));
  const isQuiet = ({ findings }: FleetGroup): boolean => findings.length === 0;
  const sorted = [...groups.filter((group) => !isQuiet(group)), ...groups.filter(isQuiet)];
  const lines = [
    `${shown(broker)}  ${connection}`,
    summaryLine(groups),
    // A terminal that does not know its size says 0.
    ...sorted.flatMap((group) => ['', ...groupLines(group, now, columns === 0 ? undefined : columns)]),
  ];
  const room = roomFor(rows);
  if (lines.length <= room) return lines;
  const hidden = lines.length - room + 1;
  return [
    ...lines.slice(0, room - 1),
    style('grey', `… ${hidden} more lines; carp fleet GROUP… shows some groups only`),
  ];
};

const lostText = ({ text, retryAt }: NonNullable<FleetPicture['lost']>, now: Date): string => {
  const seconds = Math.ceil((retryAt - now.getTime()) / 1000);
  return `no connection: ${shown(text)}; ${seconds > 0 ? `trying again in ${seconds} s` : 'trying again'}`;
};

/** What of a picture is new since the one before, as text to print. */
const changes = (json: boolean): ((picture: FleetPicture) => string) => {
  const told = new Map<string, string>();
  let connection = '';
  return ({ broker, lost, groups }) => {
    const now = new Date();
    const parts: string[] = [];
    const told$ = lost?.text ?? '';
    if (told$ !== connection) parts.push(connectionBlock(broker, lost, json));
    connection = told$;
    for (const group of groups) {
      const essence = essenceOf(group);
      if (told.get(group.group) === essence) continue;
      told.set(group.group, essence);
      parts.push(json ? JSON.stringify(group) : `${groupLines(group, now).join('\n')}\n`);
    }
    for (const name of [...told.keys()].filter((each) => !groups.some(({ group }) => group === each))) {
      told.delete(name);
      parts.push(json ? JSON.stringify({ group: name, gone: true }) : `${shown(name)}  is gone from the bus\n`);
    }
    return parts.map((part) => `${part}\n`).join('');
  };
};

const connectionBlock = (broker: string, lost: FleetPicture['lost'], json: boolean): string => {
  if (json)
    return JSON.stringify({
      broker,
      connected: lost === undefined,
      ...(lost === undefined ? {} : { problem: lost.text }),
    });
  return lost === undefined
    ? `connected to ${shown(broker)} again\n`
    : `no connection to ${shown(broker)}: ${shown(lost.text)}\n`;
};

/** What makes a new block: not the time that passes. */
const essenceOf = ({ members, ...group }: FleetGroup): string =>
  JSON.stringify([group, members.map(({ ageMs: _, ...member }) => member)], (key, value: unknown) =>
    // "has said nothing for 31 s" is the same as for 32.
    key === 'text' && typeof value === 'string' ? value.replace(/for \d+ s/, '') : value,
  );
