import { isIP, Socket } from 'node:net';
import mqtt, { type IClientOptions, type IDisconnectPacket, type MqttClient } from 'mqtt';
import { catchError, defer, from, Observable, switchMap, throwError } from 'rxjs';
import type { MqttSettings } from '../settings.ts';
import { topicLevel } from '../topics.ts';
import { type Circumstances, connectionFailure, type Progress } from './connection-failure.ts';
import { type Endpoint, parseEndpoint } from './endpoint.ts';
import { readLogin } from './login.ts';
import { type MqttFailure, mqttFailure } from './problem.ts';
import { readTls, type TlsMaterial } from './tls.ts';

export { brokerName } from './endpoint.ts';

export type MqttVersion = 4 | 5;

export interface ConnectionOptions {
  readonly settings: MqttSettings;
  /** One of those in the settings. */
  readonly url: string;
  readonly clientId: string;
  /** 5, or 4 for MQTT 3.1.1. */
  readonly version: MqttVersion;
  readonly will?: Will;
  /** How long everything up to CONNACK may take, in ms. Default: 10 s. */
  readonly timeoutMs?: number;
}

/** What the broker says when this connection ends without a farewell. QoS 1. */
export interface Will {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly retain: boolean;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** Nobody has anything longer to say to an agent. A broker that speaks MQTT 5 keeps it back. */
const PACKET_BYTES_MAX = 262_144;
/**
 * What a broker may send before the first of it is acknowledged. Mosquitto takes 20 for somebody who does not say, queues
 * 1000 more, and drops the rest without a word: of 6000 retained messages 1020 arrived, and with this all of them.
 */
const RECEIVE_MAX = 65_535;

/**
 * One connection to the broker, from one attempt. Cold: emits the client once the broker has accepted it, completes
 * when somebody has ended that client in an orderly way, and ends with an `MqttFailure` as error when the connection is
 * refused or lost. Unsubscribing cuts the stream without DISCONNECT, so that the will fires.
 *
 * Each attempt has a client of its own: what mqtt.js would keep for the next connection is kept in the outbox, where
 * it has a bound, and changed passwords, certificates and keys are read.
 */
export const mqttConnection = (options: ConnectionOptions): Observable<MqttClient> =>
  defer(() => from(prepare(options))).pipe(
    switchMap(({ client, circumstances }) => attempt(client, circumstances)),
    catchError((error) => throwError(() => mqttFailure(error))),
  );

interface Prepared {
  readonly client: IClientOptions;
  readonly circumstances: Circumstances;
}

const prepare = async (options: ConnectionOptions): Promise<Prepared> => {
  const { settings, url, clientId, version, will, timeoutMs = CONNECT_TIMEOUT_MS } = options;
  const endpoint = parseEndpoint(url);
  if (endpoint === undefined) throw failure('URL', 'mqtt.url is no URL such as mqtt://broker:1883; correct it');
  const login = await readLogin(settings, endpoint, process.env);
  if (login.password !== undefined && login.username === undefined)
    throw failure('LOGIN', 'there is a password without a name; set mqtt.username');
  const tls = endpoint.isTls ? await readTls(settings.tls, new Date()) : undefined;
  return {
    client: {
      ...place(endpoint, tls),
      ...login,
      protocolVersion: version,
      clientId,
      clean: true,
      keepalive: settings.keepalive,
      connectTimeout: timeoutMs,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      ...(will === undefined ? {} : { will: { ...will, payload: Buffer.from(will.payload), qos: 1 } }),
      ...(version === 5 ? { properties: { maximumPacketSize: PACKET_BYTES_MAX, receiveMaximum: RECEIVE_MAX } } : {}),
    },
    circumstances: {
      endpoint,
      timeoutMs,
      keepalive: settings.keepalive,
      ...(tls?.own === undefined ? {} : { ownCertificate: tls.own }),
    },
  };
};

const failure = (code: string, text: string): MqttFailure => ({ code, text });

/** mqtt.js gets no URL: it would obey what it finds in there, and repeat it in messages. */
const place = ({ protocol, host, port, path }: Endpoint, tls: TlsMaterial | undefined): IClientOptions => {
  const isWebSocket = protocol === 'ws' || protocol === 'wss';
  const hostname = isWebSocket && isIP(host) === 6 ? `[${host}]` : host;
  const where = { protocol, hostname, host: hostname, port };
  if (!isWebSocket) return { ...where, ...tls?.options };
  // ws gives them to tls.connect() as they are; its types know checkServerIdentity in another form.
  const wsOptions: object = { ...tls?.options };
  return { ...where, path, wsOptions };
};

const attempt = (options: IClientOptions, circumstances: Circumstances): Observable<MqttClient> =>
  new Observable<MqttClient>((subscriber) => {
    const client = mqtt.connect(options);
    const { stream } = client;
    const moment = watchProgress(client);
    let cause: MqttFailure | undefined;
    /** The first reason is the one that explains; what follows is the clean-up. */
    const blame = (error: unknown, reference = client.serverProperties?.serverReference): MqttFailure => {
      cause ??= connectionFailure(error, circumstances, { progress: moment(), serverReference: reference });
      return cause;
    };
    // The listeners outlive the subscription, because an `error` of a closing client without one would end the process.
    client.on('error', (error) => {
      blame(error);
      // After an answer that is not MQTT, mqtt.js would wait for more of it.
      stream.destroy();
    });
    // mqtt.js keeps some errors of TLS and WebSocket streams to itself.
    stream.on('error', blame);
    client.on('disconnect', (packet) => blame(ended(packet), packet.properties?.serverReference));
    client.on('close', () => {
      if (client.disconnecting) subscriber.complete();
      else subscriber.error(blame(undefined));
    });
    client.on('connect', () => {
      // Nagle's algorithm would hold small messages back until the broker has acknowledged the former ones: 40 ms each.
      if (client.stream instanceof Socket) client.stream.setNoDelay(true);
      subscriber.next(client);
    });
    return () => client.end(true);
  });

/** How far the attempt has come, whenever it is asked. */
const watchProgress = (client: MqttClient): (() => Progress) => {
  let progress: Progress = 'begun';
  client.stream.once('connect', () => {
    progress = 'open';
  });
  client.stream.once('secureConnect', () => {
    progress = 'secured';
  });
  client.once('connect', () => {
    progress = 'accepted';
  });
  return () => progress;
};

/** DISCONNECT of MQTT 5 as an error. */
const ended = ({ reasonCode }: IDisconnectPacket): Error =>
  Object.assign(new Error('the broker ended the connection; its log says why'), { code: reasonCode });

/**
 * A client id that is the same after each restart, so that a broker which has not noticed the old connection's end
 * replaces it, and different for two machines that were given the same node name by mistake.
 *
 * @param machineId - eight hexadecimal digits of the machine id
 */
export const mqttClientId = (node: string, machineId: string): string => `carp-${topicLevel(node)}-${machineId}`;
