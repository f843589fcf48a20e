import { readFile } from 'node:fs/promises';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { defer, from, Observable, switchMap } from 'rxjs';
import { type MqttFailure, mqttFailure } from './problem.ts';
import type { MqttSettings } from './settings.ts';
import { topicLevel } from './topics.ts';

export type MqttVersion = 4 | 5;

export interface ConnectionOptions {
  readonly settings: MqttSettings;
  /** One of those in the settings. */
  readonly url: string;
  readonly clientId: string;
  /** 5, or 4 for MQTT 3.1.1. */
  readonly version: MqttVersion;
  /** Missing: nobody is told. */
  readonly will?: Will;
}

/** What the broker says when this connection ends without a farewell. QoS 1. */
export interface Will {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly retain: boolean;
}

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * One connection to the broker, from one attempt. Cold: emits the client once the broker has accepted it, completes
 * when somebody has ended that client in an orderly way, and ends with an `MqttFailure` as error when the connection is
 * refused or lost. Unsubscribing cuts the stream without DISCONNECT, so that the will fires.
 *
 * Each attempt has a client of its own: what mqtt.js would keep for the next connection is kept in the outbox, where
 * it has a bound, and a changed password file is read.
 */
export const mqttConnection = (options: ConnectionOptions): Observable<MqttClient> =>
  defer(() => from(clientOptions(options))).pipe(switchMap((chosen) => attempt(bareUrl(options), chosen)));

const clientOptions = async ({
  settings,
  clientId,
  version,
  will,
}: Omit<ConnectionOptions, 'url'>): Promise<IClientOptions> => {
  const password = await readPassword(settings);
  return {
    protocolVersion: version,
    clientId,
    clean: true,
    keepalive: settings.keepalive,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: 0,
    queueQoSZero: false,
    resubscribe: false,
    ...(will === undefined
      ? {}
      : { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: will.retain } }),
    ...(settings.username === undefined ? {} : { username: settings.username }),
    ...(password === undefined ? {} : { password }),
  };
};

const readPassword = async ({ password, passwordFile }: MqttSettings): Promise<string | undefined> => {
  if (passwordFile === undefined) return password;
  try {
    const [firstLine] = (await readFile(passwordFile, 'utf8')).split(/\r?\n/, 1);
    return firstLine ?? '';
  } catch (error) {
    throw mqttFailure(error);
  }
};

/** mqtt.js would prefer credentials in the URL to those of the settings. */
const bareUrl = ({ url, settings }: ConnectionOptions): string => {
  if (settings.username === undefined || !URL.canParse(url)) return url;
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  return bare.href;
};

const attempt = (url: string, options: IClientOptions): Observable<MqttClient> =>
  new Observable<MqttClient>((subscriber) => {
    const client = mqtt.connect(url, options);
    let failure: MqttFailure | undefined;
    // The first reason is the one that explains; what follows is the clean-up. The listener outlives the
    // subscription, because an `error` of a closing client without one would end the process.
    client.on('error', (error) => {
      failure ??= mqttFailure(error);
    });
    // mqtt.js keeps some errors of TLS and WebSocket streams to itself.
    client.stream.on('error', (error: unknown) => {
      failure ??= mqttFailure(error);
    });
    client.on('disconnect', ({ reasonCode }) => {
      failure ??= mqttFailure(Object.assign(new Error('the broker ended the connection'), { code: reasonCode }));
    });
    client.on('close', () => {
      if (client.disconnecting) subscriber.complete();
      else subscriber.error(failure ?? { code: undefined, text: 'the broker closed the connection' });
    });
    client.on('connect', () => subscriber.next(client));
    return () => client.end(true);
  });

/**
 * A client id that is the same after each restart, so that a broker which has not noticed the old connection's end
 * replaces it, and different for two machines that were given the same node name by mistake.
 *
 * @param machineId - eight hexadecimal digits of the machine id
 */
export const mqttClientId = (node: string, machineId: string): string => `carp-${topicLevel(node)}-${machineId}`;

/** How a broker is called in log lines: without what may be secret in a URL. */
export const brokerName = (url: string): string => {
  if (!URL.canParse(url)) return 'the broker';
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
};
