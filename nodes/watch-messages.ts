/** What a carp-watch node sends, and which of it is news. */
import type { NodeMessage } from 'node-red';
import type { WatchParams } from '../src/agent/rpc.ts';
import type { SegmentEvent } from '../src/engine/segment-events.ts';
import type { SegmentStanding } from '../src/engine/segment-standing.ts';

const BASE = 'carp/watch';

/** What happened, in a word: `msg.payload`. */
export const WORDS = {
  'speaker-heard': 'new-speaker',
  master: 'master',
  'master-silent': 'gone',
  'bow-out': 'bow-out',
  'claim-failed': 'claim-failed',
  'two-masters': 'split-brain',
  'two-masters-over': 'split-brain-over',
  'rank-changed': 'rank-changed',
  'system-guessed': 'system-guessed',
  'id-clash': 'id-clash',
  refused: 'refused',
  flood: 'flood',
} as const satisfies Record<Exclude<SegmentEvent['event'], 'digest'>, string>;

const DIGEST_WORDS = { ok: 'good-digest', bad: 'bad-digest', unchecked: 'unchecked-digest' } as const;

export type WatchWord = (typeof WORDS)[keyof typeof WORDS] | (typeof DIGEST_WORDS)[keyof typeof DIGEST_WORDS];

/** A service of a later version may tell of what has no word here. */
export const wordOf = (change: SegmentEvent): string =>
  change.event === 'digest' ? DIGEST_WORDS[change.digest] : (WORDS[change.event] ?? String(change.event));

/** How a virtual host stands, in the words of the changes that lead there. */
export const standingWord = ({ disputed, speakers }: SegmentStanding): WatchWord => {
  if (disputed) return 'split-brain';
  return speakers > 0 ? 'master' : 'gone';
};

/** Which virtual host a change is about; a flood is about none, and a refused packet perhaps about none. */
export const vhidOf = (change: SegmentEvent): number | undefined => ('vhid' in change ? change.vhid : undefined);

/** `carp/watch/eth0/10`; VRRP has ids of its own: `carp/watch/eth0/vrrp/10`. */
const topicOf = (name: string, protocol: string | undefined, vhid: number | undefined): string =>
  [
    BASE,
    encodeURIComponent(name),
    ...(protocol === 'vrrp' ? [protocol] : []),
    ...(vhid === undefined ? [] : [vhid]),
  ].join('/');

export const changeMessage = (
  { interface: name }: WatchParams,
  change: SegmentEvent,
  standing: SegmentStanding | undefined,
): NodeMessage => ({
  topic: topicOf(name, 'protocol' in change ? change.protocol : undefined, vhidOf(change)),
  payload: wordOf(change),
  carp: { ...change, interface: name, ...(standing === undefined ? {} : { standing }) },
});

export const snapshotMessage = ({ interface: name }: WatchParams, standing: SegmentStanding, at: Date): NodeMessage => {
  const { protocol, vhid, vlan } = standing;
  const about = { protocol, vhid, ...(vlan === undefined ? {} : { vlan }) };
  return {
    topic: topicOf(name, protocol, vhid),
    payload: standingWord(standing),
    carp: { event: 'snapshot', at: at.toISOString(), ...about, interface: name, standing },
  };
};
