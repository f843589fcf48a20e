/**
 * Asks network namespaces for their addresses, over and over, without starting a program from Node.js each time: forking
 * this large process costs 15 ms in which a test sees nothing, and `ip -n` mounts a file system. A shell does it for less
 * than a tenth. It is in no namespace itself: tests look at what runs on their hosts.
 */
import { Child } from './child.ts';
import { until } from './wait.ts';

/** For each namespace on a line of input what `ip` says, and a line that ends it, also when `ip` could not answer. */
const LOOP = `while read -r number namespace; do
  nsenter --net="/run/netns/$namespace" ip -j addr; echo; echo "end $number"
done`;

const ANSWER_MS = 20_000;
/** A power cut kills all programs of a host, and may hit the `ip` of the shell, too. */
const ATTEMPTS = 3;

export class AddressReader {
  readonly #child = new Child('reader of addresses', ['sh', '-c', LOOP]);
  #asked = 0;
  /** Lines of the answers that were given already. */
  #read = 0;
  #queue: Promise<unknown> = Promise.resolve();

  /** What `ip -j addr` prints there now. @throws Error when the namespace is gone, or does not answer for 20 s */
  read(namespace: string): Promise<string> {
    const answer = this.#queue.then(async () => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const text = await this.#ask(namespace);
        if (text.endsWith('}]')) return text;
      }
      throw new Error(`the addresses in ${namespace} cannot be read.${this.#child.report()}`);
    });
    this.#queue = answer.catch(() => {});
    return answer;
  }

  stop(): void {
    this.#child.signal('SIGKILL');
  }

  async #ask(namespace: string): Promise<string> {
    this.#asked += 1;
    const end = `end ${this.#asked}`;
    this.#child.writeLine(`${this.#asked} ${namespace}`);
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
