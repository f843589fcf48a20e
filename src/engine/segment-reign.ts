/**
 * Who is MASTER, told from who speaks. BACKUPs are silent, so whoever speaks is MASTER or thinks so.
 *
 * When a second one speaks, the first may be about to yield: a host of ours says one more advert then, and a ucarp two.
 * So a rival becomes the new MASTER when the old one's advert is late by half an interval; two who have both spoken
 * for two intervals are two masters.
 */
import type { SegmentChange } from './segment-events.ts';
import { keyOfSpeaker, lateAt, type Speaker, type Who } from './segment-speaker.ts';

interface Claim {
  readonly key: string;
  readonly who: Who;
  /** How long the MASTER had been silent when the claim came, in ms. */
  readonly silenceMs: number;
  /** Whether the MASTER's next advert was late already. */
  readonly wasLate: boolean;
}

interface Dispute {
  readonly rival: Who;
  /** On the clock of the segment. */
  readonly since: number;
}

/** One family of one virtual host. */
export interface Reign {
  readonly master?: string;
  /** The present or the last MASTER, and how it ended. */
  readonly known?: { readonly who: Who; readonly last: number; readonly bowedOut: boolean };
  readonly claim?: Claim;
  readonly dispute?: Dispute;
}

export const NO_REIGN: Reign = {};

const OVERLAP_INTERVALS = 2;

const overlapMs = (a: Speaker, b: Speaker): number => Math.min(a.last, b.last) - Math.max(a.since, b.since);
const isDisputed = (a: Speaker, b: Speaker): boolean =>
  overlapMs(a, b) >= OVERLAP_INTERVALS * Math.max(a.intervalMs, b.intervalMs);

const signatures = (a: Speaker, b: Speaker): 'same' | 'different' | 'unchecked' => {
  if (a.who.protocol === 'vrrp') return a.addresses.join() === b.addresses.join() ? 'same' : 'different';
  if (a.digest === 'unchecked' || b.digest === 'unchecked') return 'unchecked';
  if (a.digest === 'ok' && b.digest === 'ok') return 'same';
  return a.digest === b.digest ? 'unchecked' : 'different';
};

type Told = readonly [reign: Reign, changes: readonly SegmentChange[]];

const NOTHING: readonly SegmentChange[] = [];

/**
 * Looks at those who speak for a virtual host in one family.
 *
 * @param speakers - all that are known, the silent ones too
 * @param now - on the clock of the segment, ms
 */
export const judge = (reign: Reign, speakers: readonly Speaker[], now: number): Told => {
  const alive = speakers.filter(({ state, counts }) => state === 'speaking' && counts);
  const master = alive.find(({ who }) => keyOfSpeaker(who) === reign.master);
  if (master === undefined) return withoutMaster(reign, speakers, alive, now);
  const rivals = alive.filter((each) => each !== master && now < lateAt(each));
  const [rival] = rivals.toSorted((a, b) => a.since - b.since);
  const known = { who: master.who, last: master.last, bowedOut: false };
  if (rival === undefined) return alone({ ...reign, known }, master, { speakers, isAlone: alive.length === 1 });
  const claim = claimOf(reign, rival, master);
  if (now >= lateAt(master)) return succeed({ ...reign, known, claim }, rival);
  if (reign.dispute !== undefined || !isDisputed(master, rival)) return [{ ...reign, known, claim }, NOTHING];
  const found = { rival: rival.who, signatures: signatures(master, rival), overlapMs: overlapMs(master, rival) };
  const dispute = { rival: rival.who, since: Math.max(master.since, rival.since) };
  return [{ ...reign, known, claim, dispute }, [{ event: 'two-masters', ...master.who, ...found }]];
};

const claimOf = ({ claim }: Reign, rival: Speaker, master: Speaker): Claim => {
  const key = keyOfSpeaker(rival.who);
  if (claim?.key === key) return claim;
  const last = Math.min(master.last, rival.since);
  return { key, who: rival.who, silenceMs: rival.since - last, wasLate: rival.since >= lateAt({ ...master, last }) };
};

/** The MASTER speaks, and nobody else does in time. */
const alone = (
  reign: Reign,
  master: Speaker,
  { speakers, isAlone }: { readonly speakers: readonly Speaker[]; readonly isAlone: boolean },
): Told => {
  const { claim, dispute, ...rest } = reign;
  // A rival that is only late may still come.
  if ((claim === undefined && dispute === undefined) || !isAlone) return [reign, NOTHING];
  if (dispute !== undefined) {
    const rival = speakers.find(({ who }) => keyOfSpeaker(who) === keyOfSpeaker(dispute.rival)) ?? master;
    const lastedMs = Math.max(0, Math.min(rival.last, master.last) - dispute.since);
    return [rest, [{ event: 'two-masters-over', ...master.who, rival: dispute.rival, lastedMs }]];
  }
  return claim === undefined ? [rest, NOTHING] : [rest, [{ event: 'claim-failed', ...claim.who, master: master.who }]];
};

/** The rival is MASTER now. */
const succeed = ({ known, claim, dispute }: Reign, heir: Speaker): Told => {
  const key = keyOfSpeaker(heir.who);
  const next: Reign = { master: key, known: { who: heir.who, last: heir.last, bowedOut: false } };
  const over: readonly SegmentChange[] =
    dispute === undefined || known === undefined
      ? NOTHING
      : [
          {
            event: 'two-masters-over',
            ...heir.who,
            rival: known.who,
            lastedMs: Math.max(0, known.last - dispute.since),
          },
        ];
  if (known === undefined) return [next, [{ event: 'master', how: 'first', ...heir.who }]];
  const own = claim?.key === key ? claim : undefined;
  const how = successionOf(known, key, own);
  const afterMs = own?.silenceMs ?? Math.max(0, heir.since - known.last);
  return [next, [...over, { event: 'master', how, ...heir.who, previous: known.who, afterMs }]];
};

const successionOf = (
  known: NonNullable<Reign['known']>,
  heir: string,
  claim: Claim | undefined,
): 'returned' | 'bow-out' | 'preempt' | 'timeout' => {
  if (keyOfSpeaker(known.who) === heir) return 'returned';
  if (known.bowedOut) return 'bow-out';
  return claim !== undefined && !claim.wasLate ? 'preempt' : 'timeout';
};

const withoutMaster = (reign: Reign, speakers: readonly Speaker[], alive: readonly Speaker[], now: number): Told => {
  const gone = speakers.find(({ who }) => keyOfSpeaker(who) === reign.master);
  const known =
    gone === undefined ? reign.known : { who: gone.who, last: gone.last, bowedOut: gone.state === 'bowed-out' };
  const ended: Reign = known === undefined ? reign : { ...reign, known };
  const inTime = alive.filter((each) => now < lateAt(each));
  const heir =
    inTime.find(({ who }) => keyOfSpeaker(who) === reign.claim?.key) ?? inTime.toSorted((a, b) => b.since - a.since)[0];
  if (heir !== undefined) return succeed(ended, heir);
  if (reign.master === undefined || known === undefined) return [reign, NOTHING];
  const silence: SegmentChange = { event: 'master-silent', ...known.who, silentMs: now - known.last };
  // A farewell has been told as such.
  return [{ known }, known.bowedOut ? NOTHING : [silence]];
};
