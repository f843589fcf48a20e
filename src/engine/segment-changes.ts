/** What an advert changes about its sender. */
import type { Clock } from './segment-clock.ts';
import type { SegmentChange } from './segment-events.ts';
import type { Said } from './segment-heard.ts';
import type { VirtualHost, VirtualHosts } from './segment-memory.ts';
import type { AdvertPath, SegmentRules } from './segment-rules.ts';
import { type DigestVerdict, keyOfPlace, keyOfSpeaker, type Speaker, sameRank } from './segment-speaker.ts';
import { firstTraits, guessSystem, guessVrrpSystem, moreTraits, UNKNOWN } from './segment-system.ts';

interface Circumstances {
  readonly said: Said;
  readonly path: AdvertPath;
  readonly rules: SegmentRules;
  readonly speakers: readonly Speaker[];
}

const digestOf = ({ advert }: Said, path: AdvertPath, { verify }: SegmentRules): DigestVerdict =>
  advert === undefined || verify === undefined ? 'unchecked' : verify(advert, path);

/** Closer together than this part of an interval, two equal packets are one that came twice. */
const DUPLICATE_PART = 0.25;

/** The sender as it is known now. */
export const speakerAfter = (
  before: Speaker | undefined,
  {
    said,
    path,
    rules,
    clock,
    self,
  }: Omit<Circumstances, 'speakers'> & { readonly clock: Clock; readonly self: boolean },
): Speaker => {
  const { who, version, isFarewell, rank, intervalMs, ttl, counts, addresses, sample } = said;
  const { now } = clock;
  const digest = digestOf(said, path, rules);
  const at = now + clock.wall;
  if (before === undefined) {
    const traits = firstTraits(sample);
    const state = isFarewell ? 'bowed-out' : 'speaking';
    const first = { adverts: 1, duplicates: 0, firstAt: at, lastAt: at, since: now, last: now };
    const content = { who, version, state, rank, intervalMs, ttl, counts, addresses, self, digest, traits } as const;
    return { ...content, ...first, guess: guessOf(traits, said) };
  }
  if (isDuplicate(before, said, now)) return { ...before, duplicates: before.duplicates + 1 };
  const traits = moreTraits(before.traits, sample);
  const spoke = before.state === 'speaking';
  const heard = { ...before, version, ttl, counts, addresses, self, digest, traits, last: now, lastAt: at };
  const adverts = before.adverts + 1;
  const guess =
    before.traits.steps === traits.steps && sameSample(before.traits, traits) ? before.guess : guessOf(traits, said);
  // A farewell says nothing about how fit the host is when it comes back.
  if (isFarewell) return { ...heard, adverts, guess, state: 'bowed-out' };
  return { ...heard, adverts, guess, rank, intervalMs, state: 'speaking', since: spoke ? before.since : now };
};

const sameSample = (a: Speaker['traits'], b: Speaker['traits']): boolean =>
  a.tos === b.tos && a.hasId === b.hasId && a.saidFarewell === b.saidFarewell && a.countsDemotion === b.countsDemotion;

const isDuplicate = (before: Speaker, { rank, sample, isFarewell, intervalMs }: Said, now: number): boolean =>
  before.traits.counter === sample.counter &&
  (isFarewell ? before.state === 'bowed-out' : sameRank(before.rank, rank)) &&
  now - before.last < DUPLICATE_PART * intervalMs;

const guessOf = (traits: Speaker['traits'], { who, version }: Said) =>
  who.protocol === 'carp' ? guessSystem(traits) : guessVrrpSystem(traits, version);

/** What the advert changes about its sender alone. */
export const ownChanges = (
  before: Speaker | undefined,
  speaker: Speaker,
  around: Circumstances,
): readonly SegmentChange[] => {
  const { who, rank, intervalMs, digest, self, addresses, guess, state } = speaker;
  const changes: SegmentChange[] = [];
  if (before === undefined) changes.push({ event: 'speaker-heard', ...who, rank, intervalMs, digest, self, addresses });
  else if (!sameRank(before.rank, rank))
    changes.push({ event: 'rank-changed', ...who, rank, before: before.rank, intervalMs });
  if (state === 'bowed-out' && before?.state !== 'bowed-out') changes.push({ event: 'bow-out', ...who });
  if (guess.system !== (before?.guess ?? UNKNOWN).system) changes.push({ event: 'system-guessed', ...who, ...guess });
  return digest === (before?.digest ?? 'unchecked') || (before === undefined && digest === 'ok')
    ? changes
    : [...changes, digestChange(speaker, around)];
};

const digestChange = ({ who, digest }: Speaker, { said, path, rules, speakers }: Circumstances): SegmentChange => {
  const verdicts = speakers.filter((each) => keyOfSpeaker(each.who) !== keyOfSpeaker(who)).map((each) => each.digest);
  const others = verdicts.includes('ok') ? 'ok' : verdicts.includes('bad') ? 'bad' : 'unchecked';
  const diagnosis = digest === 'bad' && said.advert !== undefined ? rules.diagnose?.(said.advert, path) : undefined;
  return { event: 'digest', ...who, digest, others, ...(diagnosis === undefined ? {} : { diagnosis }) };
};

/** Whether the other protocol uses the same id on the same wire now. */
export const clash = (
  host: VirtualHost,
  speaker: Speaker,
  hosts: VirtualHosts,
): readonly [VirtualHost, readonly SegmentChange[]] => {
  const protocol = host.place.protocol === 'carp' ? 'vrrp' : 'carp';
  const others = hosts.get(keyOfPlace({ ...host.place, protocol }));
  if (host.toldClash || others === undefined || others.toldClash) return [host, []];
  const rival = others.speakers.find(({ state }) => state === 'speaking');
  if (rival === undefined || speaker.state !== 'speaking') return [host, []];
  return [{ ...host, toldClash: true }, [{ event: 'id-clash', ...speaker.who, rival: rival.who }]];
};
