import { problemOf } from '../ports/error.ts';

/** One thing that was looked at. What is `missing` keeps CARP from working; a `warning` will hurt on a bad day. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'missing';
  /** What was looked at: `node`, an interface, a group. */
  readonly about: string;
  readonly message: string;
  /** The very command or setting that helps. */
  readonly remedy?: string;
}

export const ok = (about: string, message: string): Finding => ({ level: 'ok', about, message });
export const warning = (about: string, message: string, remedy: string): Finding => ({
  level: 'warning',
  about,
  message,
  remedy,
});
export const missing = (about: string, message: string, remedy?: string): Finding => ({
  level: 'missing',
  about,
  message,
  ...(remedy === undefined ? {} : { remedy }),
});

/** What a failure says about this machine. */
export const missingBecause = (about: string, error: unknown): Finding => {
  const { message, remedy } = problemOf(error);
  return missing(about, message, remedy);
};
