import type { Vhid } from '../protocol/units.ts';

/** Where a group speaks: what it remembers is remembered for this place, whatever the group is called. */
export interface ReplayPlace {
  readonly interface: string;
  readonly vhid: Vhid;
}

/** Who has something to be kept. It is asked when the time has come, so that nothing is written for each advert. */
export interface ReplaySource {
  /** What is new since this or `whole` was last asked; no pieces: nothing. */
  readonly news: () => Iterable<Uint8Array>;
  /**
   * All there is at this moment, in pieces that make one text. They may be taken one by one, with other work in between, so
   * that nobody waits until all of it is made.
   */
  readonly whole: () => Iterable<Uint8Array>;
}

/** What is kept for one place. Nothing of it throws, and nothing waits for a disk except `found`. */
export interface ReplayRecord {
  /** What a predecessor has left: a `whole` and the `news` after it, in this order. Empty if there is nothing of use. */
  readonly found: readonly Uint8Array[];
  /** Says that there is news; they are asked for within seconds, or as soon as possible if it is urgent. */
  readonly touch: (urgent?: boolean) => void;
  /** Writes the last news, in the background, and nothing after that. */
  readonly close: () => void;
}

/** Keeps what groups remember of adverts for the next process. */
export interface ReplayArchive {
  readonly open: (place: ReplayPlace, source: ReplaySource) => ReplayRecord;
}
