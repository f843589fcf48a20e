/** A real Mosquitto on a machine of a lan, and real subscribers on the client's machine. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HostView, type ModelOptions, retainedProblems } from './broker-model.ts';
import { type SubscribedMessage, Subscriber } from './broker-subscriber.ts';
import type { Child } from './child.ts';
import type { Lan, Machine } from './netns.ts';
import { until } from './wait.ts';

export type MqttMessage = SubscribedMessage;

const START_MS = 15_000;
const PORT = 1883;

export interface BrokerOptions {
  /** Where it runs. Default: on the client's machine, as a measuring instrument that survives power cuts. */
  readonly on?: Machine;
  /** Where others reach it. Default: the address of its machine. */
  readonly address?: string;
}

let subscribers = 0;

export class Broker {
  readonly url: string;
  readonly #lan: Lan;
  readonly #address: string;
  readonly #start: () => Child;
  #child: Child;
  #subscriber: Subscriber | undefined;

  private constructor(lan: Lan, address: string, start: () => Child) {
    this.#lan = lan;
    this.#address = address;
    this.url = `mqtt://${address}:${PORT}`;
    this.#start = start;
    this.#child = start();
  }

  /** @param filter - what a first subscriber on the client's machine listens to; undefined: there is none yet */
  static async start(lan: Lan, filter?: string, options: BrokerOptions = {}): Promise<Broker> {
    const { on, address = (on ?? lan.client).ipv4 } = options;
    const file = join(lan.folder, `mosquitto-${on?.name ?? 'client'}.conf`);
    // The port is free: the namespace is ours alone. Any address of the machine, since a shared one comes and goes.
    writeFileSync(
      file,
      `listener ${PORT}\nallow_anonymous true\npersistence false\nuser root\nlog_dest stderr\nlog_type all\n`,
    );
    const argv = ['mosquitto', '-c', file];
    const broker = new Broker(lan, address, () =>
      on === undefined
        ? lan.instrument(lan.client.namespace, 'mosquitto', argv)
        : lan.start(on, `mosquitto of ${on.name}`, argv),
    );
    await broker.#untilUp();
    if (filter !== undefined) broker.#subscriber = await broker.subscribe(filter);
    return broker;
  }

  async #untilUp(): Promise<void> {
    await this.#child.untilLine(/running|Opening ipv4 listen socket/, START_MS);
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    this.#child.signal('SIGKILL');
    await this.#child.exited.catch(() => undefined);
  }

  /** After `kill`, with an empty memory. Subscribers come back by themselves. */
  async restart(): Promise<void> {
    this.#child = this.#start();
    await this.#untilUp();
  }

  /** A subscriber on the client's machine, once it has been subscribed. */
  async subscribe(filter: string): Promise<Subscriber> {
    subscribers += 1;
    const id = `ear-${subscribers}`;
    const { client } = this.#lan;
    const subscriber = Subscriber.run((argv) => this.#lan.instrument(client.namespace, id, argv), {
      id,
      host: this.#address,
      port: PORT,
      filters: [filter],
    });
    // The subscriber keeps such news to itself while its output is no terminal; the broker does not.
    await this.#child.untilLine(new RegExp(`Sending SUBACK to ${id}$`), START_MS);
    return subscriber;
  }

  /** Waits until somebody who comes now finds what these hosts stand for, and nothing else. */
  async untilRight(views: () => Promise<readonly HostView[]>, withinMs: number, model?: ModelOptions): Promise<void> {
    let wrong: readonly string[] = [];
    const end = performance.now() + withinMs;
    do {
      const ear = await this.subscribe('carp/#');
      // What is retained comes in one go, before anything else.
      await until('retained messages', 3000, () => ear.messages().some(({ topic }) => topic.endsWith('/role'))).catch(
        () => undefined,
      );
      const known = await views();
      const kept = new Map(ear.messages().map(({ topic, payload }) => [topic, payload]));
      // An event is no retained message; it may have come meanwhile.
      for (const topic of kept.keys()) if (topic.endsWith('/event')) kept.delete(topic);
      wrong = retainedProblems(kept, known, { soon: true, ...model });
      await ear.stop();
    } while (wrong.length > 0 && performance.now() < end);
    if (wrong.length > 0)
      throw new Error(
        `waited ${withinMs} ms for the retained topics in vain:\n${wrong.join('\n')}${this.#lan.report()}`,
      );
  }

  messages(): readonly MqttMessage[] {
    return this.#subscriber?.messages() ?? [];
  }

  untilMessage(topic: string, matches: (payload: string) => boolean, withinMs: number, from = 0): Promise<MqttMessage> {
    if (this.#subscriber === undefined) throw new Error('this broker was started without a filter');
    return this.#subscriber.untilMessage(topic, matches, withinMs, from);
  }
}
