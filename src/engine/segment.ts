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
import { isSpent, leaveOut, maySpendDiagnosis, type News, NO_NEWS, newsAt, type Told, tell } from './segment-news.ts';
import { carpPacket } from './segment-packet.ts';
import { countRefusal, NO_REFUSALS, type Refusal, type Refusals } from './segment-refusals.ts';
import { judge, NO_REIGN } from './segment-reign.ts';
import type { AdvertPath, SegmentRules } from './segment-rules.ts';
import { isEstablished, keyOfPlace, keyOfSpeaker, lateAt, type Speaker, silentAt } from './segment-speaker.ts';

export interface Segment {
  readonly hosts: VirtualHosts;
  readonly refusals: Refusals;
  readonly clock: Clock | undefined;
  /** When somebody will have been silent for too long; on the segment's clock. */
  readonly due: number;
  /** Packets of protocol 112, and all frames. */
  readonly packets: number;
  readonly frames: number;
  /** Frames that the capture lost. */
  readonly dropped: number;
  readonly news: News;
}

export const EMPTY_SEGMENT: Segment = {
  hosts: new Map(),
  refusals: NO_REFUSALS,
  clock: undefined,
  due: Number.POSITIVE_INFINITY,
  packets: 0,
  frames: 0,
  dropped: 0,
  news: NO_NEWS,
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
  const counted = { ...waited, packets: waited.packets + 1, news: newsAt(waited.news, clock.now) };
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
  let present: Segment = { ...segment, hosts, due, news: newsAt(segment.news, now) };
  for (const { now: then, changes, isEssential } of moments.sort((a, b) => a.now - b.now)) {
    const [after, some] = told(present, then, tell(present.news, changes, isEssential));
    present = after;
    events.push(...some);
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
  const { clock, news } = segment;
  if (clock === undefined) return [segment, NOTHING];
  const { diagnose: _tooMuch, ...withoutDiagnosis } = given;
  const rules = maySpendDiagnosis(news) ? given : withoutDiagnosis;
  const placeKey = keyOfPlace(said.who);
  const host = segment.hosts.get(placeKey) ?? newHost(said);
  const key = keyOfSpeaker(said.who);
  const before = host.speakers.find(({ who }) => keyOfSpeaker(who) === key);
  // Receivers do not take it, so it says nothing about the one whom they hear, and may be forged in its name.
  if (before?.counts === true && before.state === 'speaking' && !said.counts) return [segment, NOTHING];
  // Looking for somebody who gives way is work, too: in a flood most newcomers are turned away at the door.
  const isFull =
    host.speakers.length >= SPEAKERS_MAX || (host.speakers.length === 0 && segment.hosts.size >= PLACES_MAX);
  if (before === undefined && isFull && isSpent(news)) return told(segment, clock.now, leaveOut(news, 1));
  const room = before === undefined ? withRoom(host.speakers) : host.speakers;
  const places = segment.hosts.has(placeKey) ? segment.hosts : withPlace(segment.hosts);
  if (room === undefined || places === undefined) return told(segment, clock.now, leaveOut(news, 1));
  const speaker = speakerAfter(before, { said, path, rules, clock, self });
  const speakers = before === undefined ? [...room, speaker] : room.map((each) => (each === before ? speaker : each));
  const [reigning, reigned] = judged({ ...host, speakers }, clock.now);
  const [clashing, clashes] = clash(reigning, speaker, segment.hosts);
  const changes = [...ownChanges(before, speaker, { said, path, rules, speakers }), ...reigned, ...clashes];
  const due = dueOf(clashing, clock.now);
  const hosts = new Map(places).set(placeKey, { ...clashing, due });
  const next = { ...segment, hosts, due: Math.min(segment.due, due) };
  return told(next, clock.now, tell(news, changes, isEstablished(speaker)));
};

const newHost = ({ who }: Said): VirtualHost => {
  const { protocol, vhid, vlan, interface: port } = who;
  const place = { protocol, vhid, ...(vlan ? { vlan } : {}), ...(port === undefined ? {} : { interface: port }) };
  return { place, speakers: [], reigns: { 4: NO_REIGN, 6: NO_REIGN }, toldClash: false, due: Number.POSITIVE_INFINITY };
};

/** Tells of changes what is worth telling. @param now - on the segment's clock: silences are told after they began */
const told = (segment: Segment, now: number, [news, changes]: Told): SegmentStep => [
  news === segment.news ? segment : { ...segment, news },
  changes.length === 0 ? NOTHING : changes.map((change) => ({ at: isoAt(now, segment.clock), ...change })),
];

const refuse = (segment: Segment, refused: Refusal, clock: Clock): SegmentStep => {
  const [refusals, changes] = countRefusal(segment.refusals, refused);
  return told({ ...segment, refusals }, clock.now, tell(segment.news, changes, false));
};
