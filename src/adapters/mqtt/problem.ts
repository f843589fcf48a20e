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

/** Somebody is there, and hung up or was silent instead of saying yes or no. */
export const isUnanswered = ({ code }: MqttFailure): boolean => code === 'HUNG_UP' || code === 'NO_ANSWER';

/** Whatever mqtt.js, the system or a broker gave as a reason, in words. Only known parts of it are repeated. */
export const mqttFailure = (error: unknown): MqttFailure => {
  const code = codeOf(error);
  const remedy = code === undefined ? undefined : REMEDIES[code];
  const what = error instanceof Error && error.message !== '' ? error.message : String(code ?? 'connection failed');
  return { code, text: remedy === undefined ? what : `${what}: ${remedy}` };
};

const codeOf = (error: unknown): string | number | undefined => {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' || typeof error.code === 'number' ? error.code : undefined;
};

const CREDENTIALS = 'check mqtt.username and mqtt.passwordFile';
const NAME = 'check the host name in mqtt.url';
const CERTIFICATE =
  'the certificate of the broker is not trusted; start with NODE_EXTRA_CA_CERTS=/path/to/ca.pem if it is your own';

const REMEDIES: Readonly<Record<string | number, string>> = {
  ECONNREFUSED: 'is a broker running and listening there?',
  ECONNRESET: 'the broker hung up; is it TLS (mqtts://) on that port?',
  ENOTFOUND: NAME,
  EAI_AGAIN: 'name resolution failed; check DNS, or use an address in mqtt.url',
  EHOSTUNREACH: 'check the network',
  ENETUNREACH: 'check the network',
  ETIMEDOUT: 'check the network and the firewall of the broker',
  EACCES: 'check the permissions of mqtt.passwordFile',
  ENOENT: 'check mqtt.passwordFile',
  EPROTO: 'is the port one for TLS? If not, use mqtt:// in mqtt.url',
  ERR_SSL_WRONG_VERSION_NUMBER: 'is the port one for TLS? If not, use mqtt:// in mqtt.url',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate of the broker is for another name; use that name in mqtt.url',
  CERT_HAS_EXPIRED: 'renew the certificate of the broker, and check the clock of this host',
  DEPTH_ZERO_SELF_SIGNED_CERT: CERTIFICATE,
  SELF_SIGNED_CERT_IN_CHAIN: CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: CERTIFICATE,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: CERTIFICATE,
  4: CREDENTIALS,
  5: CREDENTIALS,
  134: CREDENTIALS,
  135: `${CREDENTIALS}, and what the broker lets this user publish`,
  142: 'another client uses the same client id; does a second agent run for this node?',
};
