/** A plain mosquitto_sub(1): somebody who knows nothing of this project but its topics. */
import type { Child } from './child.ts';
import { toolPath } from './requirements.ts';
import { until } from './wait.ts';

export interface SubscribedMessage {
  /** Monotonic milliseconds, when the line was read. */
  readonly at: number;
  readonly topic: string;
  readonly payload: string;
  /** It was there before the subscription. */
  readonly retain: boolean;
}

export interface SubscriberOptions {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly filters: readonly string[];
  readonly caFile?: string;
}

/** `<retained> <topic> <payload>`; no name of a test contains a blank. */
const FORMAT = '%r %t %p';

export class Subscriber {
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
  }

  /** @param start - starts a program; where it runs is its business */
  static run(start: (argv: readonly string[]) => Child, options: SubscriberOptions): Subscriber {
    const { id, host, port, filters, caFile } = options;
    return new Subscriber(
      start([
        toolPath('mosquitto_sub') ?? 'mosquitto_sub',
        ...['-V', '5', '-q', '1', '-i', id, '-h', host, '-p', String(port), '-F', FORMAT],
        ...filters.flatMap((filter) => ['-t', filter]),
        ...(caFile === undefined ? [] : ['--cafile', caFile]),
      ]),
    );
  }

  messages(): readonly SubscribedMessage[] {
    return this.#child.stdout.flatMap(({ at, text }) => {
      const [, retain, topic, payload] = /^([01]) (\S+) ?(.*)$/s.exec(text) ?? [];
      return topic === undefined || payload === undefined ? [] : [{ at, topic, payload, retain: retain === '1' }];
    });
  }

  /** The newest payload of a topic; '' when it was taken back. */
  last(topic: string): string | undefined {
    return this.messages().findLast((message) => message.topic === topic)?.payload;
  }

  /** The first message of this topic, read at `from` or later, whose payload is this one, or fits. */
  untilMessage(
    topic: string,
    payload: string | ((payload: string) => boolean),
    withinMs: number,
    from = 0,
  ): Promise<SubscribedMessage> {
    const fits = typeof payload === 'string' ? (text: string): boolean => text === payload : payload;
    return until(
      `${typeof payload === 'string' ? `"${payload}"` : 'what is expected'} on ${topic}`,
      withinMs,
      () => this.messages().find((message) => message.at >= from && message.topic === topic && fits(message.payload)),
      () => this.report(),
    );
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }

  report(): string {
    return this.#child.report();
  }
}
