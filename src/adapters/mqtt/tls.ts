/**
 * What TLS needs for one attempt: certificates and keys are read anew each time, so that renewed ones are used without a
 * restart, and looked at before they are used, because a broker that refuses a certificate rarely says why.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, type SecureContext } from 'node:tls';
import { readBounded } from './bounded-file.ts';
import type { MqttFailure } from './problem.ts';
import type { MqttTlsSettings } from './settings.ts';

/** For tls.connect(). */
export interface TlsOptions {
  readonly rejectUnauthorized: boolean;
  readonly secureContext?: SecureContext;
  readonly servername?: string;
  readonly checkServerIdentity?: typeof checkServerIdentity;
  readonly ALPNProtocols?: string[];
}

export interface TlsMaterial {
  readonly options: TlsOptions;
  /** The certificate of this host and how long it is valid, in words: a broker may hold that against it. */
  readonly own?: string;
}

/** A bundle with all authorities of the world has 250 kB. */
const PEM_BYTES_MAX = 4_194_304;

/** @throws MqttFailure if something cannot be read, or does not fit together */
export const readTls = async (settings: MqttTlsSettings | undefined, now: Date): Promise<TlsMaterial> => {
  if (settings === undefined) return { options: { rejectUnauthorized: true } };
  const { serverName, alpn, verify, keyPassphrase: passphrase } = settings;
  const ca = await pem(settings, 'ca');
  const cert = await pem(settings, 'cert');
  const key = await pem(settings, 'key');
  if (ca !== undefined) certificate(ca, settings, 'ca');
  const own = cert === undefined ? undefined : certificate(cert, settings, 'cert');
  if (own !== undefined && key !== undefined) checkKey(own, key, settings);
  return {
    options: {
      secureContext: createSecureContext({
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined || key === undefined ? {} : { cert, key }),
        ...(passphrase === undefined ? {} : { passphrase }),
      }),
      rejectUnauthorized: verify,
      ...(serverName === undefined ? {} : expecting(serverName)),
      ...(alpn === undefined ? {} : { ALPNProtocols: [alpn] }),
    },
    ...(own === undefined ? {} : { own: describeOwn(own, now) }),
  };
};

type Part = 'ca' | 'cert' | 'key';

const pem = async (settings: MqttTlsSettings, part: Part): Promise<string | undefined> => {
  const file = settings[`${part}File`];
  if (file === undefined) return settings[part];
  return (await readBounded(file, `mqtt.tls.${part}File`, PEM_BYTES_MAX)).toString('latin1');
};

/** SNI knows names only. */
const expecting = (serverName: string): Pick<TlsOptions, 'servername' | 'checkServerIdentity'> =>
  isIP(serverName) === 0
    ? { servername: serverName }
    : { checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate) };

/** Where a part is, in words. */
const nameOf = (settings: MqttTlsSettings, part: Part): string => {
  const file = settings[`${part}File`];
  return file === undefined ? `mqtt.tls.${part}` : `mqtt.tls.${part}File (${file})`;
};

const certificate = (text: string, settings: MqttTlsSettings, part: 'ca' | 'cert'): X509Certificate => {
  try {
    return new X509Certificate(text);
  } catch {
    throw unfit(`${nameOf(settings, part)} is no certificate; it has to begin with -----BEGIN CERTIFICATE-----`);
  }
};

const checkKey = (own: X509Certificate, text: string, settings: MqttTlsSettings): void => {
  const name = nameOf(settings, 'key');
  const { keyPassphrase: passphrase } = settings;
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    throw unfit(
      /ENCRYPTED/.test(text.slice(0, 200))
        ? `the key in ${name} is encrypted, and mqtt.tls.keyPassphrase does not open it; correct it`
        : `${name} is no private key; it has to begin with -----BEGIN PRIVATE KEY-----, or another kind of it`,
    );
  }
  if (!own.checkPrivateKey(key))
    throw unfit(
      `the key in ${name} does not belong to the certificate in ${nameOf(settings, 'cert')}; give both of one pair`,
    );
};

const unfit = (text: string): MqttFailure => ({ code: 'TLS_FILES', text });

const describeOwn = ({ validFrom, validTo, subject }: X509Certificate, now: Date): string => {
  const name = subject.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 100);
  if (new Date(validTo) < now) return `${name}, which expired on ${validTo}`;
  if (new Date(validFrom) > now) return `${name}, which is not valid before ${validFrom}`;
  return `${name}, valid until ${validTo}`;
};
