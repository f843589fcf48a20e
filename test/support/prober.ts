/** What a client of the shared address notices: a datagram every 10 ms, answered by whoever holds the address. */
import { fileURLToPath } from 'node:url';
import type { Child } from './child.ts';
import type { Lan } from './netns.ts';
import { monotonicMs, until } from './wait.ts';

const PORT = 4747;
const INTERVAL_MS = 10;
/** A client does not wait longer than this for an answer; a later one counts as lost. */
const PATIENCE_MS = 200;

export interface Answer {
  readonly number: number;
  /** Monotonic milliseconds. */
  readonly sent: number;
  readonly host: string;
}

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export class Prober {
  readonly #client: Child;
  readonly #lan: Lan;

  private constructor(lan: Lan, client: Child) {
    this.#lan = lan;
    this.#client = client;
  }

  static async start(lan: Lan, address: string): Promise<Prober> {
    const responders = lan.hosts.map(({ name, namespace }) =>
      lan.instrument(namespace, `responder on ${name}`, [
        process.execPath,
        script('prober-host.js'),
        name,
        String(PORT),
      ]),
    );
    await Promise.all(responders.map((child) => child.untilLine(/ready udp6/, 10_000)));
    const argv = [process.execPath, script('prober-client.js'), address, String(PORT), String(INTERVAL_MS)];
    return new Prober(lan, lan.instrument(lan.client.namespace, 'prober', argv));
  }

  answers(): readonly Answer[] {
    return this.#client.stdout.flatMap(({ text }) => {
      const [number, sent, received, host] = text.split(' ');
      if (Number(received) - Number(sent) > PATIENCE_MS) return [];
      return [{ number: Number(number), sent: Number(sent), host: host ?? '' }];
    });
  }

  /** Waits until this host has answered something sent from now on. */
  untilAnsweredBy(host: string, withinMs: number): Promise<Answer> {
    const from = monotonicMs();
    return until(
      `an answer by ${host}`,
      withinMs,
      () => this.answers().findLast((answer) => answer.sent >= from && answer.host === host),
      () => `Last answer: ${JSON.stringify(this.answers().at(-1))}.${this.#lan.report()}`,
    );
  }

  /**
   * The longest time without an answer since `from`, in ms: from the last datagram that was answered before a loss to
   * the first one after it. Counting datagrams keeps our own process's hiccups out.
   */
  longestSilence(from: number): number {
    const answers = this.answers().toSorted((a, b) => a.number - b.number);
    const silences = answers.slice(1).map((answer, index) => {
      const before = answers[index];
      if (before === undefined || answer.sent < from || answer.number === before.number + 1) return 0;
      return answer.sent - before.sent;
    });
    return Math.max(0, ...silences);
  }
}
