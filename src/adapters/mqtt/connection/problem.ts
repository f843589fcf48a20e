/**
 * Why there is no connection, or no longer one, in words that end in what to do.
 *
 * Four parties give reasons: the system (ECONNREFUSED), OpenSSL (a certificate that this host does not trust, or an alert
 * of a broker that does not trust this host), mqtt.js (which has no codes for its own), and the broker (reason codes).
 * Only what is in the tables below is repeated, and short messages without any URL: whatever a user has written into
 * a URL stays out of logs.
 */
import { REASONS } from './reasons.ts';

/** The broker did not answer, or answered no. `code` is that of the system or the reason code of MQTT. */
export interface MqttFailure {
  readonly code: string | number | undefined;
  /** What happened and what to do, in one line without any secret. */
  readonly text: string;
}

/** The broker does not speak this version of MQTT: CONNACK 1 in the form of 3.1.1, 0x84 in that of 5. */
export const isVersionRefused = ({ code }: MqttFailure): boolean => code === 1 || code === 0x84;

/** Nobody is there, or nobody could be asked. */
export const isUnreachable = ({ code }: MqttFailure): boolean => code !== undefined && UNREACHABLE.includes(code);

const UNREACHABLE: readonly (string | number)[] = [
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
];

export const isMqttFailure = (error: unknown): error is MqttFailure =>
  typeof error === 'object' && error !== null && 'text' in error && typeof error.text === 'string' && 'code' in error;

/** Whatever mqtt.js, the system or a broker gave as a reason, in words. */
export const mqttFailure = (error: unknown): MqttFailure => {
  if (isMqttFailure(error)) return error;
  const code = codeOf(error);
  const known = typeof code === 'number' ? REASONS[code] : wordsOf(String(code));
  if (known !== undefined) return { code, text: known };
  if (typeof code === 'number' && code !== 0)
    return { code, text: `the broker gives reason ${code}; its log says more` };
  return { code, text: messageOf(error) ?? String(code ?? 'connection failed') };
};

const codeOf = (error: unknown): string | number | undefined => {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  if (error.code === 'EPROTO' && error instanceof Error) return handshakeCode(error.message);
  return typeof error.code === 'string' || typeof error.code === 'number' ? error.code : undefined;
};

/** During the handshake, what OpenSSL says is in the message alone; afterwards there is a code. */
const handshakeCode = (message: string): string => {
  const alert = /SSL alert number (?<number>\d+)/.exec(message)?.groups?.['number'];
  const name = ALERT_NUMBERS[Number(alert)];
  if (name !== undefined) return `ERR_SSL_ALERT_${name}`;
  const reason = HANDSHAKE_REASONS.find((words) => message.includes(words));
  return reason === undefined ? 'EPROTO' : `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`;
};

const HANDSHAKE_REASONS = ['wrong version number', 'packet length too long', 'unsupported protocol'];

/** RFC 8446, 6. */
const ALERT_NUMBERS: Readonly<Record<number, string>> = {
  40: 'HANDSHAKE_FAILURE',
  42: 'BAD_CERTIFICATE',
  43: 'UNSUPPORTED_CERTIFICATE',
  44: 'CERTIFICATE_REVOKED',
  45: 'CERTIFICATE_EXPIRED',
  46: 'CERTIFICATE_UNKNOWN',
  48: 'UNKNOWN_CA',
  49: 'ACCESS_DENIED',
  51: 'DECRYPT_ERROR',
  70: 'PROTOCOL_VERSION',
  112: 'UNRECOGNIZED_NAME',
  116: 'CERTIFICATE_REQUIRED',
  120: 'NO_APPLICATION_PROTOCOL',
};

const MESSAGE_MAX = 160;

/** The message of an error that no table knows, if it can contain nothing that a user has written. */
const messageOf = (error: unknown): string | undefined => {
  if (!(error instanceof Error) || error.message === '') return undefined;
  const line = error.message.replace(/[^\x20-\x7e].*$/s, '').slice(0, MESSAGE_MAX);
  return line === '' || line.includes('://') ? undefined : line;
};

const wordsOf = (code: string): string | undefined => {
  const alert = /^ERR_SSL_.*ALERT_(?<name>\w+)$/.exec(code)?.groups?.['name'];
  if (alert !== undefined && SYSTEM[code] === undefined) return alertText(alert);
  return SYSTEM[code] ?? (/_TOO_(SMALL|WEAK)$/.test(code) ? `${WEAK} (${code})` : undefined);
};

