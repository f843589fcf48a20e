/** Which test file runs next. */

/** They wait for timers and hosts, and take long; the others compute. */
const WAITING = ['wire', 'adapters', 'cli'];

const folderOf = (file: string): string => file.split(/[\\/]/).at(-2) ?? '';

/**
 * Files that compute and files that wait share a machine well: one worker prefers the former, all others the latter.
 * Whoever finds nothing of his kind takes the other.
 */
export class Schedule {
  readonly #waiting: string[];
  readonly #computing: string[];

  constructor(files: readonly string[]) {
    const rank = (file: string): number => WAITING.indexOf(folderOf(file));
    this.#waiting = files.filter((file) => rank(file) !== -1).toSorted((a, b) => rank(a) - rank(b));
    this.#computing = files.filter((file) => rank(file) === -1);
  }

  next(worker: number): string | undefined {
    const [mine, others] = worker === 0 ? [this.#computing, this.#waiting] : [this.#waiting, this.#computing];
    return mine.shift() ?? others.shift();
  }
}
