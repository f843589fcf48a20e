/**
 * What TLS needs for one attempt: certificates and keys are read anew each time, so that renewed ones are used without a
 * restart, and looked at before they are used, because a broker that refuses a certificate rarely says why.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, type SecureContext } from 'node:tls';
import type { MqttTlsSettings } from '../settings.ts';
import { readBounded } from './bounded-file.ts';
import { checkPem, describeCertificate, PEM_BYTES_MAX, type PemPart } from './pem.ts';
import type { MqttFailure } from './problem.ts';

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

/** @throws MqttFailure if something cannot be read, or does not fit together */
export const readTls = async (settings: MqttTlsSettings | undefined, now: Date): Promise<TlsMaterial> => {
  if (settings === undefined) return { options: { rejectUnauthorized: true, checkServerIdentity: identityProblem } };
  const { serverName, alpn, verify, keyPassphrase: passphrase } = settings;
  const ca = await textOf(settings, 'ca');
  const cert = await textOf(settings, 'cert');
  const key = await textOf(settings, 'key');
  const texts = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
  const { problem, own } = checkPem(texts, settings);
  if (problem !== undefined) throw failure(problem.text);
  return {
    options: {
      secureContext: createSecureContext({ ...texts, ...(passphrase === undefined ? {} : { passphrase }) }),
      rejectUnauthorized: verify,
      checkServerIdentity: identityProblem,
      ...(serverName === undefined ? {} : expecting(serverName)),
      ...(alpn === undefined ? {} : { ALPNProtocols: [alpn] }),
    },
    ...(own === undefined ? {} : { own: describeCertificate(own, now) }),
  };
};

const failure = (text: string): MqttFailure => ({ code: 'TLS_FILES', text });

const textOf = async (settings: MqttTlsSettings, part: PemPart): Promise<string | undefined> => {
  const file = settings[`${part}File`];
  if (file === undefined) return settings[part];
  return (await readBounded(file, `mqtt.tls.${part}File`, PEM_BYTES_MAX)).toString('latin1');
};

/** SNI knows names only. */
const expecting = (serverName: string): Pick<TlsOptions, 'servername' | 'checkServerIdentity'> =>
  isIP(serverName) === 0
    ? { servername: serverName }
    : { checkServerIdentity: (_host, certificate) => identityProblem(serverName, certificate) };

/** Node 22.23 does not find an IPv6 address in a certificate, because it compares it as text; OpenSSL does. */
const identityProblem: typeof checkServerIdentity = (host, certificate) => {
  const problem = checkServerIdentity(host, certificate);
  const isFound = isIP(host) === 6 && new X509Certificate(certificate.raw).checkIP(host) !== undefined;
  return isFound ? undefined : problem;
};
