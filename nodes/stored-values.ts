/** Values as the editor stores them, on their way to the check of the configuration, which names what is wrong. */
import type { Problem } from '../src/ports/error.ts';

/** Trimmed; empty (as an environment variable that is not set becomes) counts as missing. */
export const text = (value: unknown): string | undefined => {
  const trimmed = typeof value === 'string' ? value.trim() : value === undefined || value === null ? '' : String(value);
  return trimmed === '' ? undefined : trimmed;
};

/** What is no number stays as it is, so that the check names it. */
export const number = (value: unknown): unknown => {
  const written = text(value);
  return written === undefined || Number.isNaN(Number(written)) ? written : Number(written);
};

/** Entries of a list; one of them may hold several, as an environment variable does: `192.0.2.11, 192.0.2.12`. */
export const listOf = (entries: unknown): readonly string[] =>
  (Array.isArray(entries) ? entries : [entries])
    .flatMap((entry) => (text(entry) ?? '').split(/[\s,]+/))
    .filter((entry) => entry !== '');

export const present = <K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };

/** Node-RED leaves a variable that is not set as it is written; it must become neither a name nor a passphrase. */
export const isUnset = (value: unknown): value is string =>
  typeof value === 'string' && /^\$(?:\{\S+\}|\(\S+\))$/.test(value);

/** The names of the variables among these values that are not set. */
export const unsetIn = (values: readonly unknown[]): readonly string[] =>
  values
    .flat()
    .filter(isUnset)
    .map((written) => written.slice(2, -1));

/** @param who - `this group` */
export const notSet = (who: string, names: readonly string[]): Problem => ({
  code: 'CARP_CONFIG',
  message: `${who} uses ${names.join(', ')}, and there is no such environment variable`,
  remedy: 'set it for Node-RED, in the environment of its service or in "Environment variables" of the tab or flow',
});
