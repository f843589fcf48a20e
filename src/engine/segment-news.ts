/**
 * How much of what happens on a segment is told. Anybody can forge thousands of senders a second, so what is about those
 * who are not known has a budget, and the rest is only counted.
 */
import type { SegmentChange } from './segment-events.ts';

/** Changes a second that are about senders who have not been heard three times. */
export const NEWS_MAX = 20;
/** Diagnoses a second: each may cost thousands of digests, and strangers' adverts are free to forge. */
export const DIAGNOSES_MAX = 4;

/** How much of what costs time or attention has been spent in this second of the segment's clock. */
export interface News {
  readonly second: number;
  readonly count: number;
  readonly diagnoses: number;
  /** Changes that found no room or were not worth telling, of all seconds. */
  readonly untold: number;
}

export const NO_NEWS: News = { second: 0, count: 0, diagnoses: 0, untold: 0 };

/** With what has been spent in the second of `now` alone. @param now - on the segment's clock, ms */
export const newsAt = (news: News, now: number): News => {
  const second = Math.floor(now / 1000);
  return news.second === second ? news : { ...NO_NEWS, second, untold: news.untold };
};

export const isSpent = ({ count }: News): boolean => count >= NEWS_MAX;
export const maySpendDiagnosis = ({ diagnoses }: News): boolean => diagnoses < DIAGNOSES_MAX;

export type Told = readonly [news: News, told: readonly SegmentChange[]];

const NOTHING: readonly SegmentChange[] = [];

/** @param isEssential - of senders who are known, or about them: that is always told */
export const tell = (news: News, changes: readonly SegmentChange[], isEssential: boolean): Told => {
  if (changes.length === 0) return [news, NOTHING];
  const diagnoses = news.diagnoses + changes.filter((each) => each.event === 'digest' && each.diagnosis).length;
  if (isEssential) return [{ ...news, diagnoses }, changes];
  if (isSpent(news)) return leaveOut({ ...news, diagnoses }, changes.length);
  return [{ ...news, diagnoses, count: news.count + changes.length }, changes];
};

/** Counts what is not told, and tells that from time to time. */
export const leaveOut = (news: News, more: number): Told => {
  const untold = news.untold + more;
  // The 1st, 10th, 100th … also if several come at once.
  const isTold = Math.floor(Math.log10(untold)) !== Math.floor(Math.log10(news.untold || 0.1));
  return [{ ...news, untold }, isTold ? [{ event: 'flood', untold }] : NOTHING];
};
