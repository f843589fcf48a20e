/** What a test file is known by when it has ended. */
export interface FileReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Begins the last line of the reporter. */
export const SUMMARY = '::numbers ';

export interface FileResult extends FileReport {
  readonly file: string;
  readonly ok: boolean;
  /** What it printed, without the numbers. */
  readonly output: string;
  /** Monotonic milliseconds. */
  readonly from: number;
  readonly to: number;
}
