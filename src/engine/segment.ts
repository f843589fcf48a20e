/**
 * The story of a segment: who speaks CARP and VRRP on it, for which virtual hosts, and what changes. A pure fold:
 * `hearFrame` and `passTime` take what is known and give it back with what has changed.
 *
 * Anybody on the segment can forge any number of senders, so everything is bounded. Whoever has been heard three times
 * keeps its place; of those who have not, the one that was silent the longest gives way.
 */
import type { CapturedFrame } from '../ports/sniffer.ts';
import { clash, ownChanges, speakerAfter } from './segment-changes.ts';
import { type Clock, clockAfter, clockAt, isoAt } from './segment-clock.ts';
import type { SegmentChange, SegmentEvent } from './segment-events.ts';
import { hearPacket, type Said } from './segment-heard.ts';
import {
  PLACES_MAX,
  SPEAKERS_MAX,
  type VirtualHost,
  type VirtualHosts,
  withPlace,
  withRoom,
} from './segment-memory.ts';
import { carpPacket } from './segment-packet.ts';
import { judge, NO_REIGN } from './segment-reign.ts';
import type { AdvertPath, SegmentRules } from './segment-rules.ts';
import { isEstablished, keyOfPlace, keyOfSpeaker, lateAt, type Speaker, silentAt } from './segment-speaker.ts';

/** Sources whose refused packets are counted apart from each other. */
export const REFUSED_MAX = 256;
/** Changes a second that are about senders who have not been heard three times. */
export const NEWS_MAX = 20;
/** Diagnoses a second: each may cost thousands of digests, and strangers' adverts are free to forge. */
export const DIAGNOSES_MAX = 4;

/** How much of what costs time or attention has been spent in this second of the segment's clock. */
interface News {
  readonly second: number;
  readonly count: number;
  readonly diagnoses: number;
}

export interface Segment {
  readonly hosts: VirtualHosts;
  readonly refused: ReadonlyMap<string, number>;
  readonly clock: Clock | undefined;
  /** When somebody will have been silent for too long; on the segment's clock. */
  readonly due: number;
  /** Packets of protocol 112, and all frames. */
  readonly packets: number;
  readonly frames: number;
  /** Frames that the capture lost. */
  readonly dropped: number;
  /** New speakers and refused sources that found no room or were not worth telling. */
  readonly untold: number;
  readonly news: News;
}

export const EMPTY_SEGMENT: Segment = {
  hosts: new Map(),
  refused: new Map(),
  clock: undefined,
  due: Number.POSITIVE_INFINITY,
  packets: 0,
  frames: 0,
  dropped: 0,
  untold: 0,
  news: { second: 0, count: 0, diagnoses: 0 },
};

export type SegmentStep = readonly [segment: Segment, events: readonly SegmentEvent[]];

const NOTHING: readonly SegmentEvent[] = [];

/** Takes a frame in. Never throws, whatever is in it. */
export const hearFrame = (segment: Segment, frame: CapturedFrame, rules: SegmentRules = {}): SegmentStep => {
  const clock = clockAfter(segment.clock, frame);
  const dropped = Math.max(segment.dropped, frame.dropped ?? 0);
  const [waited, silences] = settle({ ...segment, clock, dropped, frames: segment.frames + 1 }, clock.now);
  const packet = carpPacket(frame);
  if (packet === undefined) return [waited, silences];
  const counted = { ...waited, packets: waited.packets + 1 };
  const heard = hearPacket(packet);
  const [warned, warnings] =
    heard.refused === undefined ? ([counted, NOTHING] as const) : refuse(counted, heard.refused, clock);
  if (heard.type === 'refused') return [warned, joined(silences, warnings)];
  const [next, news] = listen(warned, { said: heard.said, path: packet, self: frame.outgoing === true }, rules);
  return [next, joined(silences, warnings, news)];
};

/** Notices who has been silent for too long. @param time - on the same clock as the frames' `time` (or `at`), ms */
export const passTime = (segment: Segment, time: number): SegmentStep => {
  if (segment.clock === undefined) return [segment, NOTHING];
  const clock = clockAt(segment.clock, time);
  return clock.now < segment.due ? [segment, NOTHING] : settle({ ...segment, clock }, clock.now);
};

