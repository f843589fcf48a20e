/** Wall-clock time, for the `at` of events and for nothing else: it may jump. */
export const wallClock = (): Date => new Date();
