import { concatMap, type Observable, scan } from 'rxjs';
import type { Segment } from '../engine/segment.ts';
import type { SegmentEvent } from '../engine/segment-events.ts';
import { type SegmentReport, type SpeakerReport, segmentReport } from '../engine/segment-report.ts';
import type { Place } from '../engine/segment-speaker.ts';
import { type SegmentStanding, standingOf, standingsOf } from '../engine/segment-standing.ts';
import type { SegmentNews } from '../engine/segment-watch.ts';
import type { Problem } from '../ports/error.ts';

/** Changes a second that are told one by one: anybody on a segment can make any number of them. */
export const CHANGES_MAX = 50;
/** Speakers that one report names. */
export const SPEAKERS_MAX = 500;

/** What is told of a segment. */
export type SegmentUpdate =
  /**
   * All that is known: first, after a problem, and when more has changed than can be told one by one. Whatever is not in
   * it is not known (any more).
   */
  | {
      readonly type: 'report';
      readonly report: SegmentReport;
      readonly standings: readonly SegmentStanding[];
      /** Speakers for whom there was no room in the report. */
      readonly speakersLeftOut: number;
    }
  /** `standing`: the virtual host that it is about, after it. */
  | { readonly type: 'change'; readonly change: SegmentEvent; readonly standing?: SegmentStanding }
  /** Nothing is heard; a report tells when it is again. */
  | { readonly type: 'problem'; readonly problem: Problem };

/** What is heard of a segment, or why nothing is. */
export type Hearing = SegmentNews | { readonly problem: Problem };

interface Telling {
  readonly updates: readonly SegmentUpdate[];
  /** Of the problem that was told last. */
  readonly problem?: string;
  /** A report has to come first: at the beginning, after a problem, after too much. */
  readonly owesReport: boolean;
  readonly second: number;
  readonly told: number;
}

const BEGINNING: Telling = { updates: [], owesReport: true, second: Number.NaN, told: 0 };

/**
 * What is worth telling to one who listens: first how things stand, then what changes. Cold; completes with its source.
 *
 * @param now - monotonic clock, ms
 */
export const segmentUpdates = (hearing$: Observable<Hearing>, now: () => number): Observable<SegmentUpdate> =>
  hearing$.pipe(
    scan((telling, hearing) => tell(telling, hearing, Math.floor(now() / 1000)), BEGINNING),
    concatMap(({ updates }) => updates),
  );

const tell = (before: Telling, hearing: Hearing, second: number): Telling => {
  if ('problem' in hearing) {
    const { problem } = hearing;
    const updates: readonly SegmentUpdate[] = before.problem === problem.message ? [] : [{ type: 'problem', problem }];
    return { ...BEGINNING, updates, problem: problem.message };
  }
  const { segment, events } = hearing;
  const { told, owesReport } = second === before.second ? before : { told: 0, owesReport: before.owesReport };
  const isFull = told >= CHANGES_MAX;
  if (owesReport && !isFull) return { updates: [reportUpdate(segment)], owesReport: false, second, told: told + 1 };
  const room = owesReport ? 0 : CHANGES_MAX - told;
  const now = events.slice(0, room);
  return {
    updates: now.map((change) => changeUpdate(change, segment)),
    owesReport: owesReport || events.length > now.length,
    second,
    told: told + now.length,
  };
};

const changeUpdate = (change: SegmentEvent, segment: Segment): SegmentUpdate => {
  const place = placeOf(change);
  const standing = place && standingOf(segment, place);
  return standing === undefined ? { type: 'change', change } : { type: 'change', change, standing };
};

/** A flood is about nobody, and a refused packet has no protocol that could be relied on. */
const placeOf = (change: SegmentEvent): Place | undefined =>
  change.event === 'flood' || change.event === 'refused' ? undefined : change;

export const reportUpdate = (segment: Segment): Extract<SegmentUpdate, { readonly type: 'report' }> => {
  const report = segmentReport(segment);
  const speakers = importantOf(report.speakers);
  return {
    type: 'report',
    report: { ...report, speakers },
    standings: standingsOf(segment),
    speakersLeftOut: report.speakers.length - speakers.length,
  };
};

/** In their order: those who speak before those who are silent, those who have said much before those who have not. */
const importantOf = (speakers: readonly SpeakerReport[]): readonly SpeakerReport[] => {
  if (speakers.length <= SPEAKERS_MAX) return speakers;
  const weight = ({ role, adverts }: SpeakerReport): number =>
    (role === 'MASTER' ? Number.MAX_SAFE_INTEGER / 2 : 0) + adverts;
  const kept = new Set(speakers.toSorted((a, b) => weight(b) - weight(a)).slice(0, SPEAKERS_MAX));
  return speakers.filter((each) => kept.has(each));
};
