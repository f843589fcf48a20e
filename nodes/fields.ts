/** Values as the editor stores them: `${VARIABLES}` are text, and a field of an older flow may be missing. */

interface Range {
  readonly least: number;
  readonly most: number;
  readonly usual: number;
}

/** Within its range; what is no number, or none of the range, counts as missing. */
export const numberIn = (value: unknown, { least, most, usual }: Range): number => {
  const written = textIn(value);
  const number = written === '' ? Number.NaN : Number(written);
  return number >= least && number <= most ? number : usual;
};

export const wholeNumberIn = (value: unknown, range: Range): number => {
  const number = numberIn(value, range);
  return Number.isInteger(number) ? number : range.usual;
};

/** Trimmed; empty if there is none. */
export const textIn = (value: unknown): string =>
  typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : '';

export const oneOf = <Word extends string>(words: readonly Word[], value: unknown, usual: Word): Word =>
  words.find((word) => word === textIn(value)) ?? usual;

export const isTrue = (value: unknown): boolean => value === true || value === 'true';
