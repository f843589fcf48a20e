/** Groups of the bus for people: a block each. What others wrote is made fit for a terminal. */
import type { FleetFinding, FleetGroup, FleetMember } from './fleet-group.ts';
import { printable, style } from './output.ts';
import { shortTime, wrap } from './status-text.ts';

/** Colours a line, or leaves it as it is. */
type Paint = (text: string) => string;
const plain: Paint = (text) => text;

interface Row {
  readonly cells: readonly string[];
  readonly paint: Paint;
}

const COLUMNS = 80;
const LABEL = 'warning  '.length;
const TITLES = ['NODE', 'STATUS', 'ROLE', 'ADVSKEW', 'DEMOTION', 'MODE', 'HOLDS', 'SAID'] as const;

/** @param columns - where sentences are broken; tables keep their width */
export const groupLines = (group: FleetGroup, now: Date, columns = COLUMNS): readonly string[] => [
  `${style('bold', shown(group.group))}${group.vhid === undefined ? '' : `  vhid ${group.vhid}`}  ${masterText(group, now)}`,
  ...(group.members.length === 0 ? [] : table([heading, ...group.members.map(rowOf)])),
  ...group.findings.flatMap((finding) => findingLines(finding, columns)),
];

/** Such as `12 groups on 5 nodes; 2 need attention: plant, office`. */
export const summaryLine = (groups: readonly FleetGroup[]): string => {
  const nodes = new Set(groups.flatMap(({ members }) => members.map(({ node }) => node)));
  const troubled = groups.filter(({ findings }) => findings.length > 0).map(({ group }) => shown(group));
  const names = troubled.slice(0, NAMED_MAX).join(', ') + (troubled.length > NAMED_MAX ? ', …' : '');
  const trouble = troubled.length === 0 ? 'all is well' : `${troubled.length} to look at: ${names}`;
  return `${count(groups.length, 'group')} on ${count(nodes.size, 'node')}; ${trouble}`;
};

const NAMED_MAX = 8;

const masterText = ({ master }: FleetGroup, now: Date): string => {
  if (master === undefined) return style('yellow', 'no MASTER known');
  const { node, address, since, confirmed } = master;
  const who = [shown(node), shown(address)].filter((word) => word !== '').join(' ');
  const when = since === undefined ? '' : ` since ${shortTime(since)} (${span(now.getTime() - Date.parse(since))})`;
  return confirmed ? `${style('green', 'MASTER')} ${who}${when}` : style('grey', `last MASTER ${who}${when}`);
};

const heading: Row = { cells: TITLES, paint: plain };

const rowOf = (member: FleetMember): Row => {
  const { node, status, alive, role = '-', advskew, demotion, mode, ageMs } = member;
  // In words as well as in colour: not every output has one.
  const roleText = alive ? role : `(${role})`;
  const number = (value: number | undefined): string => (value === undefined ? '-' : `${value}`);
  const said = ageMs === undefined ? '-' : `${span(ageMs)} ago`;
  return {
    cells: [node, status, roleText, number(advskew), number(demotion), mode ?? '-', holdsText(member), said].map(shown),
    paint: paintOf(member),
  };
};

const paintOf = ({ alive, role }: FleetMember): Paint => {
  if (!alive) return (text) => style('grey', text);
  return role === 'MASTER' ? (text) => style('green', text) : plain;
};

const holdsText = ({ held, absent }: FleetMember): string =>
  held === undefined || absent === undefined ? '-' : `${held.length} of ${held.length + absent.length}`;

const table = (rows: readonly Row[]): readonly string[] => {
  const widths = TITLES.map((_, i) => Math.max(...rows.map(({ cells }) => cells[i]?.length ?? 0)));
  return rows.map(({ cells, paint }) => {
    const text = cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ');
    return `  ${paint(text.trimEnd())}`;
  });
};

const findingLines = ({ severity, code, text, since, by }: FleetFinding, columns: number): readonly string[] => {
  const isAlarm = severity === 'alarm';
  const label = isAlarm ? style('red', 'ALARM'.padEnd(LABEL)) : style('yellow', 'warning'.padEnd(LABEL));
  const source = by === undefined ? '' : ` (says ${by}${since === undefined ? '' : ` since ${shortTime(since)}`})`;
  const words = shown(`${isAlarm ? `${code}: ` : ''}${text}${source}`);
  return wrap(words, columns - LABEL - 2).map((line, i) => `  ${i === 0 ? label : ' '.repeat(LABEL)}${line}`);
};

/** In one line, and without anything that a terminal would obey. */
export const shown = (text: string): string => printable(text.replace(/\s+/g, ' '));

const span = (ms: number): string => {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 2 * 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
};

const count = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? '' : 's'}`;