const NAME = 'check the host name in mqtt.url';
const ROUTE = 'check the network';
const PLAIN = 'is the port one for TLS? If not, use mqtt:// in mqtt.url';
const WEAK =
  'a certificate or a key is too weak for TLS of today; make one with SHA-256, and RSA of 2048 bits or an elliptic curve';
const SERVER_NAME = 'the broker does not know the server name; check mqtt.tls.serverName, or the host in mqtt.url';
const UNTRUSTED =
  'the certificate of the broker is not trusted; give the CA that signed it in mqtt.tls.caFile, with the certificates in between';

const SYSTEM: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there (ECONNREFUSED); is the broker running, and is the port in mqtt.url right?',
  ECONNRESET: 'the broker hung up (ECONNRESET); its log says why',
  EPIPE: 'the broker hung up (EPIPE); its log says why',
  ENOTFOUND: `there is no such host (ENOTFOUND); ${NAME}`,
  EAI_AGAIN: 'name resolution failed (EAI_AGAIN); check DNS, or use an address in mqtt.url',
  EHOSTUNREACH: `the host cannot be reached (EHOSTUNREACH); ${ROUTE}`,
  ENETUNREACH: `the network cannot be reached (ENETUNREACH); ${ROUTE}`,
  ETIMEDOUT: 'the host does not answer (ETIMEDOUT); check the network and the firewall of the broker',
  EPROTO: `the handshake of TLS failed; ${PLAIN}, and let both speak TLS 1.2 or 1.3`,
  ERR_SSL_WRONG_VERSION_NUMBER: `the answer is not TLS; ${PLAIN}`,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: `the answer is not TLS; ${PLAIN}`,
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the broker only speaks an outdated version of TLS; let it speak 1.2 or 1.3',
  ERR_SSL_NO_CIPHERS_AVAILABLE: 'broker and host have no cipher in common; let the broker use those of TLS 1.2 or 1.3',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: SERVER_NAME,
  CERT_HAS_EXPIRED: 'the certificate of the broker has expired; renew it, and check the clock of this host',
  CERT_NOT_YET_VALID: 'the certificate of the broker is not valid yet; check the clocks of this host and of the broker',
  CERT_REVOKED: 'the certificate of the broker has been revoked; give the broker another one',
  CERT_SIGNATURE_FAILURE: UNTRUSTED,
  CERT_UNTRUSTED: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  INVALID_CA: 'mqtt.tls.caFile holds a certificate that is no CA; give the one that signed that of the broker',
  INVALID_PURPOSE: 'the certificate of the broker is not one for servers; give the broker one with serverAuth',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'the certificate of the broker is for another name; use that name in mqtt.url, or give it as mqtt.tls.serverName',
};

/** What a broker says about the certificate of this host; RFC 8446, 6.2. */
const ALERTS: Readonly<Record<string, string>> = {
  CERTIFICATE_REQUIRED: 'the broker wants a certificate of this host; set mqtt.tls.certFile and mqtt.tls.keyFile',
  CERTIFICATE_EXPIRED: 'the broker says that the certificate of this host (mqtt.tls.certFile) has expired; renew it',
  CERTIFICATE_REVOKED: 'the broker says that the certificate of this host (mqtt.tls.certFile) was revoked; get another',
  CERTIFICATE_UNKNOWN: 'the broker does not accept the certificate of this host (mqtt.tls.certFile); its log says why',
  BAD_CERTIFICATE: 'the broker does not accept the certificate of this host (mqtt.tls.certFile); its log says why',
  UNSUPPORTED_CERTIFICATE:
    'the broker does not accept this kind of certificate of a host (mqtt.tls.certFile); is it one for clients?',
  UNKNOWN_CA:
    'the broker does not know the CA of the certificate of this host (mqtt.tls.certFile); add it to the CAs of the broker',
  DECRYPT_ERROR: 'the broker cannot check the certificate of this host (mqtt.tls.certFile); does it have the right CA?',
  ACCESS_DENIED: 'the broker refuses the certificate of this host (mqtt.tls.certFile); check what it lets in',
  HANDSHAKE_FAILURE: 'broker and host do not agree on TLS; does the broker want a certificate (mqtt.tls.certFile)?',
  PROTOCOL_VERSION: 'the broker wants another version of TLS; let it speak 1.2 or 1.3',
  UNRECOGNIZED_NAME: SERVER_NAME,
  NO_APPLICATION_PROTOCOL: 'the broker does not know the protocol in mqtt.tls.alpn; correct or remove it',
};

const alertText = (alert: string): string =>
  ALERTS[alert] ?? `the broker ended TLS with the alert ${alert.toLowerCase().replaceAll('_', ' ')}; its log says why`;
