/** A real Mosquitto on the client's machine, and a real subscriber. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from './child.ts';
import type { Lan } from './netns.ts';
import { until } from './wait.ts';

export interface MqttMessage {
  readonly at: number;
  readonly topic: string;
  readonly payload: string;
}

export class Broker {
  readonly url: string;
  readonly #subscriber: Child;

  private constructor(url: string, subscriber: Child) {
    this.url = url;
    this.#subscriber = subscriber;
  }

  static async start(lan: Lan, filter: string): Promise<Broker> {
    const { client, folder } = lan;
    const file = join(folder, 'mosquitto.conf');
    // The port is free: the namespace is ours alone.
    writeFileSync(
      file,
      `listener 1883 ${client.ipv4}\nallow_anonymous true\npersistence false\nuser root\nlog_dest stderr\nlog_type all\n`,
    );
    const broker = lan.instrument(client.namespace, 'mosquitto', ['mosquitto', '-c', file]);
    await broker.untilLine(/running|Opening ipv4 listen socket/, 10_000);
    const argv = ['mosquitto_sub', '-h', client.ipv4, '-t', filter, '-F', '%t %p', '-V', '5'];
    const subscriber = lan.instrument(client.namespace, 'mosquitto_sub', argv);
    // The subscriber keeps such news to itself while its output is no terminal; the broker does not.
    await broker.untilLine(/Sending SUBACK/, 10_000);
    return new Broker(`mqtt://${client.ipv4}:1883`, subscriber);
  }

  messages(): readonly MqttMessage[] {
    return this.#subscriber.stdout.flatMap(({ at, text }) => {
      const space = text.indexOf(' ');
      const topic = text.slice(0, space);
      return topic.includes('/') ? [{ at, topic, payload: text.slice(space + 1) }] : [];
    });
  }

  untilMessage(topic: string, matches: (payload: string) => boolean, withinMs: number, from = 0): Promise<MqttMessage> {
    return until(
      `a message on ${topic}`,
      withinMs,
      () =>
        this.messages().find((message) => message.at >= from && message.topic === topic && matches(message.payload)),
      () => `Heard: ${JSON.stringify(this.messages().slice(-20), undefined, 1)}`,
    );
  }
}
