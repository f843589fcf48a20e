/**
 * Asks one network namespace for its addresses, over and over, without starting a program from Node.js each time: forking
 * this large process costs 15 ms in which a test sees nothing, and `ip -n` mounts a file system. A shell in the namespace
 * does it for less than a tenth.
 */
import type { Child } from './child.ts';
import { until } from './wait.ts';

/** For each line of input what `ip` says, and a line that ends it, also when `ip` could not answer. */
const LOOP = 'while read -r number; do ip -j addr; echo; echo "end $number"; done';
export const READER: readonly string[] = ['sh', '-c', LOOP];

const ANSWER_MS = 20_000;
/** A power cut kills all programs of a host, and may hit the `ip` of the shell, too. */
const ATTEMPTS = 3;

export class AddressReader {
  readonly #child: Child;
  #asked = 0;
  /** Lines of the answers that were given already. */
  #read = 0;
  #queue: Promise<unknown> = Promise.resolve();

  /** @param child - runs `READER` in the namespace */
  constructor(child: Child) {
    this.#child = child;
  }

  /** What `ip -j addr` prints now. @throws Error when the namespace is gone, or does not answer for 20 s */
  read(): Promise<string> {
    const answer = this.#queue.then(async () => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const text = await this.#ask();
        if (text !== '') return text;
      }
      throw new Error(`${this.#child.name} cannot be read.${this.#child.report()}`);
    });
    this.#queue = answer.catch(() => {});
    return answer;
  }

  async #ask(): Promise<string> {
    this.#asked += 1;
    const end = `end ${this.#asked}`;
    this.#child.writeLine(String(this.#asked));
    const index = await until(
      `${this.#child.name} to answer`,
      ANSWER_MS,
      () => {
        if (!this.#child.running) throw new Error(`${this.#child.name} ended.${this.#child.report()}`);
        const found = this.#child.stdout.slice(this.#read).findIndex(({ text }) => text === end);
        return found === -1 ? undefined : this.#read + found;
      },
      () => this.#child.report(),
    );
    const text = this.#child.stdout
      .slice(this.#read, index)
      .map((line) => line.text)
      .join('');
    this.#read = index + 1;
    return text;
  }
}
