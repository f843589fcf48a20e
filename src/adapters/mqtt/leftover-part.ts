/**
 * Takes back what nobody stands for: topics of groups that were removed, now or while this host was away, and what a
 * twin had said before it stood aside (presence-part.ts).
 */
import type { CreatePart } from './part.ts';
import { ADDRESS_LEAVES, groupTopic, MEMBER_LEAVES, type Place, placeOf, topicLevel, topicPath } from './topics.ts';

/** Retained messages come within moments of the subscription; what this host keeps has been said by then. */
const SETTLE_MS = 2000;
/** A MASTER that hands over to nobody takes a second; a group that did not run says no STOPPED. */
const FAREWELL_MS = 3000;
/** What is said of a removed group until then is taken back, too. */
const LAST_WORDS_MS = 10_000;
/** More than a host with 255 groups leaves. */
const FOUND_MAX = 20_000;

export const leftoverPart: CreatePart = ({ host, voice, scope, now }) => {
  /** Topics of this node on which something was said: by a former self, a twin or, where brokers echo it, by itself. */
  const found = new Map<string, Place>();
  /** Who says to be MASTER, by group. */
  const masters = new Map<string, string>();
  let begunAt: number | undefined;
  // Not all below it: a broker hands a command that two filters match over twice (MQTT 5, 3.3.4).
  const mine = `${topicPath(scope.base)}/+/node/${topicLevel(scope.node)}`;

  let spokenOf = new Set<string>();
  /** Groups that were removed a moment ago, and when: their last words may still come. */
  const gone = new Map<string, number>();
  /** Groups that have said STOPPED. Until then a removed one may be MASTER, and what it said is true. */
  const stopped = new Set<string>();

  const noteRemoved = (): void => {
    const configured = new Set(host.groups().map(({ group }) => group));
    for (const group of spokenOf) if (!configured.has(group)) gone.set(group, now());
    for (const [group, since] of gone)
      if (configured.has(group) || now() - since > LAST_WORDS_MS) {
        gone.delete(group);
        stopped.delete(group);
      }
    spokenOf = configured;
  };

  /** Groups whose topics nobody stands for any more. */
  const over = (isEnd: boolean): ReadonlySet<string> =>
    new Set(
      [...gone].flatMap(([group, since]) =>
        isEnd || stopped.has(group) || now() - since >= FAREWELL_MS ? [group] : [],
      ),
    );

  const tidy = (isEnd: boolean): void => {
    noteRemoved();
    const past = over(isEnd);
    if (past.size > 0)
      for (const topic of voice.kept()) {
        const place = placeOf(scope.base, topic);
        if (place !== undefined && place.type !== 'node' && past.has(place.group)) voice.clear(topic);
      }
    // Whoever took over writes his own name there, at the time of STOPPED or a little later: it is not to be wiped out.
    for (const [group, since] of gone)
      if ((isEnd || now() - since >= FAREWELL_MS) && masters.get(group) === scope.node) {
        masters.delete(group);
        voice.clear(groupTopic(scope, group, 'master'));
      }
    if (found.size === 0 || begunAt === undefined || now() - begunAt < SETTLE_MS) return;
    const kept = new Set(voice.kept());
    for (const [topic, place] of found) {
      if (kept.has(topic)) continue;
      voice.clear(topic);
      if (place.type !== 'member' && place.type !== 'address') continue;
      const isConfigured = host.groups().some(({ group }) => group === place.group);
      if (!isConfigured && masters.get(place.group) === scope.node)
        voice.clear(groupTopic(scope, place.group, 'master'));
    }
    found.clear();
  };

  return {
    filters: [
      ...MEMBER_LEAVES.filter((leaf) => leaf !== 'event').map((leaf) => `${mine}/${leaf}`),
      ...ADDRESS_LEAVES.map((leaf) => `${mine}/${leaf}/+`),
      `${topicPath(scope.base)}/+/master`,
    ],
    noLocal: true,
    begin: () => {
      begunAt = now();
    },
    event: ({ group, role }) => {
      spokenOf.add(group);
      if (role === 'STOPPED') stopped.add(group);
      else stopped.delete(group);
      if (role === 'MASTER') masters.set(group, scope.node);
    },
    heard: ({ topic, payload }) => {
      const place = placeOf(scope.base, topic);
      if (place?.type === 'group' && place.leaf === 'master') {
        const node = writerOf(payload);
        if (node === undefined) masters.delete(place.group);
        else if (masters.has(place.group) || masters.size < FOUND_MAX) masters.set(place.group, node);
        return;
      }
      if (payload.length === 0 || found.size >= FOUND_MAX) return;
      if (place?.type === 'member' || place?.type === 'address') found.set(topic, place);
    },
    tick: () => tidy(false),
    end: () => tidy(true),
  };
};

const writerOf = (payload: Uint8Array): string | undefined => {
  try {
    const claim: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
    return typeof claim === 'object' && claim !== null && 'node' in claim && typeof claim.node === 'string'
      ? claim.node
      : undefined;
  } catch {
    return undefined;
  }
};
