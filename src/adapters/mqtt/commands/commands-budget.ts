export interface Budget {
  /** How many at once after a quiet time. */
  readonly burst: number;
  readonly perSecond: number;
  /** On the monotonic clock, in ms. */
  readonly now: () => number;
}

/** A bucket of tokens: whether one more may be had now. */
export const createBudget = ({ burst, perSecond, now }: Budget): (() => boolean) => {
  let left = burst;
  let at = now();
  return () => {
    const elapsedMs = now() - at;
    at += elapsedMs;
    left = Math.min(burst, left + (elapsedMs / 1000) * perSecond);
    if (left < 1) return false;
    left -= 1;
    return true;
  };
};
