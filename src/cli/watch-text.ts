/** What changes on a segment, in a line for people. All that came from the wire has become numbers before. */
import type { SegmentEvent } from '../engine/segment-events.ts';
import type { Rank, Who } from '../engine/segment-speaker.ts';
import type { System, SystemGuess } from '../engine/segment-system.ts';
import { style } from './output.ts';

export const SYSTEM_NAMES: Readonly<Record<System | 'unknown', string>> = {
  freebsd: 'FreeBSD',
  openbsd: 'OpenBSD',
  netbsd: 'NetBSD',
  ucarp: 'ucarp',
  'node-red-carp': 'this package',
  keepalived: 'keepalived',
  unknown: 'unknown',
};

/** Such as `vhid 7`, or `VRRP id 7 on VLAN 42`. */
export const placeText = ({ protocol, vhid, vlan, interface: port }: Omit<Who, 'family' | 'source'>): string =>
  [
    protocol === 'carp' ? `vhid ${vhid}` : `VRRP id ${vhid}`,
    vlan === undefined ? '' : ` on VLAN ${vlan}`,
    port === undefined ? '' : ` of interface ${port}`,
  ].join('');

export const rankText = (rank: Rank): string => {
  if ('priority' in rank) return `priority ${rank.priority}`;
  const demotion = rank.demotion === 0 ? '' : ` demotion ${rank.demotion}`;
  return `advbase ${rank.advbase} advskew ${rank.advskew}${demotion}`;
};

export const secondsText = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(3)} s`);

const spokenBy = ({ mac }: { readonly mac?: string }): string => (mac === undefined ? '' : `, from ${mac}`);

const guessText = ({ system, candidates, reasons }: SystemGuess): string => {
  const because = `(guessed: ${reasons.join(', ')})`;
  if (system !== 'unknown') return `is probably ${SYSTEM_NAMES[system]} ${because}`;
  const names = candidates.map((each) => SYSTEM_NAMES[each]).join(' or ');
  return names === '' ? `fits no known system ${because}` : `may be ${names} ${because}`;
};

const HOW = {
  first: 'is MASTER',
  returned: 'is MASTER again',
  'bow-out': 'took over',
  preempt: 'took over',
  timeout: 'took over',
} as const;

const masterText = (event: SegmentEvent & { readonly event: 'master' }): string => {
  const { how, previous, afterMs = 0 } = event;
  const start = style('green', HOW[how]);
  if (previous === undefined) return start;
  const after = `${secondsText(afterMs)} after`;
  if (how === 'returned') return `${start}, ${after} its last advert`;
  const former = `from ${previous.source}, ${after} its ${how === 'bow-out' ? 'farewell' : 'last advert'}`;
  return how === 'preempt' ? `${start} ${former}, although it still spoke` : `${start} ${former}`;
};

const SIGNATURES = {
  same: 'they sign alike, so they do not hear each other: look at the network between them',
  different: 'they sign differently: their passwords or addresses differ',
  unchecked: 'either they do not hear each other, or their passwords or addresses differ',
} as const;

const REFUSED = {
  badttl: 'the TTL is not 255: it crossed a router, or is forged',
  badsum: 'a wrong checksum',
  badver: 'neither CARP nor VRRP by its version',
  badlen: 'shorter than an advert',
  badvhid: 'vhid 0 belongs to nobody',
  fragment: 'only a fragment of a packet',
  cut: 'the capture kept only its beginning',
} as const;

const digestText = (event: SegmentEvent & { readonly event: 'digest' }): string => {
  if (event.digest !== 'bad') return `its digest is ${style('green', event.digest)} now`;
  if (event.diagnosis !== undefined)
    return `${style('red', 'bad digest')}: ${event.diagnosis.replace(/\p{Cc}+/gu, ' ')}`;
  const what = event.others === 'ok' ? 'others of this vhid fit' : 'another password or other addresses than given';
  return `${style('red', 'bad digest')}: ${what}`;
};

/** What somebody did, without time and place. */
const deed = (event: SegmentEvent): string => {
  switch (event.event) {
    case 'speaker-heard': {
      const shares = event.addresses.length === 0 ? '' : `, shares ${event.addresses.join(' ')}`;
      const self = event.self ? ' (this host)' : '';
      const digest = event.digest === 'unchecked' ? '' : `, digest ${event.digest}`;
      return `${event.source}${self} speaks: ${rankText(event.rank)}, every ${secondsText(event.intervalMs)}${spokenBy(event)}${shares}${digest}`;
    }
    case 'master':
      return `${event.source} ${masterText(event)}`;
    case 'master-silent':
      return `${style('yellow', 'nobody speaks')}: ${event.source} has been silent for ${secondsText(event.silentMs)}`;
    case 'bow-out':
      return `${event.source} said farewell`;
    case 'claim-failed':
      return `${event.source} claimed, and ${event.master.source} stayed MASTER`;
    case 'two-masters':
      return `${style('red', 'TWO MASTERS')}: ${event.source} and ${event.rival.source} have both spoken for ${secondsText(event.overlapMs)}; ${SIGNATURES[event.signatures]}`;
    case 'two-masters-over':
      return `one MASTER again: ${event.source}, not ${event.rival.source}, after ${secondsText(event.lastedMs)}`;
    case 'rank-changed':
      return `${event.source} now says ${rankText(event.rank)}, before ${rankText(event.before)}`;
    case 'system-guessed':
      return `${event.source} ${guessText(event)}`;
    case 'digest':
      return `${event.source}: ${digestText(event)}`;
    case 'id-clash':
      return `${style('red', 'ONE ID')} for CARP and VRRP: ${event.source} and ${event.rival.source} use the same virtual MAC; give one of them another id`;
    case 'refused':
      return `${style('yellow', event.why)} from ${event.source}${spokenBy(event)} (${REFUSED[event.why]}), ${event.times === 1 ? 'once' : `${event.times} times`}`;
    case 'flood':
      return `${style('yellow', 'too many senders')}: ${event.untold} changes have not been shown; somebody may be forging adverts`;
    default:
      return event satisfies never;
  }
};

/** Where something happened; a refused packet may not tell. */
const where = (event: SegmentEvent): string => {
  if (event.event === 'flood') return '';
  if (event.event !== 'refused') return `${placeText(event)}: `;
  const vlan = event.vlan === undefined ? '' : `VLAN ${event.vlan}: `;
  return event.vhid === undefined ? vlan : `${vlan}vhid ${event.vhid}: `;
};

/** One line for a change. */
export const eventLine = (event: SegmentEvent): string => `${event.at} ${where(event)}${deed(event)}`;