const joined = (...lists: readonly (readonly SegmentEvent[])[]): readonly SegmentEvent[] => {
  const full = lists.filter(({ length }) => length > 0);
  return full.length < 2 ? (full[0] ?? NOTHING) : full.flat();
};

/** What a virtual host has come to at a moment, although nobody spoke. */
interface Moment {
  readonly now: number;
  readonly changes: readonly SegmentChange[];
  readonly isEssential: boolean;
}

/**
 * Steps from one silence to the next, so that each is dated to the moment it became one. Virtual hosts do not depend on
 * each other: each is stepped alone, since to look at all of them for each silence would take minutes after a flood.
 */
const settle = (segment: Segment, now: number): SegmentStep => {
  if (segment.due > now) return [segment, NOTHING];
  const hosts = new Map(segment.hosts);
  const moments: Moment[] = [];
  let due = Number.POSITIVE_INFINITY;
  for (const [key, host] of segment.hosts) {
    const next = settleHost(host, now, moments);
    if (next !== host) hosts.set(key, next);
    due = Math.min(due, next.due);
  }
  const events: SegmentEvent[] = [];
  let present: Segment = { ...segment, hosts, due };
  for (const { changes, ...telling } of moments.sort((a, b) => a.now - b.now)) {
    const [after, told] = tell(present, changes, telling);
    present = after;
    events.push(...told);
  }
  return [present, events];
};

/** @param moments - gets what changed */
const settleHost = (host: VirtualHost, now: number, moments: Moment[]): VirtualHost => {
  let present = host;
  while (present.due <= now) {
    const then = present.due;
    const isEssential = present.speakers.some(isEstablished);
    const [next, changes] = judged(withoutSilent(present, then), then);
    if (changes.length > 0) moments.push({ now: then, changes, isEssential });
    present = { ...next, due: dueOf(next, then) };
  }
  return present;
};

const dated = (changes: readonly SegmentChange[], { clock }: Segment, now: number): readonly SegmentEvent[] =>
  changes.length === 0 ? NOTHING : changes.map((change) => ({ at: isoAt(now, clock), ...change }));

const withoutSilent = (host: VirtualHost, now: number): VirtualHost => {
  const isOver = (each: Speaker): boolean => each.state === 'speaking' && now >= silentAt(each);
  if (!host.speakers.some(isOver)) return host;
  const speakers = host.speakers.map((each) => (isOver(each) ? { ...each, state: 'silent' as const } : each));
  return { ...host, speakers };
};

const FAMILIES = [4, 6] as const;

const judged = (host: VirtualHost, now: number): readonly [VirtualHost, readonly SegmentChange[]] => {
  const [reign4, changes4] = judge(host.reigns[4], ofFamily(host, 4), now);
  const [reign6, changes6] = judge(host.reigns[6], ofFamily(host, 6), now);
  if (reign4 === host.reigns[4] && reign6 === host.reigns[6]) return [host, []];
  return [{ ...host, reigns: { 4: reign4, 6: reign6 } }, [...changes4, ...changes6]];
};

const ofFamily = ({ speakers }: VirtualHost, family: 4 | 6): readonly Speaker[] =>
  speakers.filter(({ who }) => who.family === family);

/** When this virtual host has to be looked at again, if nobody says anything before. */
const dueOf = (host: VirtualHost, now: number): number => {
  const alive = host.speakers.filter(({ state }) => state === 'speaking');
  const isContested = FAMILIES.some((family) => alive.filter(({ who }) => who.family === family).length > 1);
  const times = alive.flatMap((each) => (isContested ? [silentAt(each), lateAt(each)] : [silentAt(each)]));
  return Math.min(Number.POSITIVE_INFINITY, ...times.filter((time) => time > now));
};

interface Listening {
  readonly said: Said;
  readonly path: AdvertPath;
  readonly self: boolean;
}

