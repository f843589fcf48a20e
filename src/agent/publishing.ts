import type { Observable } from 'rxjs';
import type { BusHost } from '../adapters/mqtt/part.ts';
import type { MqttConfig } from '../config/types.ts';
import type { BusStatus, CarpEvent } from '../engine/status.ts';
import { problemOf } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';

export interface Publisher {
  /** Missing: it cannot tell yet. */
  readonly status?: () => BusStatus | undefined;
  readonly close: (how?: Closing) => Promise<void>;
  readonly kill: () => void;
}

export interface Closing {
  /** Nobody speaks there any more: nothing is to be left. */
  readonly takeBack: boolean;
}

export interface PublisherOptions {
  readonly settings: MqttConfig;
  readonly host: BusHost;
  /** A folder in which a publisher may remember something. */
  readonly state: string;
  readonly events$: Observable<CarpEvent>;
  readonly log: Log;
}

export type CreatePublisher = (options: PublisherOptions) => Publisher;

export interface PublishingOptions extends Omit<PublisherOptions, 'settings' | 'state'> {
  readonly createPublisher: CreatePublisher;
}

/** The MQTT connection of one host, as its settings come, change and go. */
export class Publishing {
  readonly #options: PublishingOptions;
  #publisher: Publisher | undefined;
  #settings = '';
  #base: string | undefined;
  #closed = false;

  constructor(options: PublishingOptions) {
    this.#options = options;
  }

  /** Missing: there is none. */
  get status(): BusStatus | undefined {
    return this.#publisher?.status?.();
  }

  /** Publishes by these settings from now on; the same ones leave the connection alone. */
  async run(settings: MqttConfig | undefined, state: string): Promise<void> {
    const wanted = JSON.stringify(settings) ?? '';
    if (this.#publisher !== undefined && wanted === this.#settings) return;
    const former = this.#publisher;
    this.#publisher = undefined;
    // Under another base, or without MQTT, nobody would ever put right what is left.
    await former?.close({ takeBack: settings?.base !== this.#base });
    if (settings === undefined || this.#closed || this.#publisher !== undefined) return;
    const { createPublisher, ...rest } = this.#options;
    try {
      this.#publisher = createPublisher({ ...rest, settings, state });
      this.#settings = wanted;
      this.#base = settings.base;
    } catch (error) {
      // Telling others is never worth more than the addresses.
      rest.log('error', `mqtt of ${rest.host.node} is off: ${problemOf(error).message}`);
    }
  }

  /** Tells what is still to be told, and ends for good. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#publisher?.close();
  }

  /** Cuts the connection, as a power cut does; `run` makes another one. */
  kill(): void {
    this.#publisher?.kill();
    this.#publisher = undefined;
  }
}
