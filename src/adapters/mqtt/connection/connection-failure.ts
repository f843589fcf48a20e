/** What an error means at that point of an attempt at which it came; see problem.ts for what it means anywhere. */
import type { Endpoint } from './endpoint.ts';
import { type MqttFailure, mqttFailure } from './problem.ts';

/** How far an attempt came. `open`: TCP is. `secured`: TLS is, or is not used. WebSockets tell nothing in between. */
export type Progress = 'begun' | 'open' | 'secured' | 'accepted';

export interface Circumstances {
  readonly endpoint: Endpoint;
  /** For everything up to CONNACK, in ms. */
  readonly timeoutMs: number;
  /** s */
  readonly keepalive: number;
  /** The certificate that this host shows, in words. */
  readonly ownCertificate?: string;
}

export interface Moment {
  readonly progress: Progress;
  /** Where else to go, in the words of the broker (MQTT 5). */
  readonly serverReference?: string | undefined;
}

/** @param error - `undefined`: the connection ended without any */
export const connectionFailure = (error: unknown, about: Circumstances, moment: Moment): MqttFailure => {
  const isAccepted = moment.progress === 'accepted';
  const message = error instanceof Error ? error.message : '';
  if (message === 'connack timeout') return timedOut(about, moment);
  if (message === 'Keepalive timeout') return silent(about);
  const found = mqttFailure(error);
  if (!isAccepted && (error === undefined || isHangUp(found))) return hungUp(found, about, moment);
  if (error === undefined) return { code: 'CLOSED', text: CLOSED };
  if (typeof found.code === 'number') return withReference(found, moment);
  if (about.endpoint.isTls && /ALERT|CERT|SELF_SIGNED|ALTNAME/.test(String(found.code))) return aboutTls(found, about);
  if (found.code !== undefined || isAccepted) return found;
  return strange(found, message);
};

/** MQTT 3.1.1 has no reasons, and Mosquitto 2.0.11 does not give this one in MQTT 5 either. */
const CLOSED =
  'the broker closed the connection without a reason; its log says why (often another client uses the same client id)';

const isHangUp = ({ code }: MqttFailure): boolean => code === 'ECONNRESET' || code === 'EPIPE';

const seconds = (ms: number): string => `${Number((ms / 1000).toFixed(1))} s`;

const timedOut = ({ timeoutMs, endpoint }: Circumstances, { progress }: Moment): MqttFailure => {
  const time = seconds(timeoutMs);
  if (endpoint.protocol.startsWith('ws'))
    return {
      code: 'NO_ANSWER',
      text: `nobody answered within ${time}; check the network, the port and the path in mqtt.url, and whether the broker hangs`,
    };
  if (progress === 'begun')
    return {
      code: 'ETIMEDOUT',
      text: `the host did not answer within ${time}; check the network and the firewall of the broker`,
    };
  const what = progress === 'open' && endpoint.isTls ? 'did not begin TLS' : 'did not answer';
  return {
    code: 'NO_ANSWER',
    text: `the broker accepts connections, but ${what} within ${time}; does it hang, or is another service on that port?`,
  };
};

const silent = ({ keepalive }: Circumstances): MqttFailure => ({
  code: 'KEEPALIVE',
  text: `the broker stopped answering (keepalive ${keepalive} s); check the network, and whether the broker hangs`,
});

/** Not a word of why: what it usually is. */
const hungUp = (found: MqttFailure, { endpoint, ownCertificate }: Circumstances, { progress }: Moment): MqttFailure => {
  const what = 'the broker hung up without an answer';
  const code = found.code ?? 'HUNG_UP';
  if (!endpoint.isTls) {
    const maybe =
      'is the port one for TLS or WebSockets? A broker that speaks MQTT 3.1.1 alone needs mqtt.version: 3.1.1';
    return { code, text: `${what}; ${maybe}` };
  }
  if (progress === 'open') return { code, text: `${what}; is the port one for TLS? If not, use mqtt:// in mqtt.url` };
  const maybe =
    ownCertificate === undefined
      ? 'it may want a certificate of this host; set mqtt.tls.certFile and mqtt.tls.keyFile'
      : `it may refuse the certificate of this host (${ownCertificate}); its log says why`;
  return { code, text: `${what}; ${maybe}` };
};

/** An alert that is about the certificate of this host is read together with it. */
const aboutTls = ({ code, text }: MqttFailure, { ownCertificate }: Circumstances): MqttFailure => ({
  code,
  text: ownCertificate !== undefined && String(code).includes('ALERT') ? `${text} (it is ${ownCertificate})` : text,
});

/** Names of other brokers are shown, and not followed: nobody has said that they may be trusted with a password. */
const withReference = (found: MqttFailure, { serverReference }: Moment): MqttFailure =>
  serverReference !== undefined && /^[\w.:[\], -]{1,200}$/.test(serverReference)
    ? { ...found, text: `${found.text} (the broker names ${serverReference})` }
    : found;

/** mqtt.js and ws have no codes for what they cannot read. */
const strange = (found: MqttFailure, message: string): MqttFailure => {
  const status = /^Unexpected server response: (?<status>\d+)/.exec(message)?.groups?.['status'];
  if (status !== undefined)
    return {
      code: 'NO_WEBSOCKET',
      text: `the web server answers ${status} instead of opening a WebSocket; check the path in mqtt.url`,
    };
  return { code: 'NOT_MQTT', text: `the answer is not MQTT (${found.text}); check the port and the path in mqtt.url` };
};
