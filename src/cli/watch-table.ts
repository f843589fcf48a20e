/** What is known of a segment, as a table for people. */
import type { SegmentReport, SpeakerReport, WireReport } from '../engine/segment-report.ts';
import { placeText, rankText, SYSTEM_NAMES, secondsText } from './watch-text.ts';

type Column = readonly [title: string, cell: (speaker: SpeakerReport) => string];

const systemText = ({ system, candidates }: SpeakerReport): string => {
  if (system !== 'unknown') return `${SYSTEM_NAMES[system]}?`;
  return candidates.length === 0 || candidates.length > 2
    ? 'unknown'
    : `${candidates.map((each) => SYSTEM_NAMES[each]).join('/')}?`;
};

const COLUMNS: readonly Column[] = [
  ['GROUP', placeText],
  ['SOURCE', ({ source, self }) => `${source}${self ? ' (this host)' : ''}`],
  ['MAC', ({ mac }) => mac ?? '-'],
  ['ROLE', ({ role }) => role],
  ['RANK', ({ rank }) => rankText(rank)],
  ['EVERY', ({ intervalMs }) => secondsText(intervalMs)],
  ['ADVERTS', ({ adverts }) => `${adverts}`],
  ['SYSTEM', systemText],
  ['DIGEST', ({ digest }) => digest],
];

const tableLines = (speakers: readonly SpeakerReport[]): readonly string[] => {
  const rows = [COLUMNS.map(([title]) => title), ...speakers.map((each) => COLUMNS.map(([, cell]) => cell(each)))];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
};

const wireName = ({ vlan, interface: port }: WireReport): string =>
  [vlan === undefined ? '' : ` on VLAN ${vlan}`, port === undefined ? '' : ` of interface ${port}`].join('');

/** Of advbase 255 and advskew 254, rounded up: whoever has listened for so long has heard every MASTER. */
export const LONGEST_INTERVAL_MS = 256_000;

/** A report, and for how long a live segment had been listened to; a capture is what it is. */
export interface TableReport extends SegmentReport {
  readonly listenedMs?: number;
}

/** Such as ` within 4 s`: whoever speaks less often has not been heard. Empty, if that is not possible. */
const within = ({ listenedMs = Number.POSITIVE_INFINITY }: TableReport): string =>
  listenedMs < LONGEST_INTERVAL_MS ? ` within ${Math.round(listenedMs / 1000)} s` : '';

const nobody = (report: TableReport): string =>
  within(report) === '' ? 'nobody speaks CARP or VRRP' : `nobody was heard speaking CARP or VRRP${within(report)}`;

const wireLine = (wire: WireReport, span: string): string => {
  const used =
    wire.used.length === 0
      ? `no id is in use${wireName(wire)}`
      : `ids in use${wireName(wire)}: ${wire.used.join(', ')}`;
  if (wire.free.length === 0) return `${used}; none is free`;
  return `${used}; ${span === '' ? 'free are' : `not heard${span} are`} for instance ${wire.free.join(', ')}`;
};

const hint = (report: TableReport): readonly string[] =>
  within(report) === ''
    ? []
    : [
        `a MASTER with a larger advbase may not have been heard: the slowest speaks every ${LONGEST_INTERVAL_MS / 1000} s; --for 5m hears all`,
      ];

const count = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? '' : 's'}`;

/** Numbers that are 0 are no news. */
const closing = ({ frames, packets, refused, dropped, untold }: SegmentReport): string => {
  const refusals = Object.entries(refused).map(([why, times]) => `${times} ${why}`);
  return [
    `${count(packets, 'packet')} of protocol 112`,
    ...(frames === packets ? [] : [`${frames - packets} of other protocols`]),
    ...refusals,
    ...(dropped === 0 ? [] : [`${dropped} lost by this host`]),
    ...(untold === 0 ? [] : [`${count(untold, 'change')} not shown`]),
  ].join(', ');
};

/** The table, ids in use and free, and the totals. */
export const reportLines = (report: TableReport): readonly string[] => [
  ...(report.speakers.length === 0 ? [nobody(report)] : tableLines(report.speakers)),
  ...report.wires.map((wire) => wireLine(wire, within(report))),
  ...report.disputes.map(([a, b]) => `two masters of ${placeText(a)}: ${a.source} and ${b.source}`),
  closing(report),
  ...hint(report),
];
