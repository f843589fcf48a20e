/** Number of letters to insert, delete, replace or swap with a neighbour to get from one word to the other. */
const distance = (a: string, b: string): number => {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (rows[i - 1]?.[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const removed = (rows[i - 1]?.[j] ?? 0) + 1;
      const inserted = (row[j - 1] ?? 0) + 1;
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? (rows[i - 2]?.[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(replaced, removed, inserted, swapped));
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
};

/** Longer words are no misspelling of anything here, and would take long to compare. */
const LENGTH_MAX = 40;

/** As many letters make an abbreviation. */
const ABBREVIATION_MIN = 3;

/** The word that was probably meant: at most a third of its letters are wrong, or it is the beginning; in any case. */
export const closest = (word: string, candidates: readonly string[]): string | undefined => {
  if (word.length > LENGTH_MAX) return undefined;
  const isBeginning = (candidate: string): boolean =>
    word.length >= ABBREVIATION_MIN && candidate.toLowerCase().startsWith(word.toLowerCase());
  const similar = candidates
    .map((candidate) => ({ candidate, wrong: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, wrong }) => wrong <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.wrong - b.wrong);
  return similar[0]?.candidate ?? candidates.find(isBeginning);
};
