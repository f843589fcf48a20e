import type { AgentStatus } from '../agent/rpc.ts';
import type { MismatchEvent } from '../engine/mismatch.ts';
import type { Mode } from '../engine/mode.ts';
import type { BusStatus, CarpEvent, Counters, DemotionEntry, GroupStatus, PeerStatus } from '../engine/status.ts';

const COLUMNS = 80;
const LABEL = 14;
/** Transitions that are shown unless more are asked for. */
export const HISTORY_DEFAULT = 5;

export interface StatusView {
  readonly now: Date;
  /** How many transitions of each group are shown. */
  readonly history?: number;
}

/** The status of an agent for people: a block per group, 80 columns wide. */
export const statusLines = ({ version, pid, hosts }: AgentStatus, view: StatusView): readonly string[] => {
  const groups = hosts.flatMap((host) => host.groups);
  const blocks = groups.flatMap((group, i) => [...(i === 0 ? [] : ['']), ...groupLines(group, view)]);
  const nothing = `no groups (agent ${version}, pid ${pid})`;
  const buses = hosts.flatMap(({ node, bus }) => (bus === undefined ? [] : busLines(node, bus)));
  return [...(blocks.length === 0 ? [nothing] : blocks), ...(buses.length === 0 ? [] : ['', ...buses])];
};

const busLines = (
  node: string,
  { broker, connected, problem, queued, dropped, troubles }: BusStatus,
): readonly string[] => [
  printable(`mqtt  of ${node}`),
  ...field('broker', `${broker}, ${connected ? 'connected' : 'not connected'}`),
  ...(problem === undefined ? [] : field('problem', problem)),
  ...(queued === 0 && dropped === 0 ? [] : field('queue', `${queued} wait, ${dropped} events were dropped`)),
  ...troubles.flatMap(({ code, group, message, remedy }) => [
    ...field('alarm', `${code}${group === undefined ? '' : ` in ${group}`}: ${message}`),
    ...(remedy === undefined ? [] : field('try', remedy)),
  ]),
];

const groupLines = (group: GroupStatus, { now, history = HISTORY_DEFAULT }: StatusView): readonly string[] => [
  printable(`${group.group}  ${group.vhid}@${group.interface}  on ${group.node}`),
  // The line of FreeBSD's ifconfig(8), which scripts and fingers know.
  `  carp: ${group.role} vhid ${group.vhid} advbase ${group.advbase} advskew ${group.advskew}`,
  ...field('since', `${shortTime(group.since)} (${span(now.getTime() - Date.parse(group.since))}), ${why(group)}`),
  ...field('addresses', group.addresses.join(', ') || 'none: role only'),
  ...(group.leaseSeconds === undefined ? [] : field('lease', leaseText(group.leaseSeconds))),
  ...field('master', masterText(group)),
  ...(group.peers ?? []).flatMap((peer, i) => field(i === 0 ? 'hears' : '', hearsText(peer))),
  ...(group.intervalMs === 0 ? [] : field('interval', intervalText(group))),
  ...(group.configuredAdvskew === undefined ? [] : field('advskew', advskewText(group))),
  ...modeLines(group),
  ...demotionLines(group, now),
  ...field('counters', countersText(group.counters)),
  ...(group.problem === undefined ? [] : field('problem', group.problem.message)),
  // Not wrapped: it is there to be copied.
  ...(group.problem?.remedy === undefined ? [] : [`  ${'try'.padEnd(LABEL)}${printable(group.problem.remedy)}`]),
  ...[...(group.mismatches ?? []), ...(group.hints ?? [])].flatMap(peerLines),
  ...group.history.slice(0, history).flatMap((event, i) => field(i === 0 ? 'history' : '', historyText(event))),
];

/** A peer that is not understood, or that another profile would fit. */
const peerLines = ({ detail, remedy }: Pick<MismatchEvent, 'detail' | 'remedy'>): readonly string[] => [
  ...field('peer', detail),
  ...field('try', remedy),
];

const why = ({ reason, detail }: GroupStatus): string => `${reason}: ${detail}`;

const masterText = ({ master, lastAdvertMs }: GroupStatus): string => {
  if (master === undefined) return 'unknown';
  if (master.self) return `${master.address} (this host)`;
  return lastAdvertMs === undefined ? master.address : `${master.address}, last advert ${span(lastAdvertMs)} ago`;
};

/** Without the age of what the line above tells anyway. */
const hearsText = ({ address, state, rival, advbase, advskew, demotion, lastHeardMs }: PeerStatus): string => {
  const demoted = demotion === 0 ? '' : ` demotion ${demotion}`;
  const rank = `${address} advbase ${advbase} advskew ${advskew}${demoted}`;
  if (state === 'silent') return `${rank}, silent for ${span(lastHeardMs)}`;
  return rival ? `${rank}, and does not give way: does it hear this host?` : rank;
};

const intervalText = ({ intervalMs, masterDownMs }: GroupStatus): string =>
  `${Math.round(intervalMs)} ms, master down after ${Math.round(masterDownMs)} ms`;

const advskewText = ({ advskew, configuredAdvskew }: GroupStatus): string =>
  `${advskew}, set by an operator; the configuration says ${configuredAdvskew}`;

const MODE_TEXT: Readonly<Record<Mode, string | undefined>> = {
  normal: undefined,
  maintenance: 'maintenance: MASTER only as the last resort',
  observe: 'observe: listens, and never becomes MASTER',
};

const modeLines = ({ mode = 'normal' }: GroupStatus): readonly string[] => {
  const text = MODE_TEXT[mode];
  return text === undefined ? [] : field('mode', text);
};

/** The sum with the first reason, which is most often the only one, then a line for each other. */
const demotionLines = ({ demotion, ledger }: GroupStatus, now: Date): readonly string[] => {
  if (demotion === 0 && ledger.length === 0) return [];
  const [first, ...others] = ledger.map((entry) => entryText(entry, now));
  return [
    ...field('demotion', first === undefined ? `${demotion}` : `${demotion}: ${first}`),
    ...others.flatMap((text) => field('', text)),
  ];
};

const entryText = ({ reason, weight, since, until }: DemotionEntry, now: Date): string => {
  const left = until === undefined ? '' : `, ends in ${span(Date.parse(until) - now.getTime())}`;
  return `${reason} ${weight} since ${shortTime(since)}${left}`;
};

const leaseText = (seconds: number): string => `${seconds} s: the kernel drops them when the agent stops renewing`;

const countersText = (counters: Counters): string =>
  Object.entries(counters)
    .filter(([, count]) => count !== 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'all 0';

const historyText = ({ at, previous, role, reason, detail }: CarpEvent): string =>
  `${shortTime(at)} ${previous} -> ${role} (${reason}: ${detail})`;

const field = (label: string, text: string): readonly string[] =>
  wrap(printable(text), COLUMNS - LABEL - 2).map((line, i) =>
    `  ${(i === 0 ? label : '').padEnd(LABEL)}${line}`.trimEnd(),
  );

/** Breaks lines between words; a longer word stays whole. */
export const wrap = (text: string, width: number): readonly string[] => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
};

/** `2026-11-22 12:00:00Z` */
export const shortTime = (at: string): string => at.replace('T', ' ').replace(/\.\d+Z$/, 'Z');

const span = (ms: number): string => {
  if (ms < 10_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 2 * 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
};

const printable = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');
