/** One attempt to connect to a broker, and how it ended. */
import type { MqttClient } from 'mqtt';
import { type MqttVersion, mqttConnection } from '../../src/adapters/mqtt/connection/connection.ts';
import type { MqttFailure } from '../../src/adapters/mqtt/connection/problem.ts';
import type { MqttSettings } from '../../src/adapters/mqtt/settings.ts';
import { mqttSettings } from './mqtt-settings.ts';

export interface AttemptOptions {
  readonly version?: MqttVersion;
  readonly clientId?: string;
  readonly timeoutMs?: number;
  /** Called while there is a connection, which ends by itself or by unsubscribing. Default: it is cut at once. */
  readonly connected?: (client: MqttClient, cut: () => void) => void;
}

/** `accepted`: there was a connection. `failure`: why there was none, or why it ended. */
export interface Outcome {
  readonly accepted: boolean;
  readonly failure?: MqttFailure;
}

export const attemptTo = (
  url: string,
  settings: Partial<MqttSettings> = {},
  { version = 5, clientId = `carp-test-${process.pid}`, timeoutMs, connected }: AttemptOptions = {},
): Promise<Outcome> =>
  new Promise((resolve) => {
    let accepted = false;
    const connection = mqttConnection({
      settings: mqttSettings({ ...settings, url }),
      url,
      version,
      clientId,
      will: { topic: 'carp/test/status', payload: 'offline', retain: false },
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    }).subscribe({
      next: (client) => {
        accepted = true;
        const cut = (): void => {
          connection.unsubscribe();
          resolve({ accepted });
        };
        if (connected === undefined) cut();
        else connected(client, cut);
      },
      error: (failure: MqttFailure) => resolve({ accepted, failure }),
      complete: () => resolve({ accepted }),
    });
  });