const listen = (segment: Segment, { said, path, self }: Listening, given: SegmentRules): SegmentStep => {
  const { clock } = segment;
  const { diagnose: _tooMuch, ...withoutDiagnosis } = given;
  const rules = newsNow(segment).diagnoses < DIAGNOSES_MAX ? given : withoutDiagnosis;
  if (clock === undefined) return [segment, NOTHING];
  const placeKey = keyOfPlace(said.who);
  const host = segment.hosts.get(placeKey) ?? newHost(said);
  const key = keyOfSpeaker(said.who);
  const before = host.speakers.find(({ who }) => keyOfSpeaker(who) === key);
  // Looking for somebody who gives way is work, too: in a flood most newcomers are turned away at the door.
  const isFull =
    host.speakers.length >= SPEAKERS_MAX || (host.speakers.length === 0 && segment.hosts.size >= PLACES_MAX);
  if (before === undefined && isFull && newsNow(segment).count >= NEWS_MAX) return untold(segment, 1);
  const room = before === undefined ? withRoom(host.speakers) : host.speakers;
  const places = segment.hosts.has(placeKey) ? segment.hosts : withPlace(segment.hosts);
  if (room === undefined || places === undefined) return untold(segment, 1);
  const speaker = speakerAfter(before, { said, path, rules, clock, self });
  const speakers = before === undefined ? [...room, speaker] : room.map((each) => (each === before ? speaker : each));
  const [next, reigned] = judged({ ...host, speakers }, clock.now);
  const [clashing, clashes] = clash(next, speaker, segment.hosts);
  const changes = [...ownChanges(before, speaker, { said, path, rules, speakers }), ...reigned, ...clashes];
  const due = dueOf(clashing, clock.now);
  const hosts = new Map(places).set(placeKey, { ...clashing, due });
  return tell({ ...segment, hosts, due: Math.min(segment.due, due) }, changes, {
    now: clock.now,
    isEssential: isEstablished(speaker),
  });
};

const newHost = ({ who }: Said): VirtualHost => {
  const { protocol, vhid, vlan, interface: port } = who;
  const place = { protocol, vhid, ...(vlan ? { vlan } : {}), ...(port === undefined ? {} : { interface: port }) };
  return { place, speakers: [], reigns: { 4: NO_REIGN, 6: NO_REIGN }, toldClash: false, due: Number.POSITIVE_INFINITY };
};

const newsNow = ({ news, clock }: Segment): News => {
  const second = Math.floor((clock?.now ?? 0) / 1000);
  return news.second === second ? news : { second, count: 0, diagnoses: 0 };
};

interface Telling {
  /** On the segment's clock: silences are told later than they began. */
  readonly now: number;
  /** Of senders who are known, or about them. */
  readonly isEssential: boolean;
}

const tell = (segment: Segment, changes: readonly SegmentChange[], { now, isEssential }: Telling): SegmentStep => {
  if (changes.length === 0) return [segment, NOTHING];
  const told = dated(changes, segment, now);
  const before = newsNow(segment);
  const diagnoses = before.diagnoses + changes.filter((each) => each.event === 'digest' && each.diagnosis).length;
  const news = { ...before, diagnoses };
  if (isEssential) return [{ ...segment, news }, told];
  if (news.count >= NEWS_MAX) return untold({ ...segment, news }, changes.length);
  return [{ ...segment, news: { ...news, count: news.count + changes.length } }, told];
};

const untold = (segment: Segment, more: number): SegmentStep => {
  const total = segment.untold + more;
  const next = { ...segment, untold: total };
  // The 1st, 10th, 100th … also if several come at once.
  const isTold = Math.floor(Math.log10(total)) !== Math.floor(Math.log10(segment.untold || 0.1));
  return isTold ? [next, dated([{ event: 'flood', untold: total }], next, next.clock?.now ?? 0)] : [next, NOTHING];
};

type Refusal = Extract<SegmentChange, { readonly event: 'refused' }>;

const refuse = (segment: Segment, refused: Omit<Refusal, 'event' | 'times'>, clock: Clock): SegmentStep => {
  const key = `${refused.why} ${refused.source} ${refused.vhid ?? ''} ${refused.vlan ?? ''}`;
  const before = segment.refused.get(key);
  if (before === undefined && segment.refused.size >= REFUSED_MAX) return untold(segment, 1);
  const times = (before ?? 0) + 1;
  const next = { ...segment, clock, refused: new Map(segment.refused).set(key, times) };
  return Number.isInteger(Math.log10(times))
    ? tell(next, [{ event: 'refused', times, ...refused }], { now: clock.now, isEssential: false })
    : [next, NOTHING];
};
