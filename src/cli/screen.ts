/** What a terminal obeys, for pages that are drawn again and again. */
export const Screen = {
  hideCursor: '\u001b[?25l',
  showCursor: '\u001b[?25h',
  clear: '\u001b[2J',
  home: '\u001b[H',
  clearLine: '\u001b[K',
  clearBelow: '\u001b[J',
  /** A line that is too long is cut, and does not push the others down. */
  noWrap: '\u001b[?7l',
  wrap: '\u001b[?7h',
} as const;

/** How many lines there is room for. A terminal that does not know its size says 0. */
export const roomFor = (rows: number): number =>
  // The last row stays free: a newline there would scroll.
  rows > 1 ? rows - 1 : Number.POSITIVE_INFINITY;

/** These lines in the place of those that were there. @param rows - of the terminal */
export const page = (lines: readonly string[], rows: number): string =>
  `${Screen.home}${lines
    .slice(0, roomFor(rows))
    .map((line) => `${line}${Screen.clearLine}\n`)
    .join('')}${Screen.clearBelow}`;
